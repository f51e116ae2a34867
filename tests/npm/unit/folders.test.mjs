import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openIndexedDb } from '../../../wasm/npm/dist-test/folder/indexeddb.js';
import { destroyMemory, openMemory } from '../../../wasm/npm/dist-test/folder/memory.js';
import { forSeeds, forSeedsInTurn } from './random.mjs';

const CHUNK = 64 * 1024;
let number = 0;
const fresh = () => `folder-${(number += 1)}`;

/** All of a file. */
function contents(folder, id) {
    const handle = folder.open(id);
    const bytes = new Uint8Array(handle.getSize());
    assert.equal(handle.read(bytes, { at: 0 }), bytes.length);
    handle.close();
    return bytes;
}

/** All of a folder, as the model has it. */
const snapshot = (folder) =>
    new Map(
        folder
            .list()
            .sort((a, b) => a - b)
            .map((id) => [id, contents(folder, id)]),
    );

function assertFolder(folder, model) {
    assert.deepEqual(
        [...snapshot(folder).keys()],
        [...model.keys()].sort((a, b) => a - b),
    );
    for (const [id, bytes] of model)
        assert.ok(Buffer.from(contents(folder, id)).equals(Buffer.from(bytes)), `segment ${id}`);
}

/** Does something random to a folder, and to plain arrays beside it. */
function someChange({ below, pick, bytes, chance }, folder, model) {
    const ids = [...model.keys()];
    const id = pick(ids);
    const near = () => Math.max(0, pick([0, 1, CHUNK, 2 * CHUNK, model.get(id).length]) + below(5) - 2);
    switch (ids.length ? below(8) : 0) {
        case 0: {
            const fresh = below(5) + 1;
            if (model.has(fresh)) return assert.throws(() => folder.create(fresh), { code: 'EEXIST' });
            folder.create(fresh).close();
            return void model.set(fresh, new Uint8Array());
        }
        case 1:
            if (!chance(0.3)) return;
            folder.remove(id);
            return void model.delete(id);
        case 2:
        case 3: {
            const len = near();
            const handle = folder.open(id);
            handle.truncate(len);
            const cut = new Uint8Array(len);
            cut.set(model.get(id).subarray(0, len));
            return void model.set(id, cut);
        }
        default: {
            const at = near();
            const some = bytes(chance(0.1) ? CHUNK + below(CHUNK) : below(300));
            assert.equal(folder.open(id).write(some, { at }), some.length);
            const longer = new Uint8Array(Math.max(model.get(id).length, some.length && at + some.length));
            longer.set(model.get(id));
            if (some.length) longer.set(some, at);
            model.set(id, longer);
        }
    }
}

test('files in memory are files', () => {
    forSeeds(60, (source, seed) => {
        const name = `memory-${seed}`;
        let folder = openMemory(name);
        const model = new Map();
        for (let step = 0; step < 40; step += 1) {
            someChange(source, folder, model);
            if (source.chance(0.1)) {
                folder.close();
                folder = openMemory(name);
            }
        }
        assertFolder(folder, model);
        folder.close();
        destroyMemory(name);
        assert.deepEqual(openMemory(name).list(), []);
    });
});

test('reads end where the file does, and see zeros where nothing was written', () => {
    const handle = openMemory(fresh()).create(1);
    assert.equal(handle.write(Uint8Array.of(1, 2), { at: 2 * CHUNK - 1 }), 2);
    const bytes = new Uint8Array(5).fill(9);
    assert.equal(handle.read(bytes, { at: 2 * CHUNK - 2 }), 3);
    assert.deepEqual(bytes, Uint8Array.of(0, 1, 2, 9, 9));
    assert.equal(handle.read(bytes, { at: 1e9 }), 0);
    handle.truncate(2 * CHUNK);
    handle.truncate(2 * CHUNK + 1);
    handle.read(bytes, { at: 2 * CHUNK - 2 });
    assert.deepEqual(bytes, Uint8Array.of(0, 1, 0, 9, 9));
    handle.close();
    assert.throws(() => handle.getSize(), { name: 'InvalidStateError' });
});

