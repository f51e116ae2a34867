/** A quota with nothing left of it, in real browsers: what makes room has some kept for it, and others cannot take that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROWSERS, serveSite, withBrowser } from '../harness/index.mjs';

const QUOTA_BYTES = 16_000_000;

for (const kind of BROWSERS) {
    test(
        `${kind}: with nothing left of the quota, deletes, a merge and a reopening work, and then writes again`,
        { timeout: 240_000 },
        async () => {
            const site = await serveSite();
            // A site may have a fifth of it.
            const prefs = { 'dom.quotaManager.temporaryStorage.fixedLimit': (5 * QUOTA_BYTES) / 1_000 };
            try {
                await withBrowser(kind, { prefs }, async (browser) => {
                    const page = await browser.open(site.url());
                    const limit = kind === 'chromium' ? await page.limitQuota(QUOTA_BYTES) : undefined;
                    const answer = await page.run(async () => {
                        const LEN = 20_000;
                        const options = { storage: 'opfs', segmentBytes: 1_000_000, values: 'bytes', durability: 'none' };
                        const value = (n) => new Uint8Array(LEN).fill(n);
                        const refused = (error) => error.code;
                        let store = await bitcask.open('tight', options);
                        const fill = async () => {
                            for (let count = 0; count < 2_000; count++) {
                                const said = await store.set(count, value(count)).then(() => undefined, refused);
                                if (said !== undefined) return { count, said };
                            }
                            return { count: 2_000, said: 'never full' };
                        };
                        const full = await fill();
                        // Somebody else of the origin takes what is left.
                        const root = await navigator.storage.getDirectory();
                        const other = await (await root.getFileHandle('other', { create: true })).createWritable();
                        let step = 1_000_000;
                        while (step >= 1_000) {
                            try {
                                await other.write(new Uint8Array(step));
                            } catch {
                                step = Math.floor(step / 2);
                            }
                        }
                        await other.close().catch(() => undefined);
                        // What is kept is not for these, however often they ask, nor for small ones.
                        const more = new Set();
                        for (let n = 0; n < 100; n++)
                            more.add(await store.set(`more ${n}`, value(n)).then(() => 'set', refused));
                        await store.close();
                        store = await bitcask.open('tight', options);
                        const kept = Math.floor((full.count * 7) / 8);
                        const deleted = [];
                        for (let n = 0; n < kept; n++) deleted.push(await store.delete(n).catch(refused));
                        const merged = await store.merge().then(() => 'merged', refused);
                        const again = await fill();
                        const wrong = [];
                        for (let n = 0; n < full.count; n++) {
                            const there = n < again.count || kept <= n;
                            const found = await store.get(n);
                            if (there ? found?.length !== LEN || found.some((byte) => byte !== n % 256) : found) wrong.push(n);
                        }
                        const { problems } = await store.verify();
                        await store.close();
                        return { full, more: [...more], notDeleted: deleted.filter((it) => it !== true), merged, again, wrong, problems };
                    });
                    await limit?.detach();
                    assert.equal(answer.full.said, 'QUOTA');
                    assert.ok(answer.full.count * 20_000 > QUOTA_BYTES / 2, JSON.stringify(answer.full));
                    assert.deepEqual(answer.notDeleted, [], JSON.stringify(answer));
                    assert.equal(answer.merged, 'merged');
                    assert.ok(answer.again.count > answer.full.count / 2, JSON.stringify(answer));
                    assert.deepEqual([answer.wrong, answer.problems, answer.more], [[], [], ['QUOTA']]);
                });
            } finally {
                await site.close();
            }
        },
    );
}
