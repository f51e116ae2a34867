/**
 * `mini-bitcask/migrate`: brings what other libraries have kept in the browser into a store.
 *
 * Each function copies a part at a time, reads back what it wrote and compares it, and leaves what it copied from as it is
 * unless told otherwise. It can be ended at any moment and called again: what is in the store already stays.
 *
 * ```ts
 * const store = await open('app');
 * await fromIdbKeyval(store, { once: ['migrated', true] });
 * ```
 */

import type { Key, Store } from '../index.js';
import { copy, type MigrateOptions, type MigrateReport, type Source } from './copy.js';
import { objectStore } from './indexeddb.js';
import { localForageObject, localForageValue, storageItems } from './storage.js';

export type { MigrateOptions, MigrateReport } from './copy.js';

/** What is copied from idb-keyval. */
export interface FromIdbKeyvalOptions<V, K extends Key> extends MigrateOptions<V, K> {
    /** The database. Default `keyval-store`, as idb-keyval's. */
    databaseName?: string;
    /** The object store in it. Default `keyval`. */
    storeName?: string;
}

/** Copies what idb-keyval, or anything else that keeps values by keys outside of them, has in an object store of IndexedDB. */
export function fromIdbKeyval<V, K extends Key>(
    store: Store<V, K>,
    { databaseName = 'keyval-store', storeName = 'keyval', ...options }: FromIdbKeyvalOptions<V, K> = {},
): Promise<MigrateReport> {
    return copy(store, () => objectStore(databaseName, storeName), options);
}

/** What is copied from localForage. */
export interface FromLocalForageOptions<V, K extends Key> extends MigrateOptions<V, K> {
    /** As it was configured. Default `localforage`. */
    name?: string;
    /** As it was configured. Default `keyvaluepairs`. */
    storeName?: string;
    /** Where it is in localStorage, if it is there. Default: this page's. */
    storage?: Storage;
}

/** Copies what localForage has in IndexedDB or, where it has nothing there, in localStorage. */
export function fromLocalForage<V, K extends Key>(
    store: Store<V, K>,
    { name = 'localforage', storeName = 'keyvaluepairs', storage, ...options }: FromLocalForageOptions<V, K> = {},
): Promise<MigrateReport> {
    const open = async (): Promise<Source | undefined> => {
        const source = await objectStore(name, storeName);
        if (source && (await source.count()) > 0) {
            return {
                ...source,
                async *pages() {
                    for await (const page of source.pages())
                        yield page.map(([key, value]) => [key, localForageObject(value)]);
                },
            };
        }
        source?.close();
        const items = storage ?? globalThis.localStorage;
        const prefix = storeName === 'keyvaluepairs' ? `${name}/` : `${name}/${storeName}/`;
        return items && storageItems(items, prefix, localForageValue);
    };
    return copy(store, open, options);
}

/** What is copied from localStorage. */
export interface FromLocalStorageOptions<V, K extends Key> extends MigrateOptions<V, K> {
    /** The items whose names begin so, by what follows. Default: all, by their names. */
    prefix?: string;
    /** `sessionStorage`, or another page's. Default `localStorage`. */
    storage?: Storage;
}

/** Copies items of localStorage. They are strings: `value: (text) => JSON.parse(text)` where they are JSON. */
export function fromLocalStorage<V, K extends Key>(
    store: Store<V, K>,
    { prefix = '', storage, ...options }: FromLocalStorageOptions<V, K> = {},
): Promise<MigrateReport> {
    return copy(store, async () => storageItems(storage ?? globalThis.localStorage, prefix), options);
}