test('a removed file is read through the handles that there are', () => {
    const folder = openMemory(fresh());
    const handle = folder.create(7);
    handle.write(Uint8Array.of(5), { at: 0 });
    folder.remove(7);
    assert.throws(() => folder.open(7), { code: 'ENOENT' });
    assert.throws(() => folder.remove(7), { code: 'ENOENT' });
    folder.create(7).write(Uint8Array.of(6), { at: 0 });
    const bytes = new Uint8Array(1);
    handle.read(bytes, { at: 0 });
    assert.deepEqual(bytes, Uint8Array.of(5));
});

test('a store in memory is opened once at a time, and lasts', () => {
    const name = fresh();
    const first = openMemory(name);
    assert.throws(() => openMemory(name), { code: 'LOCKED', retry: true });
    first.create(1);
    first.close();
    const second = openMemory(name);
    assert.deepEqual(second.list(), [1]);
    // Giving back twice gives back nothing of the second's.
    first.close();
    assert.throws(() => openMemory(name), { code: 'LOCKED' });
    assert.throws(() => destroyMemory(name), { code: 'LOCKED' });
});

test('IndexedDB holds what was committed, and nothing of what was not', async () => {
    await forSeedsInTurn(25, async (source) => {
        const name = fresh();
        let folder = await openIndexedDb(name);
        let model = new Map();
        let committed = new Map();
        for (let step = 0; step < 50; step += 1) {
            someChange(source, folder, model);
            if (source.chance(0.2)) {
                await folder.commit({ strict: source.chance(0.5) });
                assert.equal(folder.dirty, false);
                committed = new Map([...model].map(([id, bytes]) => [id, bytes.slice()]));
            }
            if (source.chance(0.1)) {
                folder.close();
                folder = await openIndexedDb(name);
                model = new Map([...committed].map(([id, bytes]) => [id, bytes.slice()]));
                assertFolder(folder, model);
            }
        }
        folder.close();
        assertFolder(await openIndexedDb(name), committed);
    });
});

/** Calls `interfere` with every transaction that is begun; returns what ends that. */
function onTransactions(interfere) {
    const { transaction } = IDBDatabase.prototype;
    const seen = [];
    IDBDatabase.prototype.transaction = function (stores, mode, options) {
        const begun = transaction.call(this, stores, mode, options);
        seen.push({ mode, durability: options?.durability });
        interfere(begun, seen.length, this);
        return begun;
    };
    return { seen, end: () => (IDBDatabase.prototype.transaction = transaction) };
}

/** Lets the n-th write to an object store fail as the platform lets it fail. */
function failing(begun, error) {
    const { objectStore } = begun;
    begun.objectStore = function (name) {
        const store = objectStore.call(this, name);
        if (name === 'chunks')
            store.put = () => {
                throw error;
            };
        return store;
    };
}

test('a commit is one transaction, strict where it must be', async () => {
    const folder = await openIndexedDb(fresh());
    const watch = onTransactions(() => undefined);
    const handle = folder.create(1);
    const commits = async (strict) => {
        const before = watch.seen.length;
        await folder.commit({ strict });
        return watch.seen.slice(before).map(({ durability }) => durability);
    };
    assert.deepEqual(await commits(false), ['relaxed']);
    assert.deepEqual(await commits(false), []);
    // What was written relaxed is not there to stay before a strict one.
    assert.deepEqual(await commits(true), ['strict']);
    assert.deepEqual(await commits(true), []);
    handle.write(Uint8Array.of(1), { at: 0 });
    handle.flush();
    assert.deepEqual(await commits(false), ['strict'], 'the engine asked for a flush');
    handle.write(Uint8Array.of(1), { at: 0 });
    assert.deepEqual(await commits(false), ['relaxed']);
    handle.flush();
    assert.deepEqual(await commits(false), ['strict']);
    watch.end();
});

