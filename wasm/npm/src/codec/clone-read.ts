/**
 * Items of values from bytes, whatever the bytes are.
 */

import { copyOf, textOf } from './bytes.js';
import { ERROR_PARTS, ERRORS, platform, Tag, VALUE_DEPTH_MAX, VIEWS } from './clone-items.js';

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
        if (tag >= Tag.SmallInt) return tag - Tag.SmallInt;
        if (tag >= Tag.ShortText) return this.#text(tag - Tag.ShortText);
        switch (tag) {
            case Tag.Undefined:
                return undefined;
            case Tag.Null:
                return null;
            case Tag.False:
                return false;
            case Tag.True:
                return true;
            case Tag.Int: {
                const count = this.#count();
                return (count >>> 1) ^ -(count & 1);
            }
            case Tag.Float:
                return this.#float();
            case Tag.BigPositive:
                return this.#big();
            case Tag.BigNegative:
                return -this.#big();
            case Tag.Text:
                return this.#text(this.#count());
            case Tag.Units: {
                let text = '';
                for (let left = this.#countOf(2); left > 0; left -= 1)
                    text += String.fromCharCode(this.#u8() | (this.#u8() << 8));
                return text;
            }
            case Tag.Again: {
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
            case Tag.Object:
                return this.#properties(this.#began<object>({}));
            case Tag.Array: {
                const items = this.#began<unknown[]>([]);
                for (let left = this.#countOf(1); left > 0; left -= 1) items.push(this.#item());
                return items;
            }
            case Tag.SparseArray:
                return this.#properties(this.#began(sparse(this.#count())));
            case Tag.Map: {
                const map = this.#began(new Map());
                for (let left = this.#countOf(2); left > 0; left -= 1) map.set(this.#item(), this.#item());
                return map;
            }
            case Tag.Set: {
                const set = this.#began(new Set());
                for (let left = this.#countOf(1); left > 0; left -= 1) set.add(this.#item());
                return set;
            }
            case Tag.Date:
                return this.#began(new Date(this.#float()));
            case Tag.RegExp:
                return this.#began(new RegExp(this.#string(), this.#string()));
            case Tag.Boxed: {
                const item = this.#item();
                if (!['boolean', 'number', 'string', 'bigint'].includes(typeof item)) throw RangeError();
                return this.#began(Object(item));
            }
            case Tag.Error:
                return this.#error();
            case Tag.Buffer: {
                const end = this.#past(this.#count());
                const start = this.#at;
                this.#at = end;
                return this.#began(copyOf(this.#bytes, start, end).buffer);
            }
            case Tag.View:
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
