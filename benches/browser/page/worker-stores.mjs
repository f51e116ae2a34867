/**
 * The stores of the worker's table: `put`, `putFlushed`, `putMany` (one write, then a sync) and `get`. What answers at once
 * returns no promise. Keys are text, values bytes.
 */
import { open } from 'mini-bitcask/sync';
import { bareLog } from './bare-log.mjs';
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
