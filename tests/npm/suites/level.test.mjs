/** abstract-level 3's own suite, unmodified: in Node, in pages, and in dedicated workers on the synchronous store. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { BROWSERS, PROJECT, serveSite, withBrowser } from '../harness/index.mjs';

/** As memory-level, the suite's reference, has them in Node. */
const ASSERTIONS_MIN = 5_120;
/** Without `getSync()`, which a page cannot have: its engine is in a worker. */
const IN_PAGE_MIN = 4_700;
/** A thousand stores are opened and closed: a minute or two, and ten times that on a machine that is busy. */
const TIMEOUT = { timeout: 1_800_000 };

for (const sync of [[], ['sync']]) {
    test(`abstract-level in Node${sync.length ? ', synchronous store' : ''}`, TIMEOUT, async (context) => {
        const script = join(PROJECT, 'suites/level/node.js');
        const { stdout } = await promisify(execFile)(process.execPath, [script, ...sync], {
            maxBuffer: 64 * 1024 * 1024,
        }).catch((error) => error);
        judge(context, stdout.split('\n'), ASSERTIONS_MIN);
    });
}

/** `make suites` runs it in every browser, in pages and in workers: ten minutes. `make test` in Chromium's worker only. */
const EVERYWHERE = process.env.SUITES === 'everywhere';

for (const kind of EVERYWHERE ? BROWSERS : BROWSERS.filter((kind) => kind === 'chromium')) {
    test(`abstract-level in ${kind}`, TIMEOUT, async (context) => {
        const site = await serveSite({
            entries: { page: 'suites/level/page.js', worker: 'suites/level/worker.js' },
            inject: ['./suites/node-shims.js'],
            alias: { stream: 'stream-browserify', path: 'path-browserify', fs: './suites/empty.js' },
        });
        try {
            await withBrowser(kind, {}, async (browser) => {
                const inPage = async (context) => {
                    const page = await browser.open(site.url());
                    judge(context, await page.run(() => globalThis.runSuite()), IN_PAGE_MIN);
                    await page.close();
                };
                if (EVERYWHERE) await context.test('page', TIMEOUT, inPage);
                await context.test('worker, synchronous store', TIMEOUT, async (context) => {
                    const page = await browser.open(site.url());
                    judge(context, await page.run(() => globalThis.runInWorker()), ASSERTIONS_MIN);
                    await page.close();
                });
            });
        } finally {
            await site.close();
        }
    });
}

/** TAP that closes with as many assertions as there must be, all passed and none skipped. */
function judge(context, lines, least) {
    const closing = Object.fromEntries(
        lines
            .flatMap((line) => [...line.matchAll(/^# (tests|pass|fail) +(\d+)$/g)])
            .map(([, word, count]) => [word, Number(count)]),
    );
    context.diagnostic(`abstract-level: ${closing.pass} of ${closing.tests} assertions`);
    const at = lines.findIndex((line) => line.startsWith('not ok'));
    assert.equal(at, -1, lines.slice(at, at + 20).join('\n'));
    assert.deepEqual(
        lines.filter((line) => /# (SKIP|TODO)/i.test(line)),
        [],
    );
    assert.ok(closing.tests >= least && closing.pass === closing.tests, JSON.stringify(closing));
}
