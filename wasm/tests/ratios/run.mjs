#!/usr/bin/env node
/**
 * The engine's synchronous calls beside the same work on a bare file with a Map of where each value stands, in one run of
 * each browser. Prints µs a call and ratios (1: as fast as the bare file). Made by hand, no test: a busy machine says little.
 *
 * `wasm-pack build wasm --target web && (cd tests/npm && npm ci) && node wasm/tests/ratios/run.mjs`
 */
import { readFileSync } from 'node:fs';
import { BROWSERS, html, serve, withBrowser } from '../../../tests/npm/harness/index.mjs';

const worker = readFileSync(new URL('worker.js', import.meta.url), 'utf8');
const page = `
const worker = new Worker('/worker.js', { type: 'module' });
globalThis.measured = new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
globalThis.ready = true;`;

for (const kind of BROWSERS) {
    const site = await serve({
        folders: { '/pkg/': new URL('../../pkg/', import.meta.url).pathname },
        texts: { '/': html('/page.js'), '/page.js': page, '/worker.js': worker },
    });
    await withBrowser(kind, {}, async (browser) => {
        const tab = await browser.open(site.url());
        console.log(kind);
        console.table(await tab.run(() => globalThis.measured));
    });
    await site.close();
}
