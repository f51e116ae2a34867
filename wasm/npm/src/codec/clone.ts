/**
 * Values as bytes, as `structuredClone` takes them. `ENCODING.md` is the authority.
 *
 * A string is its UTF-8 and a `Uint8Array` its bytes behind F9, so that other programs read them. All else is FA, a version,
 * and one item. Objects are numbered in the order in which they begin, and one that comes again is its number.
 */

import { BitcaskError } from '../errors.js';
import { type ByteWriter, copyOf, isBytes, textOf, written } from './bytes.js';
import { ItemReader } from './clone-read.js';
import { ITEM_VERSION, VALUE_BYTES, VALUE_ITEM } from './marks.js';
import { ItemWriter, refuseValue } from './clone-write.js';

function writeClone(out: ByteWriter, value: unknown): void {
    const start = out.length;
    if (typeof value === 'string' && out.text(value)) return;
    out.length = start;
    if (isBytes(value)) {
        out.u8(VALUE_BYTES);
        out.raw(value);
    } else {
        out.u8(VALUE_ITEM);
        out.u8(ITEM_VERSION);
        new ItemWriter(out).item(value);
    }
}

/** The bytes of a value. `INVALID_VALUE`: it, or something in it, cannot be stored. */
export function encodeClone(value: unknown): Uint8Array {
    try {
        return written(writeClone, value);
    } catch (thrown) {
        if (thrown instanceof BitcaskError) throw thrown;
        // By a getter or a proxy in it; or there is no stack left.
        return refuseValue('a value cannot be read', thrown);
    }
}

/** The value of bytes. `INVALID_VALUE`: they are none that {@link encodeClone} makes. */
export function decodeClone(bytes: Uint8Array): unknown {
    const first = bytes[0]!;
    let newer = '';
    try {
        if (first === VALUE_BYTES) return copyOf(bytes, 1);
        if (first !== VALUE_ITEM) return textOf(bytes);
        if (bytes[1] === ITEM_VERSION) return new ItemReader(bytes, 2).whole();
        if (bytes[1]! > ITEM_VERSION) newer = ', but perhaps by a newer version';
    } catch {
        // What is thrown above says less than what is said below.
    }
    return refuseValue(
        `a value of this store was not made by \`values: 'clone'\`${newer}; \`values: 'bytes'\` reads it`,
    );
}
