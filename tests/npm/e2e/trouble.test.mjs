/** What goes wrong in browsers: no room, private windows, storage that is cleared, bytes that change. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROWSERS, serveSite, withBrowser } from '../harness/index.mjs';

/** In Firefox an origin has this part of the limit for all of them, or 10 MiB. */
const QUOTA_BYTES = { chromium: 24_000_000, firefox: 10_485_760 };
const TIMEOUT = { timeout: 240_000 };

for (const kind of BROWSERS) {
    const withPage = async (options, run, siteOptions = {}) => {
        const site = await serveSite(siteOptions);
        try {
            await withBrowser(kind, options, async (browser) => run(await browser.open(site.url()), browser, site));
        } finally {
            await site.close();
        }
    };

    test(
        `${kind}: a full quota is told as QUOTA; nothing is lost, and deleting and merging make room`,
        TIMEOUT,
        async () => {
            const prefs = { 'dom.quotaManager.temporaryStorage.fixedLimit': 24_000 };
            await withPage({ prefs }, async (page) => {
                const limit = kind === 'chromium' ? await page.limitQuota(QUOTA_BYTES.chromium) : undefined;
                const answer = await page.run(async () => {
                    const options = { storage: 'opfs', segmentBytes: 2_000_000, values: 'bytes', durability: 'always' };
                    const value = (n) => new Uint8Array(100_000).fill(n);
                    const store = await bitcask.open('full', options);
                    const said = [];
                    let count = 0;
                    for (; count < 1_000; count++) {
                        try {
                            await store.set(count, value(count));
                        } catch (error) {
                            said.push(error.code, error.retry);
                            break;
                        }
                    }
                    // A second failure is the same failure, and a read is as good as ever.
                    said.push(
                        await store.set('more', value(1)).then(
                            () => 'set',
                            (error) => error.code,
                        ),
                    );
                    const intact = async (from, to) => {
                        for (let n = from; n < to; n++) {
                            const found = await store.get(n);
                            if (found?.length !== 100_000 || found.some((byte) => byte !== n % 256))
                                return `${n} is lost`;
                        }
                        return 'all there';
                    };
                    const before = await intact(0, count);
                    // Deleting needs room too, and has it.
                    const half = Math.floor(count / 2);
                    for (let n = 0; n < half; n++) await store.delete(n);
                    await store.merge();
                    const { totalBytes } = await store.stats();
                    const atOnce = await store.set('afterwards', value(7)).then(
                        () => 'set',
                        (error) => error.code,
                    );
                    await store.close();
                    const again = await bitcask.open('full', options);
                    if (atOnce !== 'set') await again.set('afterwards', value(7));
                    const reopened = [await again.count(), (await again.get('afterwards'))[5], again.recovery.bytesCut];
                    const { problems } = await again.verify();
                    const lost = [];
                    for (let n = half; n < count; n++) if ((await again.get(n))?.[99_999] !== n % 256) lost.push(n);
                    await again.close();
                    return { said, atOnce, count, before, totalBytes, half, reopened, problems, lost };
                });
                assert.deepEqual(answer.said, ['QUOTA', false, 'QUOTA']);
                // Most of the room was used before it was refused.
                assert.ok(answer.count * 100_000 > QUOTA_BYTES[kind] / 2, `${answer.count} values went in`);
                assert.equal(answer.before, 'all there');
                // Chromium gives the space of a file that was cut back to the origin when the file is closed.
                const allowed = kind === 'chromium' ? ['set', 'QUOTA'] : ['set'];
                assert.ok(allowed.includes(answer.atOnce), answer.atOnce);
                const kept = answer.count - answer.half;
                assert.deepEqual(answer.reopened, [kept + 1, 7, 0]);
                assert.deepEqual([answer.problems, answer.lost], [[], []]);
                assert.ok(answer.totalBytes < (kept + 30) * 100_000, `${answer.totalBytes} bytes for ${kept} values`);
                await limit?.detach();
            });
        },
    );

    test(`${kind}: a byte that changed is DAMAGED, and salvage reads all else`, TIMEOUT, async () => {
        await withPage({}, async (page) => {
            const answer = await page.run(async () => {
                const COUNT = 400;
                const text = (n) => `the value that has the number ${n}, and no other`;
                const options = { storage: 'opfs', values: 'utf8', keys: 'utf8' };
                const store = await bitcask.open('hurt', options);
                for (let n = 0; n < COUNT; n++) await store.set(`key ${n}`, text(n), { durability: 'none' });
                await store.close();
                // The file that holds it, and where.
                const folder = await (
                    await (await navigator.storage.getDirectory()).getDirectoryHandle('mini-bitcask')
                ).getDirectoryHandle('hurt');
                const wanted = new TextEncoder().encode(text(123));
                let flipped = 0;
                for await (const handle of folder.values()) {
                    const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
                    const at = bytes.findIndex((_, at) => wanted.every((byte, i) => bytes[at + i] === byte));
                    if (at < 0) continue;
                    bytes[at + 5] ^= 1;
                    const file = await handle.createWritable();
                    await file.write(bytes);
                    await file.close();
                    flipped += 1;
                }
                const outcome = { flipped };
                // Damage may be met when the store is opened, or when the record is read: never passed over.
                try {
                    const strict = await bitcask.open('hurt', options);
                    outcome.others = await strict.get('key 7');
                    outcome.problems = (await strict.verify()).problems.length;
                    try {
                        outcome.read = await strict.get('key 123');
                    } catch (error) {
                        outcome.code = error.code;
                    } finally {
                        await strict.close();
                    }
                } catch (error) {
                    outcome.code = error.code;
                }
                const salvage = await bitcask.open('hurt', { ...options, recovery: 'salvage' });
                let sound = 0;
                for (let n = 0; n < COUNT; n++) {
                    const found = await salvage.get(`key ${n}`).catch(() => undefined);
                    if (found === text(n)) sound += 1;
                    else if (found !== undefined) outcome.wrong = found;
                }
                outcome.sound = sound;
                outcome.lost = COUNT - sound;
                await salvage.close();
                return outcome;
            });
            assert.equal(answer.flipped, 1);
            assert.equal(answer.code, 'DAMAGED');
            assert.equal(answer.wrong, undefined);
            assert.equal(answer.lost, 1, JSON.stringify(answer));
        });
    });

    test(
        `${kind}: storage that is cleared under an open store is told, and never an empty store without a word`,
        TIMEOUT,
        async () => {
            const routes = { '/clear': () => ({ headers: { 'clear-site-data': '"storage"' } }) };
            await withPage(
                {},
                async (page) => {
                    const before = await page.run(async () => {
                        globalThis.store = await bitcask.open('cleared', { storage: 'opfs', lockTimeout: 500 });
                        await store.set('a', 'b', { durability: 'always' });
                        return store.get('a');
                    });
                    assert.equal(before, 'b');
                    if (kind === 'chromium') await page.clearStorage('file_systems');
                    else await page.run(() => fetch('/clear').then(() => undefined));
                    const told = await page.run(async () => {
                        const told = [];
                        const tell = (what) => (error) => told.push(`${what}: ${error.code}`);
                        let ended;
                        store.ended.then((error) => (ended = error?.code ?? 'closed'));
                        for (let n = 0; n < 20 && told.length === 0; n++) {
                            await store.set(n, 'c', { durability: 'always' }).catch(tell('set'));
                            const value = await store.get('a').catch(tell('get'));
                            // A read of before is right as long as nothing is told.
                            if (value !== 'b' && told.length === 0) told.push(`get: ${value} without a word`);
                            await new Promise((resolve) => setTimeout(resolve, 100));
                        }
                        await store.close().catch(tell('close'));
                        const next = await bitcask.open('cleared', { storage: 'opfs', create: false }).then(
                            async (store) => {
                                const value = await store.get('a');
                                await store.close();
                                return `opened: ${value}`;
                            },
                            (error) => error.code,
                        );
                        return { told, ended, next };
                    });
                    assert.ok(told.told.length > 0, `nobody was told: ${JSON.stringify(told)}`);
                    assert.doesNotMatch(told.told.join(), /without a word/);
                    assert.equal(told.next, 'NO_STORE', JSON.stringify(told));
                },
                { routes },
            );
        },
    );
}

if (BROWSERS.includes('firefox')) {
    test('firefox: a private window has a store that says it does not last', TIMEOUT, async () => {
        const site = await serveSite();
        try {
            await withBrowser('firefox', { prefs: { 'browser.privatebrowsing.autostart': true } }, async (browser) => {
                const page = await browser.open(site.url());
                const answer = await page.run(async () => {
                    const store = await bitcask.open('private');
                    await store.set('a', { b: 1 }, { durability: 'always' });
                    await store.close();
                    const again = await bitcask.open('private');
                    const value = await again.get('a');
                    const { backend, durable } = again;
                    await again.close();
                    const refused = await bitcask.open('private', { storage: ['opfs'] }).catch((error) => error.code);
                    const memory = await bitcask.open('other', { storage: ['opfs', 'memory'] });
                    await memory.set('c', 'd');
                    const kept = [memory.backend, memory.durable, await memory.get('c')];
                    await memory.close();
                    return { value, backend, durable, refused, kept };
                });
                assert.deepEqual(answer, {
                    value: { b: 1 },
                    backend: 'indexeddb',
                    durable: false,
                    refused: 'UNSUPPORTED',
                    kept: ['memory', false, 'd'],
                });
            });
        } finally {
            await site.close();
        }
    });
}
