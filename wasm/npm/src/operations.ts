/**
 * Writes as operations of a frame, for the synchronous and the asynchronous store alike.
 */

import type { Keys } from './codec/ranges.js';
import { BitcaskError } from './errors.js';
import { type Answer, durabilityNumber, Op, type Operation, Status } from './protocol.js';
import type { CommitResult, Durability, MergeReport, ValueCodec, WriteOptions } from './types.js';

/** How keys and values of a store become bytes, and how long they live where a write does not say. */
export interface Encoding<V, K> {
    keys: Keys<K>;
    values: ValueCodec<V>;
    /** Milliseconds. */
    ttl?: number | undefined;
}

/** The setting of a value. */
export function putOf<V, K>(
    { keys, values, ttl }: Encoding<V, K>,
    key: K,
    value: V,
    options: Pick<WriteOptions, 'ttl' | 'durability'>,
): Operation {
    if (value === undefined) throw new BitcaskError('INVALID_VALUE', 'undefined is no value: delete the key');
    return {
        op: Op.put,
        key: keys.encode(key),
        value: values.encode(value),
        expiresAt: expiryOf(options.ttl ?? ttl),
        durability: durabilityNumber(options.durability),
    };
}

/** When something expires that lives that many milliseconds from now; `undefined` for never. */
export function expiryOf(ttl: number = Infinity): number | undefined {
    if (!(ttl > 0)) throw new BitcaskError('INVALID', `${ttl} is no time to live: milliseconds above 0 are`);
    return ttl === Infinity ? undefined : Math.ceil(Date.now() + ttl);
}

/** Makes operations one group: all or nothing. */
export function grouped(operations: Operation[], word: Durability | undefined): Operation[] {
    const durability = durabilityNumber(word);
    operations.forEach((operation, number) => {
        operation.more = number + 1 < operations.length;
        operation.durability = durability;
    });
    return operations;
}

/** How a group ended. */
export function resultOf({ status, version }: Answer): CommitResult {
    if (status === Status.differs) return { ok: false };
    return version === undefined ? { ok: true } : { ok: true, version };
}

/** Collects the checks and writes of one commit. */
export class Collected<V, K> {
    #encoding: Encoding<V, K>;
    #operations: Operation[] | undefined = [];

    constructor(encoding: Encoding<V, K>) {
        this.#encoding = encoding;
    }

    check(key: K, version: bigint | null): this {
        return this.#add({ op: Op.check, key: this.#encoding.keys.encode(key), version: version ?? undefined });
    }

    set(key: K, value: V, options: Pick<WriteOptions, 'ttl'> = {}): this {
        return this.#add(putOf(this.#encoding, key, value, options));
    }

    delete(key: K): this {
        return this.#add({ op: Op.delete, key: this.#encoding.keys.encode(key) });
    }

    /** What was collected, once. */
    protected take(): Operation[] {
        const operations = this.#open();
        this.#operations = undefined;
        return operations;
    }

    #add(operation: Operation): this {
        this.#open().push(operation);
        return this;
    }

    #open(): Operation[] {
        if (this.#operations) return this.#operations;
        throw new BitcaskError('INVALID', 'this was committed already: begin another by atomic()');
    }
}

/** Adds up the runs of a merge. */
export class MergeTotal implements MergeReport {
    runs = 0;
    inputs = 0;
    outputs = 0;
    bytesRead = 0;
    bytesCopied = 0;
    bytesFreed = 0;

    add(run: MergeReport): void {
        for (const name of Object.keys(this) as (keyof MergeReport)[]) this[name] += run[name];
    }
}
