/**
 * The stores of the worker's table: `put`, `putFlushed`, `putMany` (one write, then a sync) and `get`. What answers at once
 * returns no promise. Keys are text, values bytes.
 */
import { open } from 'mini-bitcask/sync';
import { indexedDbStore } from './indexeddb.mjs';
import { openTree } from './opfs-btree.mjs';
import { openSqlite } from './sqlite.mjs';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const STORES = {
    ceiling: {
        name: 'bare append to one OPFS file + Map (no checksums, no recovery)',
        kind: 'ceiling',
        durability: 'after write',
        open: bareLog,
    },
    ours: {
        name: 'mini-bitcask/sync, keys utf8, values bytes',
        kind: 'ours',
        durability: 'after write',
        open: (name) => ours(name, { keys: 'utf8', values: 'bytes' }),
    },
    oursDefault: {
        name: 'mini-bitcask/sync, its default codecs',
        kind: 'ours',
        durability: 'after write',
        open: (name) => ours(name, {}),
    },
    indexedDb: {
        name: 'raw IndexedDB, relaxed',
        kind: 'raw',
        durability: 'after write',
        open: (name) => indexedDb(name, 'relaxed'),
    },
    indexedDbStrict: {
        name: 'raw IndexedDB, strict',
        kind: 'raw',
        durability: 'after sync',
        open: (name) => indexedDb(name, 'strict'),
    },
    sqlite: {
        name: 'sqlite-wasm, opfs-sahpool',
        kind: 'library',
        durability: 'after write (WAL, synchronous=NORMAL; where synced: FULL)',
        async open(name) {
            const store = await openSqlite(name, 'BLOB');
            const synced = (work) => {
                store.setSynchronous('FULL');
                work();
                store.setSynchronous('NORMAL');
            };
            return {
                put: store.set,
                putFlushed: (key, value) => synced(() => store.set(key, value)),
                putMany: (entries) => synced(() => store.setMany(entries)),
                get: store.get,
            };
        },
    },
    opfsBtree: {
        name: 'opfs-btree (crate)',
        kind: 'crate',
        durability: 'put: in memory only; where synced: a checkpoint',
        async open(name) {
            const tree = await openTree(name);
            const put = (key, value) => tree.put(encoder.encode(key), value);
            return {
                put,
                putFlushed(key, value) {
                    put(key, value);
                    tree.checkpoint();
                },
                putMany(entries) {
                    for (const [key, value] of entries) put(key, value);
                    tree.checkpoint();
                },
                get: (key) => tree.get(encoder.encode(key)),
            };
        },
    },
};

/** The least that a log on such a file can be: the ceiling that ours is measured against, no store to be used. */
async function bareLog(name) {
    const root = await navigator.storage.getDirectory();
    const file = await root.getFileHandle(name, { create: true });
    const handle = await file.createSyncAccessHandle();
    const keydir = new Map();
    let end = handle.getSize();
    let buffer = new Uint8Array(256 * 1024);
    let view = new DataView(buffer.buffer);
    const add = (at, key, value) => {
        const { written } = encoder.encodeInto(key, buffer.subarray(at + 8));
        view.setUint32(at, written, true);
        view.setUint32(at + 4, value.length, true);
        buffer.set(value, at + 8 + written);
        keydir.set(key, { at: end + at + 8 + written, len: value.length });
        return at + 8 + written + value.length;
    };
    const append = (len) => {
        if (handle.write(buffer.subarray(0, len), { at: end }) !== len) throw new Error('a short write');
        end += len;
    };
    return {
        put: (key, value) => append(add(0, key, value)),
        putFlushed(key, value) {
            append(add(0, key, value));
            handle.flush();
        },
        putMany(entries) {
            let len = 0;
            for (const [key, value] of entries) len = add(len, key, value);
            append(len);
            handle.flush();
        },
        get(key) {
            const { at, len } = keydir.get(key);
            const value = new Uint8Array(len);
            if (handle.read(value, { at }) !== len) throw new Error('a short read');
            return value;
        },
    };
}

async function ours(name, options) {
    const store = await open(name, options);
    if (store.backend !== 'opfs') throw new Error(`the store is in ${store.backend}`);
    const always = { durability: 'always' };
    return {
        put: (key, value) => store.set(key, value),
        putFlushed: (key, value) => store.set(key, value, always),
        putMany: (entries) => store.setMany(entries, always),
        get: (key) => store.get(key),
        rest: () => store.ready(),
    };
}

async function indexedDb(name, durability) {
    const { set, setMany, get } = await indexedDbStore(name, durability);
    return { put: set, putFlushed: durability === 'strict' ? set : undefined, putMany: setMany, get };
}

/** Text of bytes, to compare them. */
export function textOf(bytes) {
    return decoder.decode(bytes);
}
