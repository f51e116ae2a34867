/**
 * Items of values to bytes.
 */

import { BitcaskError } from '../errors.js';
import { type ByteWriter, kindOf } from './bytes.js';
import { ERROR_PARTS, ERRORS, platform, VIEWS } from './clone-items.js';
import {
    SHORT_TEXT_MAX,
    TAG_AGAIN,
    TAG_ARRAY,
    TAG_BIG_NEGATIVE,
    TAG_BIG_POSITIVE,
    TAG_BOXED,
    TAG_BUFFER,
    TAG_DATE,
    TAG_ERROR,
    TAG_FALSE,
    TAG_FLOAT,
    TAG_INT,
    TAG_MAP,
    TAG_NULL,
    TAG_OBJECT,
    TAG_REG_EXP,
    TAG_SET,
    TAG_SHORT_TEXT,
    TAG_SMALL_INT,
    TAG_SPARSE_ARRAY,
    TAG_TEXT,
    TAG_TRUE,
    TAG_UNDEFINED,
    TAG_UNITS,
    TAG_VIEW,
    VALUE_DEPTH_MAX,
} from './marks.js';

/** Refuses a value, or the bytes of one. */
export function refuseValue(message: string, cause?: unknown): never {
    throw new BitcaskError('INVALID_VALUE', message, { cause });
}

/** Writes one item, and the objects in it. */
export class ItemWriter {
    readonly #out: ByteWriter;
    /** The numbers of objects that began. */
    readonly #numbers = new Map<object, number>();
    #next = 0;
    #depth = 0;

    constructor(out: ByteWriter) {
        this.#out = out;
    }

    item(item: unknown): void {
        const out = this.#out;
        switch (typeof item) {
            case 'string':
                return this.#text(item);
            case 'number':
                return this.#number(item);
            case 'boolean':
                return out.u8(item ? TAG_TRUE : TAG_FALSE);
            case 'undefined':
                return out.u8(TAG_UNDEFINED);
            case 'bigint':
                return this.#big(item);
            case 'object': {
                if (item === null) return out.u8(TAG_NULL);
                const number = this.#numbers.get(item);
                if (number !== undefined) {
                    out.u8(TAG_AGAIN);
                    return this.#count(number);
                }
                this.#numbers.set(item, this.#next++);
                if (++this.#depth > VALUE_DEPTH_MAX)
                    refuseValue(`a value nests deeper than ${VALUE_DEPTH_MAX} objects`);
                this.#object(item);
                this.#depth -= 1;
                return;
            }
            default:
                return refuseValue(`a ${typeof item} cannot be stored`);
        }
    }

    #object(item: object): void {
        const out = this.#out;
        const prototype: unknown = Object.getPrototypeOf(item);
        if (prototype === Object.prototype) return this.#properties(TAG_OBJECT, item as Record<string, unknown>);
        if (Array.isArray(item)) return this.#array(item);
        const kind = kindOf(item);
        // The methods of the prototypes: an object's own may be anything, and not what the kind promises.
        switch (kind) {
            case 'Map':
                out.u8(TAG_MAP);
                // A copy first: a getter in it may add to the map, and the count stands in front.
                return this.#items([...Map.prototype.entries.call(item as Map<unknown, unknown>)].flat(), 2);
            case 'Set':
                out.u8(TAG_SET);
                return this.#items([...Set.prototype.values.call(item as Set<unknown>)], 1);
            case 'Date':
                out.u8(TAG_DATE);
                return this.#float(Date.prototype.getTime.call(item));
            case 'RegExp':
                out.u8(TAG_REG_EXP);
                this.#text((item as RegExp).source);
                return this.#text((item as RegExp).flags);
            case 'Boolean':
            case 'Number':
            case 'String':
            case 'BigInt':
                out.u8(TAG_BOXED);
                return this.item(platform[kind]!.prototype.valueOf.call(item));
            case 'ArrayBuffer':
                return this.#buffer(new Uint8Array(item as ArrayBuffer));
            default:
                if (ArrayBuffer.isView(item)) return this.#view(kind, item);
                if (kind === 'Error' || item instanceof Error) return this.#error(item as Error);
                // Objects of the platform (Blob, Promise, URL, …) have a kind of their own, and no content that shows.
                if (kind !== 'Object') refuseValue(`a ${kind} cannot be stored`);
                return this.#properties(TAG_OBJECT, item as Record<string, unknown>);
        }
    }

