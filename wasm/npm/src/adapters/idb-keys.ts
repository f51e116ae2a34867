/**
 * The keys of IndexedDB as keys of a store, and its order of them.
 *
 * Numbers, strings and arrays are themselves. Binary ones become a `Uint8Array`, and an `ArrayBuffer` again. A date becomes the
 * array `['\0date', milliseconds]`; an array that begins with a text that begins with a zero gets one zero more, so that none is
 * taken for a date.
 */

import type { Key } from '../index.js';

const DATE = '\0date';

/** The key in a store. */
export function keyOf(key: IDBValidKey): Key {
    if (typeof key === 'string' || typeof key === 'number') return key;
    if (key instanceof Date) return [DATE, key.getTime()];
    if (!Array.isArray(key)) return bytesOf(key);
    const [first, ...rest] = key.map(keyOf);
    if (first === undefined) return [];
    return [startsWithZero(first) ? `\0${first}` : first, ...rest];
}

/** The key in IndexedDB. */
export function idbKeyOf(key: Key): IDBValidKey {
    if (typeof key === 'string' || typeof key === 'number') return key;
    if (key instanceof Uint8Array) return key.slice().buffer;
    const [first, ...rest] = key;
    if (first === undefined) return [];
    if (first === DATE) return new Date(rest[0] as number);
    return [startsWithZero(first) ? first.slice(1) : first, ...rest].map(idbKeyOf);
}

/** Below 0, 0 or above 0, in IndexedDB's order: numbers, dates, strings, binary ones, arrays. */
export function compareIdbKeys(one: IDBValidKey, other: IDBValidKey): number {
    const rank = rankOf(one);
    const difference = rank - rankOf(other);
    if (difference) return difference;
    if (rank < STRING) return Number(one) - Number(other);
    // By UTF-16, as IndexedDB does.
    if (rank === STRING) return one < other ? -1 : Number(one > other);
    const [left, right] =
        rank === ARRAY ? [one, other] : [bytesOf(one as BufferSource), bytesOf(other as BufferSource)];
    return compareLists(left as IDBValidKey[], right as IDBValidKey[]);
}

const STRING = 2;
const ARRAY = 4;

function rankOf(key: IDBValidKey): number {
    if (typeof key === 'number') return 0;
    if (key instanceof Date) return 1;
    if (typeof key === 'string') return STRING;
    return Array.isArray(key) ? ARRAY : 3;
}

function compareLists(one: ArrayLike<IDBValidKey>, other: ArrayLike<IDBValidKey>): number {
    for (let at = 0; at < one.length && at < other.length; at++) {
        const difference = compareIdbKeys(one[at]!, other[at]!);
        if (difference) return difference;
    }
    return one.length - other.length;
}

function startsWithZero(key: Key): key is string {
    return typeof key === 'string' && key.startsWith('\0');
}

function bytesOf(source: BufferSource): Uint8Array {
    if (!ArrayBuffer.isView(source)) return new Uint8Array(source.slice(0));
    return new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice();
}
