/** The page in www/, built on the packed package and served as `make demo` does, in real browsers. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { serve } from '../../../www/serve.mjs';
import { BROWSERS, PROJECT, withBrowser } from '../harness/index.mjs';
import { PageDriver } from './page-driver.mjs';

before(() => execFileSync(join(PROJECT, '../../scripts/page'), ['--packed'], { stdio: 'inherit' }));

/** A test in one browser, with a server of its own, hence with stores of its own. */
function pageTest(kind, name, run, { todo = false, ...options } = {}) {
    if (!BROWSERS.includes(kind)) return;
    test(`${kind}: ${name}`, { timeout: 300_000, todo }, async () => {
        const site = await serve({ port: 0 });
        try {
            await withBrowser(kind, options, (browser) => run(browser, site.address));
        } finally {
            await site.close();
        }
    });
}

for (const kind of ['chromium', 'firefox']) {
    pageTest(
        kind,
        'what is written is read, scanned, told, there after a reload, deleted',
        async (browser, address) => {
            const page = await PageDriver.open(browser, address);
            assert.match(await page.text('place-label'), /OPFS/);
            assert.match(await page.text('recovery'), /A new store/);
            assert.match(await page.write('user:1', 'Ada'), /^Wrote "user:1": 3 bytes\./);
            await page.write('user:2', 'Grace\nHopper');
            await page.write('zebra', '🦓');
            assert.deepEqual(await page.scan({}, 3), ['user:1', 'user:2', 'zebra']);
            await page.scan({ prefix: 'user:' }, 2);
            await page.shows(['user:1', 'user:2']);
            await page.scan({ prefix: 'user:', reverse: true }, 2);
            await page.shows(['user:2', 'user:1']);
            await page.scan({ from: 'user:2', to: 'zebra' }, 1);
            await page.shows(['user:2']);
            await page.page.locator('#changes li').filter({ hasText: 'zebra' }).waitFor();

            await page.reload();
            assert.match(await page.text('recovery'), /Opened in .*: \d+ segments?, 3 records/);
            assert.equal(await page.read('user:2'), 'Grace\nHopper');
            assert.equal(await page.read('zebra'), '🦓');
            // The scan follows what is written elsewhere on the page.
            await page.shows(['user:1', 'user:2', 'zebra']);
            assert.match(await page.delete('user:1'), /^Deleted/);
            await page.shows(['user:2', 'zebra']);
            assert.equal(await page.read('user:1'), undefined);
            await page.page.getByRole('button', { name: 'Delete zebra' }).click();
            await page.shows(['user:2']);
            assert.equal(await page.read('zebra'), undefined);
        },
    );

    pageTest(
        kind,
        'a load is written, checked, halved, merged, verified; another is stopped',
        async (browser, address) => {
            const page = await PageDriver.open(browser, address);
            await page.page.getByLabel('by itself').uncheck();
            await page.phase('open');
            assert.match(await page.load('Write them', { keys: 40_000, bytes: 100 }), /^Wrote 40,000 keys in/);
            assert.match(await page.load('Read and check'), /^Read 40,000 keys in .*: none is wrong, 0 not there\./);
            assert.match(await page.load('Delete every second'), /^Deleted 20,000 keys in/);
            await page.page
                .locator('#numbers div')
                .filter({ hasText: /^keys20,000$/ })
                .waitFor();
            const before = await page.segments();
            assert.ok(before.length >= 2, `more than one segment: ${JSON.stringify(before)}`);
            assert.ok(
                before.some(({ dead }) => dead > 10),
                `dead bytes show: ${JSON.stringify(before)}`,
            );
            assert.match(await page.merge(), /^Merged \d+ segments? into .* freed\.$/);
            assert.match(
                await page.load('Read and check'),
                /^Read 40,000 keys in .*: none is wrong, 20,000 not there\./,
            );
            assert.match(await page.verify(), /^All is sound/);
            // The page goes on answering while it works: a load without end is stopped by its button.
            await page.load('Write them', { keys: 5_000_000, bytes: 100, until: /^Writing/ });
            await page.card('Many keys').getByRole('button', { name: 'Stop' }).click();
            assert.match(await page.said('load', /^Stopped/), /^Stopped: wrote [\d,]+ keys? in/);
        },
    );

    pageTest(kind, 'a store is downloaded, emptied, and dropped in again', async (browser, address) => {
        const page = await PageDriver.open(browser, address);
        await page.write('kept', 'as it was');
        await page.load('Write them', { keys: 3_000, bytes: 50 });
        const file = await page.download();
        assert.equal(file.name, 'demo.bitcask');
        assert.match(await page.deleteAll(), /^Deleted 3,001 keys/);
        assert.match(await page.carryIn('demo.bitcask', file.bytes), /^3,001 keys from demo.bitcask/);
        assert.equal(await page.read('kept'), 'as it was');
        assert.match(await page.load('Read and check'), /none is wrong, 0 not there/);

        const other = await PageDriver.open(browser, `${address}?store=other`);
        assert.match(await other.drop('dropped.bitcask', file.bytes), /^3,001 keys from dropped.bitcask/);
        assert.match(await other.drop('torn.bitcask', file.bytes.subarray(0, 900)), /^DAMAGED /);
        assert.match(await other.drop('photo.jpg', Buffer.from('no store at all')), /^[A-Z_]{2,} /);
    });

    pageTest(kind, 'a second tab says LOCKED, and opens when the first is closed', async (browser, address) => {
        const first = await PageDriver.open(browser, address);
        await first.write('from', 'the first tab');
        const second = await PageDriver.open(browser, address, 'locked');
        assert.match(await second.text('notice'), /open in another tab.*LOCKED/);
        assert.equal(await second.page.locator('#one-key').isDisabled(), true);
        await first.tab.close();
        await second.phase('open');
        assert.equal(await second.page.locator('#notice').isVisible(), false);
        assert.equal(await second.read('from'), 'the first tab');
    });

    pageTest(kind, 'a store in memory, or in IndexedDB, is called so', async (browser, address) => {
        const page = await PageDriver.open(browser, `${address}?storage=memory`);
        assert.match(await page.text('place-text'), /gone when this tab is closed/);
        await page.write('key', 'value');
        assert.equal(await page.read('key'), 'value');
        const copy = await PageDriver.open(browser, `${address}?store=copy&storage=indexeddb`);
        assert.match(await copy.text('place-label'), /IndexedDB/);
        await copy.write('key', 'value');
        await copy.reload();
        assert.equal(await copy.read('key'), 'value');
    });
}