    #properties(tag: number, item: Record<string, unknown>, names = Object.keys(item)): void {
        const out = this.#out;
        out.u8(tag);
        if (tag === TAG_SPARSE_ARRAY) this.#count((item as unknown as unknown[]).length);
        this.#count(names.length);
        for (const name of names) {
            this.#text(name);
            this.item(item[name]);
        }
    }

    #array(items: unknown[]): void {
        const names = Object.keys(items);
        // Indices come first, in their order: if the last name is the last index then all are there, and nothing else.
        if (names.length !== items.length || (names.length && names[names.length - 1] !== String(items.length - 1)))
            return this.#properties(TAG_SPARSE_ARRAY, items as unknown as Record<string, unknown>, names);
        this.#out.u8(TAG_ARRAY);
        this.#items(items, 1);
    }

    /** Items behind their count, which is of groups of so many. */
    #items(items: unknown[], group: number): void {
        const { length } = items;
        this.#count(length / group);
        for (let index = 0; index < length; index += 1) this.item(items[index]);
    }

    #error(error: Error): void {
        const out = this.#out;
        out.u8(TAG_ERROR);
        out.u8(Math.max(0, ERRORS.indexOf(error.name)));
        const at = out.take(1);
        let parts = 0;
        ERROR_PARTS.forEach((part, bit) => {
            const value = error[part];
            if (value === undefined) return;
            parts |= 1 << bit;
            this.item(part === 'cause' ? value : String(value));
        });
        out.bytes[at] = parts;
    }

    #view(kind: string, view: ArrayBufferView): void {
        const at = VIEWS.indexOf(kind);
        if (at < 0) refuseValue(`a ${kind} cannot be stored`);
        this.#out.u8(TAG_VIEW);
        this.#out.u8(at);
        const { buffer, byteOffset, byteLength } = view;
        // A view of a part, of a pool of memory say, is stored without the rest, which is none of its business.
        if (byteLength === buffer.byteLength && kindOf(buffer) === 'ArrayBuffer') return this.item(buffer);
        this.#next += 1;
        this.#buffer(new Uint8Array(buffer, byteOffset, byteLength));
    }

    #buffer(bytes: Uint8Array): void {
        this.#out.u8(TAG_BUFFER);
        this.#count(bytes.length);
        this.#out.raw(bytes);
    }

    #number(item: number): void {
        const out = this.#out;
        if ((item | 0) !== item || Object.is(item, -0)) {
            out.u8(TAG_FLOAT);
            this.#float(item);
        } else if (item >= 0 && item < 0x80) {
            out.u8(TAG_SMALL_INT | item);
        } else {
            out.u8(TAG_INT);
            // Zigzag: small negative numbers are short too.
            this.#count(((item << 1) ^ (item >> 31)) >>> 0);
        }
    }

    #float(item: number): void {
        const at = this.#out.take(8);
        this.#out.view.setFloat64(at, item, true);
    }

    #big(item: bigint): void {
        const out = this.#out;
        out.u8(item < 0n ? TAG_BIG_NEGATIVE : TAG_BIG_POSITIVE);
        const digits = (item < 0n ? -item : item).toString(16);
        const count = (digits.length + 1) >> 1;
        this.#count(count);
        const at = out.take(count);
        for (let index = 0, end = digits.length; index < count; index += 1, end -= 2)
            out.bytes[at + index] = parseInt(digits.slice(Math.max(0, end - 2), end), 16);
    }

    #text(text: string): void {
        const out = this.#out;
        const tagAt = out.take(1);
        const start = out.length;
        if (out.text(text)) {
            const count = out.length - start;
            if (count <= SHORT_TEXT_MAX) {
                out.bytes[tagAt] = TAG_SHORT_TEXT | count;
            } else {
                out.bytes[tagAt] = TAG_TEXT;
                out.countSince(start);
            }
        } else {
            // Half of a surrogate pair has no UTF-8.
            out.bytes[tagAt] = TAG_UNITS;
            out.length = start;
            this.#count(text.length);
            const at = out.take(text.length * 2);
            for (let index = 0; index < text.length; index += 1)
                out.view.setUint16(at + index * 2, text.charCodeAt(index), true);
        }
    }

    #count(count: number): void {
        this.#out.count(count);
    }
}
