/**
 * The stores that are compared, from a page. Each has what `workloads.mjs` calls: `set`, `get`, `delete`, `scan` (all rows,
 * in the order of the keys) and, where the library has them, `setMany`, `getMany`, `close`.
 */
import { BrowserLevel } from 'browser-level';
import { Dexie } from 'dexie';
import * as idbKeyval from 'idb-keyval';
import localForage from 'localforage';
import { open } from 'mini-bitcask';
import { indexedDbStore } from './indexeddb.mjs';
import { remote } from './remote.mjs';

/** `kind`: ours, ceiling (no store to be used: what the messages and the file cost), raw (what a browser has), library (from npm, ready for use), crate (for Rust, by a wrapper of ours). */
export const STORES = {
    ours: {
        name: 'mini-bitcask',
        kind: 'ours',
        durability: 'after write; synced within 1 s (`interval`, the default)',
        open: (name) => ours(name, {}),
    },
    oursAsked: {
        name: 'mini-bitcask, nothing kept in the page',
        kind: 'ours',
        durability: 'as above; every read asks the worker (`cacheBytes: 0`)',
        open: (name) => ours(name, { cacheBytes: 0 }),
    },
    oursFlushed: {
        name: 'mini-bitcask, flushed',
        kind: 'ours',
        durability: 'after sync (`always`)',
        open: (name) => ours(name, { durability: 'always' }),
    },
    bareLog: {
        name: 'bare append in a worker',
        kind: 'ceiling',
        durability: 'after write (no checksums, no recovery)',
        open: (name) => remote('/serve-bare-log.js', name, ['set', 'get']),
    },
    indexedDb: {
        name: 'raw IndexedDB, relaxed',
        kind: 'raw',
        durability: 'after write',
        open: (name) => indexedDbStore(name, 'relaxed'),
    },
    indexedDbStrict: {
        name: 'raw IndexedDB, strict',
        kind: 'raw',
        durability: 'after sync',
        open: (name) => indexedDbStore(name, 'strict'),
    },
    idbKeyval: {
        name: 'idb-keyval',
        kind: 'library',
        durability: 'after write (IndexedDB as the browser has it: relaxed)',
        async open(name) {
            const store = idbKeyval.createStore(name, 'store');
            return {
                set: (key, value) => idbKeyval.set(key, value, store),
                setMany: (entries) => idbKeyval.setMany(entries, store),
                get: (key) => idbKeyval.get(key, store),
                getMany: (keys) => idbKeyval.getMany(keys, store),
                scan: () => idbKeyval.entries(store),
                delete: (key) => idbKeyval.del(key, store),
            };
        },
    },
    dexie: {
        name: 'Dexie',
        kind: 'library',
        durability: 'after write (relaxed)',
        async open(name) {
            const database = new Dexie(name);
            database.version(1).stores({ items: 'key' });
            await database.open();
            const { items } = database;
            const valueOf = (row) => row?.value;
            return {
                set: (key, value) => items.put({ key, value }),
                setMany: (entries) => items.bulkPut(entries.map(([key, value]) => ({ key, value }))),
                get: async (key) => valueOf(await items.get(key)),
                getMany: async (keys) => (await items.bulkGet(keys)).map(valueOf),
                scan: async () => (await items.toArray()).map(({ key, value }) => [key, value]),
                delete: (key) => items.delete(key),
                close: () => database.close(),
            };
        },
    },
    localForage: {
        name: 'localForage',
        kind: 'library',
        durability: 'after write (relaxed)',
        async open(name) {
            const store = localForage.createInstance({ name, driver: localForage.INDEXEDDB });
            await store.ready();
            return {
                set: (key, value) => store.setItem(key, value),
                get: (key) => store.getItem(key),
                scan: async () => {
                    const rows = [];
                    await store.iterate((value, key) => void rows.push([key, value]));
                    return rows;
                },
                delete: (key) => store.removeItem(key),
            };
        },
    },
    browserLevel: {
        name: 'browser-level',
        kind: 'library',
        durability: 'after write (relaxed)',
        async open(name) {
            const store = new BrowserLevel(name);
            await store.open();
            return {
                set: (key, value) => store.put(key, value),
                setMany: (entries) => store.batch(entries.map(([key, value]) => ({ type: 'put', key, value }))),
                get: (key) => store.get(key),
                getMany: (keys) => store.getMany(keys),
                scan: () => store.iterator().all(),
                delete: (key) => store.del(key),
                close: () => store.close(),
            };
        },
    },
    sqlite: {
        name: 'sqlite-wasm, opfs-sahpool',
        kind: 'library',
        durability: 'after write (WAL, synchronous=NORMAL)',
        open: (name) => remote('/serve-sqlite.js', name),
    },
    opfsBtree: {
        name: 'opfs-btree (crate)',
        kind: 'crate',
        durability: 'after sync (a checkpoint for every message)',
        open: (name) => remote('/serve-opfs-btree.js', name),
    },
};

async function ours(name, options) {
    const store = await open(name, options);
    if (store.backend !== 'opfs') throw new Error(`the store is in ${store.backend}`);
    return {
        set: (key, value) => store.set(key, value),
        setMany: (entries) => store.setMany(entries),
        get: (key) => store.get(key),
        getMany: (keys) => store.getMany(keys),
        scan: () => store.entries().toArray(),
        delete: (key) => store.delete(key),
        close: () => store.close(),
    };
}
