/**
 * Items of values from bytes, whatever the bytes are.
 */

import { copyOf, textOf } from './bytes.js';
import { ERROR_PARTS, ERRORS, platform, VIEWS } from './clone-items.js';
import {
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

/** Reads items. Whatever is wrong ends in some error; `decodeClone` says it in better words. */
export class ItemReader {
    readonly #bytes: Uint8Array;
    readonly #view: DataView;
    #at: number;
    /** By number. */
    readonly #objects: unknown[] = [];
    #depth = 0;

    constructor(bytes: Uint8Array, at: number) {
        this.#bytes = bytes;
        this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        this.#at = at;
    }

    /** The one item up to the end of the bytes. */
    whole(): unknown {
        const item = this.#item();
        if (this.#at !== this.#bytes.length) throw RangeError();
        return item;
    }

    #item(): unknown {
        const tag = this.#u8();
        if (tag >= TAG_SMALL_INT) return tag - TAG_SMALL_INT;
        if (tag >= TAG_SHORT_TEXT) return this.#text(tag - TAG_SHORT_TEXT);
        switch (tag) {
            case TAG_UNDEFINED:
                return undefined;
            case TAG_NULL:
                return null;
            case TAG_FALSE:
                return false;
            case TAG_TRUE:
                return true;
            case TAG_INT: {
                const count = this.#count();
                return (count >>> 1) ^ -(count & 1);
            }
            case TAG_FLOAT:
                return this.#float();
            case TAG_BIG_POSITIVE:
                return this.#big();
            case TAG_BIG_NEGATIVE:
                return -this.#big();
            case TAG_TEXT:
                return this.#text(this.#count());
            case TAG_UNITS: {
                let text = '';
                for (let left = this.#countOf(2); left > 0; left -= 1)
                    text += String.fromCharCode(this.#u8() | (this.#u8() << 8));
                return text;
            }
            case TAG_AGAIN: {
                const number = this.#count();
                if (number >= this.#objects.length) throw RangeError();
                return this.#objects[number];
            }
            default: {
                if (++this.#depth > VALUE_DEPTH_MAX) throw RangeError();
                const object = this.#object(tag);
                this.#depth -= 1;
                return object;
            }
        }
    }

    #object(tag: number): unknown {
        switch (tag) {
            case TAG_OBJECT:
                return this.#properties(this.#began<object>({}));
            case TAG_ARRAY: {
                const items = this.#began<unknown[]>([]);
                for (let left = this.#countOf(1); left > 0; left -= 1) items.push(this.#item());
                return items;
            }
            case TAG_SPARSE_ARRAY:
                return this.#properties(this.#began(sparse(this.#count())));
            case TAG_MAP: {
                const map = this.#began(new Map());
                for (let left = this.#countOf(2); left > 0; left -= 1) map.set(this.#item(), this.#item());
                return map;
            }
            case TAG_SET: {
                const set = this.#began(new Set());
                for (let left = this.#countOf(1); left > 0; left -= 1) set.add(this.#item());
                return set;
            }
            case TAG_DATE:
                return this.#began(new Date(this.#float()));
            case TAG_REG_EXP:
                return this.#began(new RegExp(this.#string(), this.#string()));
            case TAG_BOXED: {
                const item = this.#item();
                if (!['boolean', 'number', 'string', 'bigint'].includes(typeof item)) throw RangeError();
                return this.#began(Object(item));
            }
            case TAG_ERROR:
                return this.#error();
            case TAG_BUFFER: {
                const end = this.#past(this.#count());
                const start = this.#at;
                this.#at = end;
                return this.#began(copyOf(this.#bytes, start, end).buffer);
            }
            case TAG_VIEW:
                return this.#viewOf();
            default:
                throw RangeError();
        }
    }

    /** Gives an object its number. */
    #began<T>(object: T): T {
        this.#objects.push(object);
        return object;
    }

    /** Reads names and items into an object. */
    #properties<T extends object>(object: T): T {
        for (let left = this.#countOf(2); left > 0; left -= 1) {
            const name = this.#string();
            const value = this.#item();
            // The length stands in front, and setting it could take any amount of memory.
            if (name === 'length' && Array.isArray(object)) throw RangeError();
            // Setting it would set the prototype.
            if (name === '__proto__') define(object, name, value, true);
            else (object as Record<string, unknown>)[name] = value;
        }
        return object;
    }

    #error(): Error {
        const kind = ERRORS[this.#u8()];
        const parts = this.#u8();
        const error = this.#began(new platform[kind!]!() as Error);
        if (parts >> ERROR_PARTS.length) throw RangeError();
        ERROR_PARTS.forEach((part, bit) => {
            if (parts & (1 << bit)) define(error, part, part === 'cause' ? this.#item() : this.#string(), false);
        });
        return error;
    }

    #viewOf(): unknown {
        const kind = VIEWS[this.#u8()];
        const number = this.#objects.length;
        // Not there yet: a view of itself is refused, since it is no buffer.
        this.#began(undefined);
        const buffer = this.#item();
        if (!(buffer instanceof ArrayBuffer)) throw RangeError();
        return (this.#objects[number] = new platform[kind!]!(buffer));
    }

    #string(): string {
        const item = this.#item();
        if (typeof item !== 'string') throw RangeError();
        return item;
    }

    #text(count: number): string {
        const end = this.#past(count);
        const text = textOf(this.#bytes, this.#at, end);
        this.#at = end;
        return text;
    }

    #big(): bigint {
        let digits = '0x0';
        const end = this.#past(this.#count());
        const start = this.#at;
        this.#at = end;
        for (let at = this.#at - 1; at >= start; at -= 1) digits += this.#bytes[at]!.toString(16).padStart(2, '0');
        return BigInt(digits);
    }

    #float(): number {
        const at = this.#at;
        this.#at = this.#past(8);
        return this.#view.getFloat64(at, true);
    }

    #u8(): number {
        const byte = this.#bytes[this.#at++];
        if (byte === undefined) throw RangeError();
        return byte;
    }

    #count(): number {
        let count = 0;
        for (let scale = 1; scale < 2 ** 35; scale *= 0x80) {
            const byte = this.#u8();
            count += (byte & 0x7f) * scale;
            if (byte < 0x80 && count < 2 ** 32) return count;
        }
        throw RangeError();
    }

    /** A count of what takes at least so many bytes each: no more than there can be. */
    #countOf(bytes: number): number {
        const count = this.#count();
        this.#past(count * bytes);
        return count;
    }

    /** Where so many bytes end, if they are there. */
    #past(count: number): number {
        const end = this.#at + count;
        if (end > this.#bytes.length) throw RangeError();
        return end;
    }
}

function define(object: object, name: string, value: unknown, enumerable: boolean): void {
    Object.defineProperty(object, name, { value, enumerable, writable: true, configurable: true });
}

/** An array of holes. Setting the length takes memory in some engines; setting one item far out does not. */
function sparse(length: number): unknown[] {
    const items: unknown[] = [];
    if (length) {
        items[length - 1] = 0;
        delete items[length - 1];
    }
    return items;
}
