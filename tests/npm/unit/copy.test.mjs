/** A whole store on the copy of files that IndexedDB holds: what a browser does where there are no files. */
import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { openHost } from '../../../wasm/npm/dist-test/ladder.js';
import { storeOf } from '../../../wasm/npm/dist-test/store.js';
import init from '../../../wasm/npm/dist-test/wasm.js';
import { forSeedsInTurn } from './random.mjs';

const DIST = new URL('../../../wasm/npm/dist-test/', import.meta.url);
before(async () => init({ module_or_path: await readFile(new URL('bitcask_bg.wasm', DIST)) }));

let number = 0;
const fresh = () => `copy-${(number += 1)}`;

async function opened(name, options = {}) {
    const host = await openHost(name, { storage: 'indexeddb', ...options });
    return { host, store: storeOf(name, host, options) };
}

async function everything(store) {
    const all = [];
    for await (const entry of store.entries()) all.push(entry);
    return new Map(all);
}

test('what was acknowledged is there after the worker was ended', async () => {
    await forSeedsInTurn(8, async ({ below, chance, pick, bytes }) => {
        const name = fresh();
        const options = { segmentBytes: 4096 + below(60_000), durability: pick(['none', 'interval', 'always']) };
        let { host, store } = await opened(name, options);
        assert.equal(store.backend, 'indexeddb');
        const model = new Map();
        for (let step = 0; step < 150; step += 1) {
            const key = `key ${below(30)}`;
            if (chance(0.6)) {
                const value = pick([() => bytes(below(3000)), () => ({ step }), () => 'x'.repeat(below(200))])();
                await store.set(key, value);
                model.set(key, value);
            } else if (chance(0.5)) {
                assert.equal(await store.delete(key), model.delete(key));
            } else if (chance(0.1)) {
                await store.merge();
            } else if (chance(0.3)) {
                // No close, no sync: the engine and all of its memory are gone.
                host.abandon();
                ({ host, store } = await opened(name, options));
                assert.deepEqual(await everything(store), new Map([...model].sort(([a], [b]) => (a < b ? -1 : 1))));
            }
        }
        await store.close();
        ({ host, store } = await opened(name, { ...options, readOnly: true }));
        assert.deepEqual(await everything(store), new Map([...model].sort(([a], [b]) => (a < b ? -1 : 1))));
        await store.close();
    });
});

test('a full database refuses the write and nothing else', async () => {
    const name = fresh();
    const { host, store } = await opened(name);
    await store.set('a', 1);
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function () {
        throw new DOMException('full', 'QuotaExceededError');
    };
    try {
        await assert.rejects(store.set('b', 2), { name: 'BitcaskError', code: 'QUOTA', retry: false });
        assert.equal(await store.get('a').catch((error) => error.code), 1);
    } finally {
        IDBObjectStore.prototype.put = put;
    }
    await store.set('c', 3);
    host.abandon();
    const again = await opened(name);
    assert.equal(await again.store.get('a'), 1);
    assert.equal(await again.store.get('c'), 3);
    await again.store.close();
});

test('a store that is not to be made leaves no database', async () => {
    await assert.rejects(opened(fresh(), { create: false }), { code: 'NO_STORE' });
    assert.ok(!(await indexedDB.databases()).some((database) => database.name === `mini-bitcask:copy-${number}`));
    const name = fresh();
    await (await opened(name)).store.close();
    await assert.rejects(opened(name, { errorIfExists: true }), { code: 'EXISTS' });
});

test('memory opens again in the same worker', async () => {
    const name = fresh();
    const first = await opened(name, { storage: 'memory' });
    assert.equal(first.store.durable, false);
    await first.store.set('a', [1]);
    await first.store.close();
    const second = await opened(name, { storage: 'memory' });
    assert.deepEqual(await second.store.get('a'), [1]);
    await second.store.close();
});