test('a commit that fails loses nothing, and says why', async () => {
    const name = fresh();
    const folder = await openIndexedDb(name);
    const handle = folder.create(1);
    handle.write(new Uint8Array(3 * CHUNK).fill(1), { at: 0 });
    folder.create(2);
    await folder.commit({ strict: false });
    handle.truncate(CHUNK + 1);
    handle.write(Uint8Array.of(2), { at: 0 });
    folder.remove(2);
    folder.create(3).write(Uint8Array.of(3), { at: 0 });
    const expected = snapshot(folder);
    const watch = onTransactions((begun) => failing(begun, new DOMException('full', 'QuotaExceededError')));
    const failure = { name: 'BitcaskError', code: 'QUOTA' };
    await assert.rejects(folder.commit({ strict: true }), failure);
    await assert.rejects(folder.commit({ strict: true }), failure);
    assert.ok(folder.dirty);
    const { length } = watch.seen;
    await folder.commit({ strict: false });
    assert.equal(watch.seen.length, length, 'nothing new: it was told already');
    handle.write(Uint8Array.of(3), { at: 0 });
    handle.write(Uint8Array.of(2), { at: 0 });
    await assert.rejects(folder.commit({ strict: false }), failure);
    assert.equal(watch.seen.at(-1).durability, 'strict', 'as what failed was to be');
    watch.end();
    const other = await openIndexedDb(name);
    assert.deepEqual(other.list(), [1, 2], 'nothing of it was written');
    other.close();
    // The opener took the right to write with it, so that this one is told.
    await assert.rejects(folder.commit({ strict: true }), { code: 'LOCKED' });
    folder.close();
    const again = await openIndexedDb(name);
    for (const id of again.list()) again.remove(id);
    for (const [id, bytes] of expected) again.create(id).write(bytes, { at: 0 });
    await again.commit({ strict: false });
    again.close();
    assertFolder(await openIndexedDb(name), expected);
});

test('what a failed commit had is in the next one', async () => {
    const name = fresh();
    const folder = await openIndexedDb(name);
    const handle = folder.create(1);
    handle.write(new Uint8Array(3 * CHUNK).fill(1), { at: 0 });
    folder.create(2);
    await folder.commit({ strict: false });
    handle.truncate(CHUNK + 1);
    handle.write(Uint8Array.of(2), { at: 0 });
    folder.remove(2);
    const watch = onTransactions((begun) => failing(begun, new DOMException('full', 'QuotaExceededError')));
    await assert.rejects(folder.commit({ strict: false }), { code: 'QUOTA' });
    watch.end();
    folder.create(2).write(Uint8Array.of(9), { at: 5 });
    handle.write(Uint8Array.of(7), { at: 2 * CHUNK });
    const expected = snapshot(folder);
    await folder.commit({ strict: false });
    folder.close();
    assertFolder(await openIndexedDb(name), expected);
});

test('a lost connection is made anew, once', async () => {
    for (const [lost, code] of [
        [
            () =>
                new DOMException(
                    'Connection to Indexed Database server lost. Refresh the page to try again',
                    'UnknownError',
                ),
            'IO',
        ],
        [() => new DOMException('The database connection is closing.', 'InvalidStateError'), 'IO'],
    ]) {
        const name = fresh();
        const folder = await openIndexedDb(name);
        folder.create(1).write(Uint8Array.of(4), { at: 0 });
        const once = onTransactions((_, count) => {
            if (count === 1) throw lost();
        });
        await folder.commit({ strict: true });
        once.end();
        assert.equal(once.seen.length, 2);
        const always = onTransactions(() => {
            throw lost();
        });
        folder.create(2);
        await assert.rejects(folder.commit({ strict: true }), { code });
        always.end();
        assert.equal(always.seen.length, 2, 'tried twice, not for ever');
        await folder.commit({ strict: true });
        folder.close();
        assert.deepEqual((await openIndexedDb(name)).list(), [1, 2]);
    }
});

