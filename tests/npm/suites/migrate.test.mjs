/** Migrations of what the real idb-keyval, localForage and localStorage hold: in browsers and, quickly, in Node on fake-indexeddb. */
import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as idb from 'idb-keyval';
import * as bitcask from 'mini-bitcask';
import * as adapter from 'mini-bitcask/idb-keyval';
import * as migrate from 'mini-bitcask/migrate';
import { BROWSERS, serveSite, withBrowser } from '../harness/index.mjs';
import { scenarios } from './migrate.scenarios.js';

const NAMES = Object.keys(scenarios({}));

test('Node', { timeout: 120_000 }, async (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'bitcask-migrate-'));
    try {
        const runs = scenarios({ ...bitcask, idb, adapter, migrate, directory });
        // The others need a page: localForage looks for one, and Node 20 has no localStorage. fake-indexeddb keeps no Blobs.
        const here = NAMES.filter((name) => !/localForage|localStorage|cannot be kept|all values/.test(name));
        assert.ok(here.length >= 4);
        for (const name of here) await context.test(name, () => runs[name]());
    } finally {
        rmSync(directory, { recursive: true });
    }
});

for (const kind of BROWSERS) {
    test(kind, { timeout: 300_000 }, async (context) => {
        const site = await serveSite({ entries: { page: 'suites/migrate.page.js' } });
        try {
            await withBrowser(kind, {}, async (browser) => {
                const page = await browser.open(site.url());
                for (const name of NAMES)
                    await context.test(name, () => page.run((name) => globalThis.run(name), name));
            });
        } finally {
            await site.close();
        }
    });
}
