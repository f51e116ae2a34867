/**
 * `mini-bitcask/idb-keyval`: the functions of idb-keyval 6 over stores of this package. `from 'idb-keyval'` becomes
 * `from 'mini-bitcask/idb-keyval'`; `fromIdbKeyval` of `mini-bitcask/migrate` brings what is there.
 *
 * What differs: `undefined` is no value (setting it deletes the key, and `get` says `undefined` as before); `update` may call
 * its function again, where another write came between; Blobs, Files and CryptoKeys cannot be values, since their bytes
 * cannot be had at once; a custom store is not to be called.
 */

import type { Key, OpenOptions, Store } from '../index.js';
import { compareIdbKeys, idbKeyOf, keyOf } from './idb-keys.js';
import { lazily } from './lazily.js';

/** A store of one's own: what {@link createStore} makes. Called, it is the store beneath. */
export type UseStore = () => Promise<Store<any, Key>>;

/** Makes a store of one's own, to be opened when it is first used. */
export function createStore(
    dbName: string,
    storeName: string,
    options?: Omit<OpenOptions<any, Key>, 'keys'>,
): UseStore {
    return lazily<any, Key>(`${plain(dbName)}--${plain(storeName)}`, options);
}

/** Names of stores are of few characters: other names as the hexadecimal digits of their UTF-8. */
function plain(name: string): string {
    if (/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) return name;
    return `-${Array.from(new TextEncoder().encode(name), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

let defaultStore: UseStore | undefined;

/** idb-keyval's own: the store `keyval-store--keyval`. */
function theDefault(): UseStore {
    return (defaultStore ??= createStore('keyval-store', 'keyval'));
}

/** Get a value by its key. */
export async function get<T = any>(key: IDBValidKey, customStore = theDefault()): Promise<T | undefined> {
    return (await customStore()).get(keyOf(key));
}

/** Set a value with a key. */
export async function set(key: IDBValidKey, value: any, customStore = theDefault()): Promise<void> {
    if (value === undefined) await del(key, customStore);
    else await (await customStore()).set(keyOf(key), value);
}

/** Set many values at once: all or none. */
export async function setMany(entries: [IDBValidKey, any][], customStore = theDefault()): Promise<void> {
    const batch = (await customStore()).atomic();
    for (const [key, value] of entries) value === undefined ? batch.delete(keyOf(key)) : batch.set(keyOf(key), value);
    await batch.commit();
}

/** Get many values by their keys. */
export async function getMany<T = any>(keys: IDBValidKey[], customStore = theDefault()): Promise<(T | undefined)[]> {
    return (await customStore()).getMany(keys.map(keyOf));
}

/** Update a value: see the old one, give the new one, as one operation. */
export async function update<T = any>(
    key: IDBValidKey,
    updater: (oldValue: T | undefined) => T,
    customStore = theDefault(),
): Promise<void> {
    await (await customStore()).update(keyOf(key), updater);
}

/** Delete a key. */
export async function del(key: IDBValidKey, customStore = theDefault()): Promise<void> {
    await (await customStore()).delete(keyOf(key));
}

/** Delete many keys at once: all or none. */
export async function delMany(keys: IDBValidKey[], customStore = theDefault()): Promise<void> {
    await (await customStore()).deleteMany(keys.map(keyOf));
}

/** Delete all that is in the store. */
export async function clear(customStore = theDefault()): Promise<void> {
    await (await customStore()).clear();
}

/** All keys, in IndexedDB's order. */
export async function keys<KeyType extends IDBValidKey>(customStore = theDefault()): Promise<KeyType[]> {
    const all = await (await customStore()).keys().toArray();
    return all.map(idbKeyOf).sort(compareIdbKeys) as KeyType[];
}

/** All values, in the order of their keys. */
export async function values<T = any>(customStore = theDefault()): Promise<T[]> {
    return (await entries<IDBValidKey, T>(customStore)).map(([, value]) => value);
}

/** All keys with their values, in IndexedDB's order. */
export async function entries<KeyType extends IDBValidKey, ValueType = any>(
    customStore = theDefault(),
): Promise<[KeyType, ValueType][]> {
    const all = await (await customStore()).entries().toArray();
    const entries = all.map(([key, value]): [KeyType, ValueType] => [idbKeyOf(key) as KeyType, value]);
    return entries.sort(([one], [other]) => compareIdbKeys(one, other));
}
