/**
 * Keys as bytes, so that bytes sort as keys do. `ENCODING.md` is the authority.
 */

import { BitcaskError } from '../errors.js';
import type { Key, KeyCodec } from '../types.js';
import { type ByteWriter, copyOf, isBytes, kindOf, textOf, written } from './bytes.js';
import {
    ARRAY_ELEMENT,
    BYTES_ELEMENT,
    ELEMENTS_END,
    ESCAPE,
    KEY_ARRAY,
    KEY_BYTES,
    KEY_BYTES_MAX,
    KEY_DEPTH_MAX,
    KEY_NUMBER,
    NUMBER_ELEMENT,
    TEXT_ELEMENT,
} from './marks.js';

/** A codec that also writes into a buffer that is there, and knows which bytes follow those of a prefix. */
export interface KeyFormat<K> extends KeyCodec<K> {
    /** Appends the bytes of a key. */
    write(out: ByteWriter, key: K): void;
    /** The bytes that keys with this prefix begin with, and the first bytes that are larger than all of theirs. */
    prefix(prefix: K): { readonly from: Uint8Array; readonly to: Uint8Array | undefined };
}

/** Refuses a key. */
export function refuseKey(message: string): never {
    throw new BitcaskError('INVALID_KEY', message);
}

/** The shortest byte string that sorts after all that begin with these; `undefined` where there is none. */
export function successor(bytes: Uint8Array): Uint8Array | undefined {
    let { length } = bytes;
    while (length > 0 && bytes[length - 1] === 0xff) length -= 1;
    if (length === 0) return undefined;
    const next = copyOf(bytes, 0, length);
    next[length - 1]! += 1;
    return next;
}

/** A format of functions that write and read. */
function formatOf<K>(
    write: (out: ByteWriter, key: K) => void,
    decode: (bytes: Uint8Array) => K,
    after: (prefix: K, from: Uint8Array) => Uint8Array | undefined = (_, from) => successor(from),
): KeyFormat<K> {
    const encode = (key: K) => written(write, key);
    const prefix = (prefix: K) => {
        const from = encode(prefix);
        return { from, to: after(prefix, from) };
    };
    return { encode, decode, write, prefix };
}

function writeText(out: ByteWriter, text: unknown): void {
    if (typeof text !== 'string') refuseKey(`a key of this store is a string, not ${kindOf(text)}`);
    if (!out.text(text)) refuseKey('a key has half of a surrogate pair');
}

function writeBytes(out: ByteWriter, bytes: unknown): void {
    if (!isBytes(bytes)) refuseKey(`a key of this store is a Uint8Array, not ${kindOf(bytes)}`);
    out.raw(bytes);
}

/** A number as 8 bytes: big-endian, so that the exponent counts first; negative ones inverted, so that they sort backwards. */
function writeNumber(out: ByteWriter, key: number): void {
    if (key !== key) refuseKey('NaN is no key');
    const at = out.take(8);
    // −0 becomes 0: they are the same key.
    out.view.setFloat64(at, key || 0);
    const flip = key < 0 ? 0xff : 0;
    for (let index = 0; index < 8; index += 1) out.bytes[at + index]! ^= flip;
    if (!flip) out.bytes[at]! ^= 0x80;
}

/** Doubles the zeros (00 becomes 00 FF) in what was written since `start`, and ends it by 00. */
function terminate(out: ByteWriter, start: number): void {
    const end = out.length;
    let zeros = 0;
    for (let at = start; at < end; at += 1) if (out.bytes[at] === 0) zeros += 1;
    out.take(zeros);
    const { bytes } = out;
    for (let from = end - 1, to = from + zeros; to > from; from -= 1) {
        if (bytes[from] === 0) bytes[to--] = ESCAPE;
        bytes[to--] = bytes[from]!;
    }
    out.u8(ELEMENTS_END);
}

function writeElement(out: ByteWriter, key: unknown, depth: number): void {
    const start = out.length + 1;
    if (typeof key === 'string') {
        out.u8(TEXT_ELEMENT);
        writeText(out, key);
        terminate(out, start);
    } else if (typeof key === 'number') {
        out.u8(NUMBER_ELEMENT);
        writeNumber(out, key);
    } else if (Array.isArray(key)) {
        out.u8(ARRAY_ELEMENT);
        writeElements(out, key, depth);
        out.u8(ELEMENTS_END);
    } else {
        out.u8(BYTES_ELEMENT);
        writeOther(out, key);
        terminate(out, start);
    }
}

function writeElements(out: ByteWriter, keys: readonly unknown[], depth: number): void {
    if (depth > KEY_DEPTH_MAX) refuseKey(`a key nests deeper than ${KEY_DEPTH_MAX} arrays`);
    for (const key of keys) {
        writeElement(out, key, depth + 1);
        // Before memory ends, where an array is huge or holds itself many times.
        if (out.length > 1 << 24) refuseKey('a key is too long');
    }
}

function writeOther(out: ByteWriter, key: unknown): void {
    if (!isBytes(key)) refuseKey(`a key is a string, number, Uint8Array or an array of these, not ${kindOf(key)}`);
    out.raw(key);
}

