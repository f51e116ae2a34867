/**
 * The keys of a store, or of a part of one: their bytes, and ranges of them as ranges of bytes.
 */

import { BitcaskError } from '../errors.js';
import type { KeyCodec, Range } from '../types.js';
import { type ByteWriter, written } from './bytes.js';
import { type KeyFormat, keyFormat, refuseKey, successor } from './keys.js';
import { KEY_BYTES_MAX } from './marks.js';

/** A range of bytes; without a bound it goes as far as there are keys. */
export interface Bounds {
    lower?: Uint8Array;
    /** Whether the key of these very bytes is outside. */
    lowerExclusive?: boolean;
    upper?: Uint8Array;
    /** Whether the key of these very bytes is outside. */
    upperExclusive?: boolean;
}

/** The keys of a store, or those behind a prefix. */
export interface Keys<K> extends KeyCodec<K> {
    /** The bytes of a key, prefix included: 1 to 65,535, else the error is `INVALID_KEY`. */
    encode(key: K): Uint8Array;
    /** The key of bytes that begin with the prefix. */
    decode(bytes: Uint8Array): K;
    /** The bytes between which the keys of a range are. `gt` with `gte` or `lt` with `lte` is `INVALID`. */
    bounds(range?: Pick<Range<K>, 'gt' | 'gte' | 'lt' | 'lte' | 'prefix'>): Bounds;
}

/** One end of a range. */
type Bound = { readonly bytes: Uint8Array; readonly exclusive: boolean } | undefined;

/** Which is first: below 0 `a`, above 0 `b`, 0 neither. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
    const length = Math.min(a.length, b.length);
    for (let at = 0; at < length; at += 1) {
        const difference = a[at]! - b[at]!;
        if (difference) return difference;
    }
    return a.length - b.length;
}

/** Whether a key is in a range. */
export function inBounds({ lower, lowerExclusive, upper, upperExclusive }: Bounds, key: Uint8Array): boolean {
    const above = lower ? compareBytes(key, lower) : 1;
    const below = upper ? compareBytes(key, upper) : -1;
    return (lowerExclusive ? above > 0 : above >= 0) && (upperExclusive ? below < 0 : below <= 0);
}

/** The narrower of two bounds; `sign` is 1 for lower ones, −1 for upper ones. */
function narrower(sign: 1 | -1, a: Bound, b: Bound): Bound {
    if (!a || !b) return a ?? b;
    const order = compareBytes(a.bytes, b.bytes) * sign;
    return order > 0 || (order === 0 && a.exclusive) ? a : b;
}

class PrefixedKeys<K> implements Keys<K> {
    readonly #format: KeyFormat<K>;
    readonly #prefix: Uint8Array;
    /** Made once: every call of every key needs it. */
    readonly #write: (out: ByteWriter, key: K) => void;

    constructor(format: KeyFormat<K>, prefix: Uint8Array) {
        this.#format = format;
        this.#prefix = prefix;
        this.#write = prefix.length ? (out, key) => (out.raw(prefix), format.write(out, key)) : format.write;
    }

    encode(key: K): Uint8Array {
        const bytes = this.#bound(key);
        // As a bound it is before all others; the engine has no such key.
        if (!bytes.length) refuseKey('a key of this store is not empty');
        return bytes;
    }

    decode(bytes: Uint8Array): K {
        const { length } = this.#prefix;
        return this.#format.decode(length ? bytes.subarray(length) : bytes);
    }

    bounds({ gt, gte, lt, lte, prefix }: Range<K> = {}): Bounds {
        const either = (exclusive: K | undefined, inclusive: K | undefined): Bound => {
            if (exclusive === undefined)
                return inclusive === undefined ? undefined : { bytes: this.#bound(inclusive), exclusive: false };
            if (inclusive === undefined) return { bytes: this.#bound(exclusive), exclusive: true };
            throw new BitcaskError('INVALID', 'a range has one lower and one upper bound: gt or gte, lt or lte');
        };
        const last = successor(this.#prefix);
        let lower: Bound = { bytes: this.#prefix, exclusive: false };
        let upper: Bound = last && { bytes: last, exclusive: true };
        if (prefix !== undefined) {
            const { from, to } = this.#format.prefix(prefix);
            lower = { bytes: this.#behind(from), exclusive: false };
            if (to) upper = { bytes: this.#behind(to), exclusive: true };
        }
        lower = narrower(1, either(gt, gte), lower);
        upper = narrower(-1, either(lt, lte), upper);
        const bounds: Bounds = {};
        // No key is empty, so that an empty lower bound bounds nothing.
        if (lower?.bytes.length) {
            bounds.lower = lower.bytes;
            bounds.lowerExclusive = lower.exclusive;
        }
        if (upper) {
            bounds.upper = upper.bytes;
            bounds.upperExclusive = upper.exclusive;
        }
        return bounds;
    }

    #bound(key: K): Uint8Array {
        return short(written(this.#write, key));
    }

    #behind(bytes: Uint8Array): Uint8Array {
        return short(
            written((out) => {
                out.raw(this.#prefix);
                out.raw(bytes);
            }),
        );
    }
}

function short(bytes: Uint8Array): Uint8Array {
    if (bytes.length > KEY_BYTES_MAX) refuseKey(`a key is longer than ${KEY_BYTES_MAX} bytes`);
    return bytes;
}

/** The keys that an option asks for; with a prefix, those behind its bytes. */
export function keyCodec<K>(
    keys?: 'any' | 'utf8' | 'bytes' | KeyCodec<K>,
    prefix: Uint8Array = new Uint8Array(),
): Keys<K> {
    return new PrefixedKeys(keyFormat(keys), prefix);
}

/** The bytes that a prefix of text adds in front of keys. */
export function prefixBytes(prefix: string): Uint8Array {
    return written((out) => {
        if (!out.text(prefix)) refuseKey('a prefix has half of a surrogate pair');
    });
}
