/** The harness itself, on the browsers' own file system: no package is needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROWSERS, html, launch, serve, withBrowser, withProfile } from './index.mjs';

/** A worker that appends to a file, and says how long it was before. */
const WORKER = `onmessage = async ({ data: { bytes, flush } }) => {
    try {
        const root = await navigator.storage.getDirectory();
        const handle = await (await root.getFileHandle('log', { create: true })).createSyncAccessHandle();
        const before = handle.getSize();
        const written = handle.write(new Uint8Array(bytes).fill(7), { at: before });
        if (flush) handle.flush();
        handle.close();
        postMessage({ before, written });
    } catch (error) { postMessage({ error: error.name }); }
};`;
const PAGE = `globalThis.append = (order) => new Promise((resolve) => {
    const worker = new Worker('/append.js');
    worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
    worker.postMessage(order);
});
globalThis.ready = true;`;
const site = () => serve({ texts: { '/': html('/page.js'), '/page.js': PAGE, '/append.js': WORKER } });
const append = (page, order) => page.run((order) => globalThis.append(order), order);

for (const kind of BROWSERS) {
    test(`${kind}: files of a page outlive a reload and the browser's death`, { timeout: 240_000 }, async () => {
        const server = await site();
        try {
            await withProfile(async (profile) => {
                const first = await launch(kind, { profile });
                const page = await first.open(server.url());
                assert.deepEqual(await append(page, { bytes: 1000, flush: true }), { before: 0, written: 1000 });
                await page.reload();
                assert.deepEqual(await append(page, { bytes: 10, flush: false }), { before: 1000, written: 10 });
                await first.kill();

                const second = await launch(kind, { profile });
                assert.deepEqual(await append(await second.open(server.url()), { bytes: 1, flush: false }), {
                    before: 1010,
                    written: 1,
                });
                await second.close();
            });
        } finally {
            await server.close();
        }
    });

    test(`${kind}: an error in the console fails a test, unless it was expected`, { timeout: 120_000 }, async () => {
        const server = await site();
        try {
            const complain = async (browser) => {
                const page = await browser.open(server.url());
                await page.run(() => console.error('a complaint'));
                return page;
            };
            await assert.rejects(withBrowser(kind, {}, complain), /a complaint/);
            await withBrowser(kind, {}, async (browser) => (await complain(browser)).expect(/a complaint/));
            await withBrowser(kind, {}, async (browser) => {
                const page = await browser.open(server.url());
                const error = await page
                    .run((code) => {
                        throw Object.assign(new RangeError('too far'), { code });
                    }, 'FAR')
                    .catch((error) => error);
                assert.deepEqual([error.name, error.message, error.code], ['RangeError', 'too far', 'FAR']);
            });
        } finally {
            await server.close();
        }
    });
}