pageTest(
    'firefox',
    'a private window is said to be one',
    async (browser, address) => {
        const page = await PageDriver.open(browser, address);
        assert.match(await page.text('place-text'), /private window/);
        await page.write('key', 'value');
        assert.equal(await page.read('key'), 'value');
    },
    { prefs: { 'browser.privatebrowsing.autostart': true } },
);

pageTest('chromium', 'a full disk ends a load with QUOTA and advice, and nothing is lost', async (browser, address) => {
    const page = await PageDriver.open(browser, address);
    await page.write('first', 'of all');
    await page.tab.limitQuota(20_000_000);
    assert.match(await page.load('Write them', { keys: 1_000_000, bytes: 1_000 }), /^QUOTA .*(delete|space)/i);
    assert.equal(await page.read('first'), 'of all');
    assert.match(await page.delete('first'), /^Deleted/);
    await page.reload();
    assert.match(await page.deleteAll(), /^Deleted/);
    assert.match(await page.write('again', 'there is room'), /^Wrote/);
});

pageTest(
    'chromium',
    'on a full disk all is deleted, with a merge and at worst a reopening in between',
    async (browser, address) => {
        const page = await PageDriver.open(browser, address);
        await page.tab.limitQuota(30_000_000);
        assert.match(await page.load('Write them', { keys: 1_000_000, bytes: 1_000 }), /^QUOTA /);
        for (let round = 0; ; round += 1) {
            const said = await page.deleteAll();
            const merged = await page.merge();
            if (said.startsWith('Deleted')) {
                assert.match(merged, /^Merged|^There was nothing/);
                break;
            }
            // What an open file has had and lost is another's only once it was closed.
            if (merged.startsWith('QUOTA ')) await page.reload();
            else assert.match(merged, /^Merged|^There was nothing/);
            assert.match(said, /^QUOTA /);
            assert.ok(round < 5, `still after ${round} rounds: ${said}`);
        }
    },
);
