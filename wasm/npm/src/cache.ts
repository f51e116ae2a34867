/**
 * Values that were read or written lately, at the page's side: to read one again takes no message.
 *
 * A store has one page at a time, and what that asks for happens in the order in which it asks. So a value is known here from the
 * moment its write was acknowledged, or a read of it came back, until the page asks for the next write of that key: in between nobody else
 * writes. While a write is under way the key is not known, and who reads it asks the engine, behind that write. What changes keys that
 * cannot be told beforehand ends all that is known, and nothing becomes known before it has ended. Values that expire are never known.
 */

import { copyOf } from './codec/bytes.js';
import { type Answer, Op, type Operation, Status } from './protocol.js';

/** What an entry takes in the memory of a page beside the bytes of its key and value, about. */
const ENTRY_BYTES = 600;
/** A value that is larger than this part of the whole would leave no room for others. */
const PARTS_MIN = 16;
/** Longer keys are not looked for. */
const KEY_BYTES_MAX = 1_024;

const WRITES: readonly number[] = [Op.put, Op.delete, Op.expire];

/** Takes the answer to what was noted, or that there is none. Only the first one counts. */
export type Noted = (answer: Answer | undefined) => void;

/** What is known of a key, or what would be if nothing comes between. */
interface Known {
    readonly key: Uint8Array;
    readonly hash: number;
    /** The value, once it is known. */
    bytes: Uint8Array | undefined;
    /** Writes of the key that are under way, and what the last of them writes; nothing for a delete. */
    writes: number;
    written: Uint8Array | undefined;
    /** Whether one of them failed. */
    doubtful: boolean;
    /** Whether it was asked for since it was last looked at for being the oldest. */
    used: boolean;
}

/** The values of one store. */
export class Cache {
    readonly #limit: number;
    /** The oldest first; by hashes, of which each has one key: the last one that was asked for. */
    #known = new Map<number, Known>();
    #bytes = 0;
    #changing = 0;

    /** `limit`: bytes of memory, about. */
    constructor(limit: number) {
        this.#limit = limit;
    }

    /** The value that a read would find, if it is known. Nobody changes these bytes. */
    get(operation: Operation): Uint8Array | undefined {
        if (operation.op !== Op.get || !isSeen(operation)) return undefined;
        const known = this.#find(operation.key, hashOf(operation.key));
        if (!known?.bytes) return undefined;
        known.used = true;
        return known.bytes;
    }

    /** Sees that one thing is asked for. */
    note(operation: Operation): Noted | undefined {
        if (this.#changing > 0 || !isSeen(operation)) return undefined;
        return operation.op === Op.get ? this.#reading(operation.key) : this.#writing([operation]);
    }

    /** Sees that several writes are asked for, to be done together or not at all. */
    noteAll(operations: readonly Operation[]): Noted | undefined {
        return this.#changing > 0 ? undefined : this.#writing(operations.filter(isSeen));
    }

    /** Nothing is known any more. */
    forget(): void {
        this.#known = new Map();
        this.#bytes = 0;
    }

    /** Nothing is known, nor becomes known, before this has ended. */
    async during<T>(change: Promise<T>): Promise<T> {
        this.forget();
        this.#changing += 1;
        try {
            return await change;
        } finally {
            this.#changing -= 1;
        }
    }

    #reading(key: Uint8Array): Noted | undefined {
        const hash = hashOf(key);
        const known = this.#find(key, hash) ?? this.#begin(key, hash);
        if (known.writes > 0) return undefined;
        return (answer) => {
            if (this.#known.get(hash) !== known || known.bytes) return;
            const bytes = answer?.status === Status.value && !answer.expires ? answer.bytes : undefined;
            // A view of a reply would keep all of the reply.
            if (bytes && this.#fits(known, bytes)) this.#keep(known, copyOf(bytes));
            else this.#known.delete(hash);
        };
    }

    #writing(writes: readonly Seen[]): Noted {
        let all: readonly Known[] = writes.map(({ op, key, value, expiresAt }) => {
            const hash = hashOf(key);
            let known = this.#find(key, hash);
            if (!known?.writes) known = this.#begin(key, hash);
            known.writes += 1;
            known.written = op === Op.put && !expiresAt ? value : undefined;
            return known;
        });
        return (answer) => {
            const failed = !answer || answer.status === Status.error || answer.status === Status.differs;
            for (const known of all) this.#wrote(known, failed);
            all = [];
        };
    }

    #wrote(known: Known, failed: boolean): void {
        known.writes -= 1;
        known.doubtful ||= failed;
        if (known.writes > 0 || this.#known.get(known.hash) !== known) return;
        const { written } = known;
        known.written = undefined;
        if (written && !known.doubtful && this.#fits(known, written)) this.#keep(known, written);
        else this.#known.delete(known.hash);
    }

    #find(key: Uint8Array, hash: number): Known | undefined {
        const known = this.#known.get(hash);
        return known && isSame(known.key, key) ? known : undefined;
    }

    /** In the place of what was known of this key, or of another one with the same hash. */
    #begin(key: Uint8Array, hash: number): Known {
        const before = this.#known.get(hash);
        if (before) this.#drop(before);
        const known = { key, hash, bytes: undefined, writes: 0, written: undefined, doubtful: false, used: false };
        this.#known.set(hash, known);
        return known;
    }

    #keep(known: Known, bytes: Uint8Array): void {
        known.bytes = bytes;
        this.#bytes += cost(known, bytes);
        while (this.#bytes > this.#limit && this.#known.size > 0) this.#evict();
    }

    /** Drops the oldest that was not asked for a second time. */
    #evict(): void {
        for (const known of this.#known.values()) {
            if (known.bytes && !known.used) return this.#drop(known);
            known.used = false;
            this.#known.delete(known.hash);
            this.#known.set(known.hash, known);
        }
    }

    #drop(known: Known): void {
        this.#known.delete(known.hash);
        if (known.bytes) this.#bytes -= cost(known, known.bytes);
    }

    #fits(known: Known, bytes: Uint8Array): boolean {
        return cost(known, bytes) * PARTS_MIN <= this.#limit;
    }
}

/** What may be known of: a read of now or a write, of a key that is not too long. */
type Seen = Operation & { key: Uint8Array };

function isSeen(operation: Operation): operation is Seen {
    const { op, key, snapshot } = operation;
    return key !== undefined && key.length <= KEY_BYTES_MAX && !snapshot && (op === Op.get || WRITES.includes(op));
}

function cost({ key }: Known, bytes: Uint8Array): number {
    return ENTRY_BYTES + key.length + bytes.length;
}

/** FNV-1a, 32 bits. */
function hashOf(key: Uint8Array): number {
    let hash = 0x811c9dc5;
    for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key[at]!, 0x01000193);
    return hash;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
    if (one.length !== other.length) return false;
    for (let at = 0; at < one.length; at += 1) if (one[at] !== other[at]) return false;
    return true;
}
