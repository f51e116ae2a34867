/**
 * Frames: many calls and their answers, each as one string of bytes. Little-endian, without alignment.
 *
 * A request is a row of operations, a reply the row of their answers in the same order. The other end is `wasm/src/frame.rs`,
 * whose tests and those of this file share their examples.
 */

import { BitcaskError } from './errors.js';

/** What is asked. */
export const Op = {
    get: 1,
    entry: 2,
    has: 3,
    put: 4,
    delete: 5,
    /** Only inside a group: the version must be this one or, without a version, the key must not be there. */
    check: 6,
    expire: 7,
    flush: 8,
} as const;

/** What is answered. */
export const Status = {
    ok: 0,
    value: 1,
    none: 2,
    entry: 3,
    wrote: 4,
    differs: 5,
    error: 6,
    true: 7,
    false: 8,
    /** As `value`, of one that expires. */
    expiring: 9,
} as const;

const HAS_EXPIRY = 4;
const HAS_VERSION = 8;
const MORE_OF_GROUP = 16;
const HAS_SNAPSHOT = 32;

/** The words for durability, each at its number in a frame. */
const DURABILITIES = ['', 'none', 'interval', 'always'];

/** The number of a word for durability; 0 leaves it to the store. */
export function durabilityNumber(word: string | undefined): number {
    const number = DURABILITIES.indexOf(word ?? '');
    if (number < 0) throw new BitcaskError('INVALID', `${word} is no durability: none, interval and always are`);
    return number;
}

/** One operation of a request. */
export interface Operation {
    op: number;
    key?: Uint8Array;
    value?: Uint8Array | undefined;
    /** As {@link durabilityNumber} has it. */
    durability?: number;
    /** Milliseconds since 1970; 0 is never. Left out: the operation says nothing of it. */
    expiresAt?: number | undefined;
    version?: bigint | undefined;
    /** More operations follow that happen together with this one. */
    more?: boolean;
    /** The snapshot to read from; 0 is none. */
    snapshot?: number;
}

/** One answer. Its bytes are a view into the reply. */
export interface Answer {
    status: number;
    bytes?: Uint8Array;
    version?: bigint;
    /** Milliseconds since 1970; 0 is never. */
    expiresAt?: number;
    /** Whether it is known to expire, some time or other. */
    expires?: boolean;
}

/** As the format has it. */
const VALUE_LEN_MAX = 0xffff_ffff;

const EMPTY = new Uint8Array(0);

/** Puts a request together. */
export class FrameWriter {
    #bytes = new Uint8Array(1024);
    #view = new DataView(this.#bytes.buffer);
    /** Bytes so far. */
    len = 0;

    /** Adds operations: all of them or, where one cannot be, none. */
    addAll(operations: readonly Operation[]): void {
        const start = this.len;
        try {
            for (const operation of operations) this.add(operation);
        } catch (error) {
            this.len = start;
            throw error;
        }
    }

    /** Adds an operation, unless it cannot be. */
    add({ op, key = EMPTY, value = EMPTY, durability = 0, expiresAt, version, more, snapshot }: Operation): void {
        if (value.length > VALUE_LEN_MAX) {
            throw new BitcaskError('INVALID', `the value has ${value.length} bytes; ${VALUE_LEN_MAX} is the most`);
        }
        this.#reserve(28 + key.length + value.length);
        const view = this.#view;
        let at = this.len;
        view.setUint8(at, op);
        view.setUint16(at + 2, key.length, true);
        view.setUint32(at + 4, value.length, true);
        let flags = durability;
        const start = at;
        at += 8;
        if (expiresAt !== undefined) {
            flags |= HAS_EXPIRY;
            view.setBigUint64(at, BigInt(expiresAt), true);
            at += 8;
        }
        if (version !== undefined) {
            flags |= HAS_VERSION;
            view.setBigUint64(at, version, true);
            at += 8;
        }
        if (more) flags |= MORE_OF_GROUP;
        if (snapshot) {
            flags |= HAS_SNAPSHOT;
            view.setUint32(at, snapshot, true);
            at += 4;
        }
        view.setUint8(start + 1, flags);
        this.#bytes.set(key, at);
        this.#bytes.set(value, at + key.length);
        this.len = at + key.length + value.length;
    }

    /** The request. The writer is empty again, and keeps nothing of it: its buffer can be transferred. */
    take(): Uint8Array<ArrayBuffer> {
        const frame = this.#bytes.slice(0, this.len);
        this.len = 0;
        return frame;
    }

    #reserve(more: number): void {
        const needed = this.len + more;
        if (needed <= this.#bytes.length) return;
        const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
        larger.set(this.#bytes.subarray(0, this.len));
        this.#bytes = larger;
        this.#view = new DataView(larger.buffer);
    }
}

/** Reads bytes one field after another. */
export class FieldReader {
    readonly bytes: Uint8Array;
    #view: DataView;
    /** Where the next field begins. */
    at = 0;

    constructor(bytes: Uint8Array) {
        this.bytes = bytes;
        this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }

    u8(): number {
        return this.#view.getUint8(this.at++);
    }

    u16(): number {
        return this.#view.getUint16((this.at += 2) - 2, true);
    }

    u32(): number {
        return this.#view.getUint32((this.at += 4) - 4, true);
    }

    u64(): bigint {
        return this.#view.getBigUint64((this.at += 8) - 8, true);
    }

    /** A view of the next bytes. */
    take(len: number): Uint8Array {
        return this.bytes.subarray(this.at, (this.at += len));
    }

    /** The answer to one operation, or to one group. */
    answer(): Answer {
        const status = this.u8();
        switch (status) {
            case Status.value:
                return { status, bytes: this.take(this.u32()) };
            case Status.expiring:
                return { status: Status.value, bytes: this.take(this.u32()), expires: true };
            case Status.entry: {
                const version = this.u64();
                const expiresAt = Number(this.u64());
                return { status, version, expiresAt, bytes: this.take(this.u32()) };
            }
            case Status.wrote:
                return { status, version: this.u64() };
            case Status.differs:
                this.u32();
                return { status };
            case Status.error:
                return { status, bytes: this.take(this.u32()) };
            default:
                return { status };
        }
    }
}

/** Throws what an answer tells of a failure. */
export function checked(answer: Answer): Answer {
    if (answer.status === Status.error) throw errorOf(answer.bytes ?? EMPTY);
    return answer;
}

function errorOf(json: Uint8Array): BitcaskError {
    return BitcaskError.from(JSON.parse(new TextDecoder().decode(json)));
}

/** Whether a request does the same when it is run twice: it has no checks of versions. */
export function canBeSentAgain(frame: Uint8Array): boolean {
    const reader = new FieldReader(frame);
    while (reader.at < frame.length) {
        const op = reader.u8();
        const flags = reader.u8();
        const keyLen = reader.u16();
        const valueLen = reader.u32();
        if (op === Op.check || flags & (HAS_VERSION | HAS_SNAPSHOT)) return false;
        reader.at += (flags & HAS_EXPIRY ? 8 : 0) + keyLen + valueLen;
    }
    return true;
}
