/** The idb-keyval shaped adapter beside the real one: the same calls, the same answers. In Node on fake-indexeddb, and in browsers. */
import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as theirs from 'idb-keyval';
import * as ours from 'mini-bitcask/idb-keyval';
import { BROWSERS, serveSite, withBrowser } from '../harness/index.mjs';
import { shown, story } from './idb-keyval.cases.js';

test('Node: the same story as idb-keyval', { timeout: 120_000 }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bitcask-idb-keyval-'));
    const was = process.cwd();
    try {
        // Where a store has no directory, it is below the current one.
        process.chdir(directory);
        const [expected, told] = [await story(theirs, 'name', false), await story(ours, 'name', false)];
        assert.deepEqual(told.map(shown), expected.map(shown));
        assert.ok(told.length > 60);
    } finally {
        process.chdir(was);
        rmSync(directory, { recursive: true });
    }
});

for (const kind of BROWSERS) {
    test(`${kind}: the same story as idb-keyval`, { timeout: 240_000 }, async () => {
        const site = await serveSite({ entries: { page: 'suites/idb-keyval.page.js' } });
        try {
            await withBrowser(kind, {}, async (browser) => {
                const page = await browser.open(site.url());
                const [expected, told] = await page.run(() => globalThis.tell());
                assert.deepEqual(told, expected);
                // What was written is there when the page comes again.
                await page.reload();
                assert.deepEqual((await page.run(() => globalThis.tell()))[1], expected);
            });
        } finally {
            await site.close();
        }
    });
}