function writeAny(out: ByteWriter, key: Key): void {
    if (typeof key === 'string') {
        // The engine has no empty key: the empty string is one zero, and a string that begins with one has one more.
        if (!(key.charCodeAt(0) > 0)) out.u8(0);
        writeText(out, key);
    } else if (typeof key === 'number') {
        out.u8(KEY_NUMBER);
        writeNumber(out, key);
    } else if (Array.isArray(key)) {
        out.u8(KEY_ARRAY);
        writeElements(out, key, 1);
    } else {
        out.u8(KEY_BYTES);
        writeOther(out, key);
    }
}

/** Reads the elements of arrays. Whatever is wrong ends in a `TypeError`; {@link decodeAny} says it in better words. */
class ElementReader {
    readonly bytes: Uint8Array;
    at: number;

    constructor(bytes: Uint8Array, at: number) {
        this.bytes = bytes;
        this.at = at;
    }

    /** Elements up to the end of the bytes (`depth` 1), or up to the mark of the end. */
    elements(depth: number): Key[] {
        const { bytes } = this;
        const keys: Key[] = [];
        if (depth > KEY_DEPTH_MAX) throw TypeError();
        while (depth > 1 || this.at < bytes.length) {
            const mark = bytes[this.at++];
            if (mark === ELEMENTS_END && depth > 1) break;
            if (mark === TEXT_ELEMENT) keys.push(textOf(this.terminated()));
            else if (mark === NUMBER_ELEMENT) keys.push(numberAt(bytes, (this.at += 8) - 8));
            else if (mark === BYTES_ELEMENT) keys.push(this.terminated());
            else if (mark === ARRAY_ELEMENT) keys.push(this.elements(depth + 1));
            else throw TypeError();
        }
        return keys;
    }

    /** The bytes up to a zero that is not escaped, with one zero for each escaped one. */
    private terminated(): Uint8Array {
        const { bytes } = this;
        const out: number[] = [];
        for (;;) {
            const byte = bytes[this.at++];
            if (byte === undefined) throw TypeError();
            if (byte === 0) {
                if (bytes[this.at] !== ESCAPE) return Uint8Array.from(out);
                this.at += 1;
            }
            out.push(byte);
        }
    }
}

/** Where the bytes of a number are put right, to be read. */
const number = new DataView(new ArrayBuffer(8));

/** The number of the 8 bytes at `at`; a `TypeError` on bytes that no number has. */
function numberAt(bytes: Uint8Array, at: number): number {
    const first = bytes[at]!;
    const flip = first < 0x80 ? 0xff : 0;
    if (at + 8 > bytes.length) throw TypeError();
    for (let index = 1; index < 8; index += 1) number.setUint8(index, bytes[at + index]! ^ flip);
    number.setUint8(0, first ^ (flip || 0x80));
    const key = number.getFloat64(0);
    if (key !== key || Object.is(key, -0)) throw TypeError();
    return key;
}

function decodeAny(bytes: Uint8Array): Key {
    const first = bytes[0]!;
    try {
        if (first === 0) {
            if (bytes.length === 1) return '';
            if (bytes[1] === 0) return textOf(bytes, 1);
        } else if (first < KEY_NUMBER) {
            return textOf(bytes);
        } else if (first === KEY_NUMBER) {
            if (bytes.length === 9) return numberAt(bytes, 1);
        } else if (first === KEY_BYTES) {
            return copyOf(bytes, 1);
        } else if (first === KEY_ARRAY) {
            return new ElementReader(bytes, 1).elements(1);
        }
    } catch (cause) {
        // What is thrown above says less than what is said below.
    }
    return refuseKey("a key of this store was not made by `keys: 'any'`; `keys: 'bytes'` reads it");
}

function decodeText(bytes: Uint8Array): string {
    try {
        return textOf(bytes);
    } catch (cause) {
        return refuseKey("a key of this store is no text; `keys: 'bytes'` reads it");
    }
}

/** Which bytes end a range with this prefix. */
function afterAny(prefix: Key, from: Uint8Array): Uint8Array | undefined {
    // All strings: everything below the numbers.
    if (prefix === '') return Uint8Array.of(KEY_NUMBER);
    if (typeof prefix === 'number') refuseKey('a number is no prefix');
    if (Array.isArray(prefix) && from.length < KEY_BYTES_MAX) {
        // An escape would go on with the last text or bytes, so that ['a'] would have ['a\0b'] too.
        const to = new Uint8Array(from.length + 1);
        to.set(from);
        to[from.length] = ESCAPE;
        return to;
    }
    return successor(from);
}

/** Any {@link Key}. */
export const anyKeys: KeyFormat<Key> = formatOf(writeAny, decodeAny, afterAny);

/** Strings as their UTF-8. */
export const textKeys: KeyFormat<string> = formatOf<string>(writeText, decodeText);

/** Bytes as they are. */
export const bytesKeys: KeyFormat<Uint8Array> = formatOf<Uint8Array>(writeBytes, (bytes) => copyOf(bytes));

/** The format that an option asks for. */
export function keyFormat<K>(keys: 'any' | 'utf8' | 'bytes' | KeyCodec<K> = 'any'): KeyFormat<K> {
    if (typeof keys === 'object')
        return formatOf(
            (out, key) => writeBytes(out, keys.encode(key)),
            (bytes) => keys.decode(bytes),
        );
    const format = { any: anyKeys, utf8: textKeys, bytes: bytesKeys }[keys] as unknown as KeyFormat<K> | undefined;
    if (!format) throw new BitcaskError('INVALID', `there are no keys of the kind ${String(keys)}`);
    return format;
}
