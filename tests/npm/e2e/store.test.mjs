/** The package in a page, as people use it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BROWSERS, bundle, launch, PACKAGE, serveSite } from '../harness/index.mjs';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A worker of the page's own, with the synchronous API. */
const SYNC_WORKER = `import { open } from 'mini-bitcask/sync';
onmessage = async () => {
    try {
        const store = await open('of-a-worker', { storage: ['opfs'] });
        for (let i = 0; i < 100; i++) store.set(i, 'value ' + i);
        store.delete(3);
        const keys = [...store.keys({ gte: 2, lt: 6 })];
        const answer = { keys, value: store.get(42), gone: store.get(3), backend: store.backend };
        store.close();
        postMessage(answer);
    } catch (error) { postMessage({ error: error.code + ' ' + error.message }); }
};`;

for (const kind of BROWSERS) {
    let site;
    let browser;
    before(async () => {
        const script = await bundle({ source: SYNC_WORKER });
        site = await serveSite({
            texts: { '/sync-worker.js': script, '/other/': '<title>other</title><link rel="icon" href="data:,">' },
        });
        browser = await launch(kind);
    });
    after(async () => {
        await site.close();
        await browser.close();
    });

    const check = (what, run) => test(`${kind}: ${what}`, { timeout: 120_000 }, run);
    const inTab = async (run) => {
        const page = await browser.open(site.url());
        try {
            await run(page);
        } finally {
            await page.close();
        }
        browser.assertNoErrors();
    };

    check('what was set is read, walked, and there after a reload', () =>
        inTab(async (page) => {
            const first = await page.run(async () => {
                const store = await bitcask.open('notes');
                const value = { text: 'world', at: new Date(5), tags: new Set(['a']), big: 2n ** 70n };
                await store.set('hello', value);
                await store.setMany([1, 2, 3].map((n) => [['list', n], `item ${n}`]));
                await store.delete(['list', 2]);
                const keys = [];
                for await (const key of store.keys({ prefix: ['list'], reverse: true })) keys.push(key);
                const { text, at, tags, big } = await store.get('hello');
                const { backend, durable, recovery } = store;
                return {
                    text,
                    at: at.getTime(),
                    tags: [...tags],
                    big,
                    keys,
                    backend,
                    durable,
                    created: recovery.created,
                };
            });
            assert.deepEqual(first, {
                text: 'world',
                at: 5,
                tags: ['a'],
                big: 2n ** 70n,
                keys: [
                    ['list', 3],
                    ['list', 1],
                ],
                backend: 'opfs',
                durable: true,
                created: true,
            });
            // Nobody closed it: the page goes, and what was acknowledged stays.
            await page.reload();
            const second = await page.run(async () => {
                const store = await bitcask.open('notes');
                const entries = [];
                for await (const [key, value] of store.entries()) entries.push([key, value.text ?? value]);
                await store.close();
                return { entries, created: store.recovery.created };
            });
            const entries = [
                ['hello', 'world'],
                [['list', 1], 'item 1'],
                [['list', 3], 'item 3'],
            ];
            assert.deepEqual(second, { entries, created: false });
        }),
    );

    check('a second tab is told LOCKED, and has the store when the first closes it', () =>
        inTab((first) =>
            inTab(async (second) => {
                await first.run(async () => {
                    globalThis.store = await bitcask.open('shared');
                    await store.set('from', 'the first');
                });
                const refused = await second
                    .run(() => bitcask.open('shared', { lockTimeout: 200 }))
                    .catch((error) => error);
                assert.equal(refused.code, 'LOCKED');
                const waiting = second.run(async () => {
                    globalThis.store = await bitcask.open('shared', { lockTimeout: 60_000 });
                    return store.get('from');
                });
                await first.run(() => store.close());
                assert.equal(await waiting, 'the first');
                await second.run(() => store.close());
            }),
        ),
    );

    check('a second tab has the store when the first tab closes, or goes elsewhere', () =>
        inTab(async (second) => {
            for (const leave of ['close', 'navigate']) {
                const first = await browser.open(site.url());
                await first.run(async (leave) => {
                    globalThis.store = await bitcask.open('left');
                    await store.set('leave', leave);
                }, leave);
                const waiting = second.run(async () => {
                    const store = await bitcask.open('left', { lockTimeout: 60_000 });
                    const value = await store.get('leave');
                    await store.close();
                    return value;
                });
                if (leave === 'close') await first.close();
                else await first.goto(site.url('/other/'), { ready: false });
                assert.equal(await waiting, leave);
                if (leave === 'navigate') await first.close();
            }
        }),
    );

    check('files that somebody still holds are LOCKED; the others are given back, and all are had when he goes', () =>
        inTab(async (page) => {
            const said = await page.run(async () => {
                await (await bitcask.open('held')).close();
                const source = `onmessage = async () => {
                    const root = await navigator.storage.getDirectory();
                    const folder = await (await root.getDirectoryHandle('mini-bitcask')).getDirectoryHandle('held');
                    globalThis.held = await (await folder.getFileHandle('slot-05')).createSyncAccessHandle();
                    postMessage('held');
                }`;
                const holder = new Worker(URL.createObjectURL(new Blob([source])));
                await new Promise((resolve) => ((holder.onmessage = resolve), holder.postMessage('hold')));
                const codeOf = (opening) => opening.then((store) => store.backend).catch(({ code }) => code);
                const said = [await codeOf(bitcask.open('held')), await codeOf(bitcask.open('No name'))];
                setTimeout(() => holder.terminate(), 50);
                const store = await bitcask.open('held');
                await store.set('a', 1);
                await store.close();
                return [...said, store.backend];
            });
            assert.deepEqual(said, ['LOCKED', 'INVALID', 'opfs']);
        }),
    );

    check('a store that is made while its opener waits for the lock is found, also the first one of an origin', () =>
        inTab(async (page) => {
            const found = await page.run(async () => {
                const store = await bitcask.open('late');
                await store.set('n', 1);
                await store.close();
                const root = await navigator.storage.getDirectory();
                const folderOf = async (create) =>
                    (await root.getDirectoryHandle('mini-bitcask', { create })).getDirectoryHandle('late', { create });
                const files = [];
                for await (const file of (await folderOf(false)).values()) {
                    files.push([file.name, await (await file.getFile()).arrayBuffer()]);
                }
                // The handles of a worker that has just ended are let go a little later.
                for (let tries = 0; tries < 100; tries += 1) {
                    const removed = root.removeEntry('mini-bitcask', { recursive: true });
                    if (await removed.then(() => true).catch(() => false)) break;
                    await new Promise((resolve) => setTimeout(resolve, 50));
                }
                const release = await new Promise((resolve) => {
                    navigator.locks.request('mini-bitcask:late', () => new Promise((end) => resolve(end)));
                });
                const opening = bitcask.open('late', { create: false, storage: 'opfs' });
                await new Promise((resolve) => setTimeout(resolve, 500));
                const folder = await folderOf(true);
                for (const [name, bytes] of files) {
                    const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
                    await writable.write(bytes);
                    await writable.close();
                }
                release();
                const late = await opening.catch(({ code }) => ({ get: () => code, close() {} }));
                const found = await late.get('n');
                await late.close();
                return found;
            });
            assert.equal(found, 1);
        }),
    );

    check('a page that comes back goes on with its store', () =>
        inTab(async (page) => {
            await page.run(async () => {
                globalThis.store = await bitcask.open('back-and-forth');
                await store.set('n', 1);
            });
            // The headless browsers keep no page, so the page is told what it would be told.
            const seen = await page.run(async () => {
                dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
                const other = await bitcask.open('back-and-forth', { lockTimeout: 10_000 });
                await other.set('n', 2);
                await other.close();
                dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
                const seen = await store.get('n');
                await store.set('n', 3);
                return [seen, await store.get('n')];
            });
            assert.deepEqual(seen, [2, 3]);
            // Hidden again while its worker starts: the others get the store, and the call that waits is answered later.
            const late = await page.run(async () => {
                dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
                dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
                const waiting = store.get('n');
                // Calls are sent when the microtask ends: then the worker starts.
                await null;
                await null;
                dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
                const other = await bitcask.open('back-and-forth', { lockTimeout: 10_000 });
                await other.set('n', 4);
                await other.close();
                dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
                return waiting;
            });
            assert.equal(late, 4);
            await page.run(() => store.close());
        }),
    );

    check('what a page has it reads without a message, unless it is told to keep nothing', () =>
        inTab(async (page) => {
            const messages = await page.run(async () => {
                const { postMessage } = Worker.prototype;
                let count = 0;
                Worker.prototype.postMessage = function (...all) {
                    count += 1;
                    return postMessage.apply(this, all);
                };
                const counts = [];
                for (const options of [{}, { cacheBytes: 0 }]) {
                    const store = await bitcask.open('kept', options);
                    await store.set('n', { n: 1 });
                    const before = count;
                    for (let times = 0; times < 3; times += 1) {
                        if ((await store.get('n')).n !== 1) throw new Error('another value');
                    }
                    counts.push(count - before);
                    await store.close();
                }
                Worker.prototype.postMessage = postMessage;
                return counts;
            });
            assert.deepEqual(messages, [0, 3]);
        }),
    );

    check('a worker of the page has the synchronous API', () =>
        inTab(async (page) => {
            const answer = await page.run(
                () =>
                    new Promise((resolve) => {
                        const worker = new Worker('/sync-worker.js', { type: 'module' });
                        worker.onmessage = ({ data }) => (worker.terminate(), resolve(data));
                        worker.onerror = (event) => resolve({ error: event.message });
                        worker.postMessage('go');
                    }),
            );
            assert.deepEqual(answer, { keys: [2, 4, 5], value: 'value 42', gone: undefined, backend: 'opfs' });
        }),
    );

    check('verifying tells how far it is, before it is done', () =>
        inTab(async (page) => {
            const { told, then, report } = await page.run(async () => {
                const store = await bitcask.open('verified', { segmentBytes: 100_000 });
                await store.setMany(Array.from({ length: 3_000 }, (_, n) => [n, 'x'.repeat(100)]));
                const told = [];
                const verifying = store.verify({ onProgress: (done, total) => told.push([done, total]) });
                // What is called meanwhile does not wait until all is read.
                await store.set('meanwhile', 1);
                const then = told.length;
                const report = await verifying;
                await store.close();
                return { told, then, report };
            });
            assert.deepEqual(report.problems, []);
            assert.ok(then < told.length, `answered after ${then} of ${told.length} steps`);
            assert.ok(told.length > 1 && told.every(([done, total]) => 0 < done && done <= total), String(told));
        }),
    );

    check('stores are listed and destroyed; one that is open is not', () =>
        inTab(async (page) => {
            const answer = await page.run(async () => {
                const one = await bitcask.open('doomed');
                await one.set('a', 1);
                const refused = await bitcask.destroy('doomed', { lockTimeout: 100 }).catch((error) => error.code);
                await one.close();
                const listed = (await bitcask.list()).includes('doomed');
                await bitcask.destroy('doomed');
                const after = (await bitcask.list()).includes('doomed');
                const none = await bitcask.open('doomed', { create: false }).catch((error) => error.code);
                return { refused, listed, after, none, left: (await bitcask.list()).includes('doomed') };
            });
            assert.deepEqual(answer, { refused: 'LOCKED', listed: true, after: false, none: 'NO_STORE', left: false });
        }),
    );

    check("the copy inside the package works where the worker's files are lost", async () => {
        for (const lost of ['worker.js', 'bitcask_bg.wasm']) {
            const broken = await serveSite({
                routes: { [`/node_modules/mini-bitcask/dist/${lost}`]: () => ({ status: 404 }) },
            });
            const page = await browser.open(broken.url());
            try {
                page.expect(/404|Loading Worker|Loading failed|Failed to load/);
                const value = await page.run(async () => {
                    const store = await bitcask.open('inlined', { storage: 'opfs' });
                    await store.set('a', 'b');
                    const value = await store.get('a');
                    await store.close();
                    return value;
                });
                assert.equal(value, 'b', lost);
                assert.ok(broken.requests.includes('/node_modules/mini-bitcask/dist/inline.js'));
            } finally {
                await page.close();
                await broken.close();
            }
        }
        browser.assertNoErrors();
    });

    check('the worker and the engine may come from elsewhere, and nothing else is loaded then', async () => {
        const dist = (name) => readFileSync(join(PACKAGE, 'dist', name));
        const elsewhere = await serveSite({
            texts: { '/assets/w.js': dist('worker.js'), '/assets/e.wasm': dist('bitcask_bg.wasm') },
        });
        const page = await browser.open(elsewhere.url());
        try {
            await page.run(async () => {
                const store = await bitcask.open('elsewhere', { worker: '/assets/w.js', wasm: '/assets/e.wasm' });
                await store.close();
            });
            assert.ok(elsewhere.requests.includes('/assets/w.js') && elsewhere.requests.includes('/assets/e.wasm'));
            assert.ok(!elsewhere.requests.some((path) => /dist\/(worker|inline)\.js|dist\/.*wasm/.test(path)));
            page.expect(/404|Loading Worker|Loading failed|Failed to load/);
            const refusal = await page.run(() =>
                bitcask.open('nowhere', { worker: '/assets/none.js' }).catch(({ name, code }) => ({ name, code })),
            );
            assert.deepEqual(refusal, { name: 'BitcaskError', code: 'UNSUPPORTED' });
        } finally {
            await page.close();
            await elsewhere.close();
        }
        browser.assertNoErrors();
    });

    check('a strict content security policy is enough: scripts and workers of its own, and wasm', async () => {
        const strict = await serveSite({
            page: `import { open } from 'mini-bitcask';
                (async () => {
                    const store = await open('strict', { storage: 'opfs' });
                    await store.set('a', 'b');
                    globalThis.result = await store.get('a');
                    await store.close();
                })().catch((error) => (globalThis.result = error.message)).finally(() => (globalThis.ready = true));`,
            headers: {
                'content-security-policy': "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:",
            },
        });
        const page = await browser.open(strict.url(), { ready: false });
        try {
            // No evaluating of texts in this page.
            for (let result; result !== 'b'; result = await page.page.evaluate(() => globalThis.result)) {
                assert.equal(result, undefined);
                await page.page.waitForTimeout(50);
            }
        } finally {
            await page.close();
            await strict.close();
        }
        browser.assertNoErrors();
    });
}