test('a transaction that the platform aborts is tried again', async () => {
    const name = fresh();
    const folder = await openIndexedDb(name);
    folder.create(1).write(Uint8Array.of(4), { at: 0 });
    const watch = onTransactions((begun, count) => {
        if (count === 1) setImmediate(() => begun.abort());
    });
    await folder.commit({ strict: false });
    watch.end();
    folder.close();
    assertFolder(await openIndexedDb(name), new Map([[1, Uint8Array.of(4)]]));
});

test('a database that was removed under our feet is written again, whole', async () => {
    const name = fresh();
    const folder = await openIndexedDb(name);
    const handle = folder.create(1);
    handle.write(new Uint8Array(2 * CHUNK).fill(3), { at: 10 });
    await folder.commit({ strict: true });
    await new Promise((resolve, reject) => {
        const request = indexedDB.deleteDatabase(`mini-bitcask:${name}`);
        request.onsuccess = resolve;
        request.onerror = reject;
        request.onblocked = () => reject(new Error('the folder is in the way'));
    });
    handle.write(Uint8Array.of(1), { at: 0 });
    const expected = snapshot(folder);
    await folder.commit({ strict: false });
    folder.close();
    assertFolder(await openIndexedDb(name), expected);
});

test('who opens last writes; the one before is told and changes nothing', async () => {
    const name = fresh();
    const first = await openIndexedDb(name);
    first.create(1);
    await first.commit({ strict: false });
    const second = await openIndexedDb(name);
    second.create(2).write(Uint8Array.of(2), { at: 0 });
    await second.commit({ strict: false });
    first.create(3);
    await assert.rejects(first.commit({ strict: false }), { code: 'LOCKED' });
    assert.ok(first.dirty);
    const reader = await openIndexedDb(name, { readOnly: true });
    assert.deepEqual(reader.list(), [1, 2]);
    second.open(1).write(Uint8Array.of(1), { at: 0 });
    await second.commit({ strict: false });
});

test('a store that is not to be made is not made', async () => {
    const name = fresh();
    await assert.rejects(openIndexedDb(name, { create: false }), { name: 'BitcaskError', code: 'NO_STORE' });
    assert.ok(!(await indexedDB.databases()).some((database) => database.name?.endsWith(name)));
    (await openIndexedDb(name)).close();
    (await openIndexedDb(name, { create: false })).close();
});

test('where there is no IndexedDB, or none in this window', async () => {
    const { indexedDB } = globalThis;
    for (const [factory, code] of [
        [undefined, 'UNSUPPORTED'],
        [
            {
                open: () => {
                    throw new DOMException('insecure', 'SecurityError');
                },
            },
            'UNSUPPORTED',
        ],
        [
            {
                open() {
                    const request = { error: new DOMException('private', 'InvalidStateError') };
                    queueMicrotask(() => request.onerror());
                    return request;
                },
            },
            'UNSUPPORTED',
        ],
        [
            {
                open() {
                    const request = { error: new DOMException('newer', 'VersionError') };
                    queueMicrotask(() => request.onerror());
                    return request;
                },
            },
            'VERSION',
        ],
    ]) {
        Object.defineProperty(globalThis, 'indexedDB', { value: factory, configurable: true });
        try {
            await assert.rejects(openIndexedDb(fresh()), { name: 'BitcaskError', code });
        } finally {
            Object.defineProperty(globalThis, 'indexedDB', { value: indexedDB, configurable: true, writable: true });
        }
    }
});

test('commits at once are one after another', async () => {
    const name = fresh();
    const folder = await openIndexedDb(name);
    const handle = folder.create(1);
    const commits = [];
    for (let at = 0; at < 20; at += 1) {
        handle.write(Uint8Array.of(at + 1), { at });
        commits.push(folder.commit({ strict: at % 3 === 0 }));
    }
    await Promise.all(commits);
    assert.equal(folder.dirty, false);
    folder.close();
    await assert.rejects(folder.commit({ strict: false }), { code: 'CLOSED' });
    assert.deepEqual(
        contents(await openIndexedDb(name), 1),
        Uint8Array.from({ length: 20 }, (_, at) => at + 1),
    );
});
