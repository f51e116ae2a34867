/**
 * Bytes that grow, and text in them.
 */

const encoder = new TextEncoder();
// Fatal: what is no UTF-8 is an error, never replaced. A byte order mark is text like any other.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Up to these lengths a loop beats a call of the platform's encoder and of its decoder. */
const SHORT_TO_ENCODE = 150;
const SHORT_TO_DECODE = 40;

/** Matches a surrogate without its other half; for `isWellFormed`, which not every browser has. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** A byte string that grows at its end. */
export class ByteWriter {
    /** The bytes; behind `length` they mean nothing. Another array after every call that grows. */
    bytes = new Uint8Array(256);
    /** How many there are. */
    length = 0;
    /** On `bytes`. */
    view = new DataView(this.bytes.buffer);

    /** Makes room for that many bytes more and counts them as written. Returns where they begin. */
    take(count: number): number {
        const at = this.length;
        this.room(count);
        this.length += count;
        return at;
    }

    /** Makes room for that many bytes more. */
    room(count: number): void {
        const needed = this.length + count;
        if (needed > this.bytes.length) {
            const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
            grown.set(this.bytes.subarray(0, this.length));
            this.bytes = grown;
            this.view = new DataView(grown.buffer);
        }
    }

    /** Appends one byte. */
    u8(byte: number): void {
        const at = this.take(1);
        this.bytes[at] = byte;
    }

    /** Appends bytes. */
    raw(bytes: Uint8Array): void {
        const at = this.take(bytes.length);
        this.bytes.set(bytes, at);
    }

    /** Appends a number below 2³² in 1 to 5 bytes: seven bits each, the lowest first, the top bit set on all but the last. */
    count(count: number): void {
        for (; count > 0x7f; count >>>= 7) this.u8((count & 0x7f) | 0x80);
        this.u8(count);
    }

    /** Puts the count of what was appended since `start` in front of it. */
    countSince(start: number): void {
        const end = this.length;
        this.count(end - start);
        const size = this.length - end;
        this.bytes.copyWithin(start + size, start, end);
        this.length = start;
        this.count(end - start);
        this.length = end + size;
    }

    /** Appends text as UTF-8. `false`: it has a lone surrogate, and what was appended is to be dropped. */
    text(text: string): boolean {
        const { length } = text;
        this.room(length);
        if (length <= SHORT_TO_ENCODE) {
            const start = this.length;
            const { bytes } = this;
            let index = 0;
            for (; index < length; index += 1) {
                const unit = text.charCodeAt(index);
                if (unit > 0x7f) break;
                bytes[start + index] = unit;
            }
            if (index === length) {
                this.length = start + length;
                return true;
            }
        }
        for (let rest = text, ascii = true; ;) {
            const { read, written } = encoder.encodeInto(rest, this.bytes.subarray(this.length));
            this.length += written;
            ascii &&= read === written;
            if (read === rest.length) return ascii || !LONE_SURROGATE.test(text);
            rest = rest.slice(read);
            this.room(rest.length * 3);
        }
    }
}

let scratch = new ByteWriter();

/** The bytes that `write` appends, as an array of their own. May be called from within `write`, by a getter say. */
export function written<T = undefined>(write: (out: ByteWriter, item: T) => void, item?: T): Uint8Array {
    const out = scratch;
    const start = out.length;
    try {
        write(out, item as T);
        return out.bytes.slice(start, out.length);
    } finally {
        out.length = start;
        // One large value must not hold its memory for ever.
        if (out.bytes.length > 1 << 20 && start === 0) scratch = new ByteWriter();
    }
}

/** A copy. Not `slice`, which on a `Buffer` of Node is no copy. */
export function copyOf(bytes: Uint8Array, start?: number, end?: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(bytes.subarray(start, end));
}

/** The text of UTF-8. Throws a `TypeError` on bytes that are none. */
export function textOf(bytes: Uint8Array, start = 0, end = bytes.length): string {
    if (end - start <= SHORT_TO_DECODE) {
        let text = '';
        let index = start;
        for (; index < end; index += 1) {
            const byte = bytes[index] as number;
            if (byte > 0x7f) break;
            text += String.fromCharCode(byte);
        }
        if (index === end) return text;
    }
    // Another view costs a fifth of what decoding a short text does.
    return decoder.decode(end - start === bytes.length ? bytes : bytes.subarray(start, end));
}

/** What the platform calls the kind of an object: the same for objects of another frame or realm. */
export function kindOf(item: unknown): string {
    return Object.prototype.toString.call(item).slice(8, -1);
}

/** Whether it is a `Uint8Array`, also one of another realm (frames, test runners). */
export function isBytes(item: unknown): item is Uint8Array {
    return item instanceof Uint8Array || (ArrayBuffer.isView(item) && kindOf(item) === 'Uint8Array');
}
