/** A whole store on the copy in IndexedDB, as a browser's worker opens it. */
import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import init from '../../../wasm/npm/dist-test/wasm.js';
import { openHost } from '../../../wasm/npm/dist-test/ladder.js';
import { storeOf } from '../../../wasm/npm/dist-test/store.js';

const wasm = readFile(new URL('../../../wasm/npm/dist-test/bitcask_bg.wasm', import.meta.url));
const loaded = wasm.then((bytes) => init({ module_or_path: bytes }));

const openCopy = async (name, options = {}) => {
    const all = { storage: 'indexeddb', autoMerge: false, ...options };
    return storeOf(name, await openHost(name, all, loaded), all);
};

/** While `work` runs, every transaction that writes more than `room` bytes of chunks fails as a full quota does. */
async function whileFull(room, work) {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (value, ...rest) {
        const bytes = value?.byteLength ?? value?.bytes?.byteLength ?? 0;
        if (this.name === 'chunks' && bytes > room) throw new DOMException('full', 'QuotaExceededError');
        return put.call(this, value, ...rest);
    };
    try {
        await work();
    } finally {
        IDBObjectStore.prototype.put = put;
    }
}

test('what was told to have failed is not there later', async () => {
    const store = await openCopy('full');
    assert.equal(store.backend, 'indexeddb');
    await store.set('before', 1);
    await whileFull(20_000, async () => {
        await assert.rejects(store.set('large', 'x'.repeat(60_000)), { code: 'QUOTA' });
        assert.equal(await store.get('large'), undefined);
        assert.equal(await store.get('before'), 1);
        await store.set('small', 2);
        await store.delete('before');
    });
    assert.deepEqual(await store.getMany(['before', 'large', 'small']), [undefined, undefined, 2]);
    await store.set('large', 'y'.repeat(60_000));
    await store.close();
    const again = await openCopy('full');
    assert.deepEqual(await again.getMany(['before', 'large', 'small']), [undefined, 'y'.repeat(60_000), 2]);
    assert.deepEqual((await again.verify()).problems, []);
    await again.close();
});

test('a store that may not be there', async () => {
    await (await openCopy('there')).close();
    await assert.rejects(openCopy('there', { errorIfExists: true }), { code: 'EXISTS' });
    await assert.rejects(openCopy('not-there', { create: false }), { code: 'NO_STORE' });
    await assert.rejects(openCopy('Bad Name'), { code: 'INVALID' });
    await (await openCopy('there')).close();
});
