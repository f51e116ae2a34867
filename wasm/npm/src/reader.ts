/**
 * Reads, of a store as it is now or of a snapshot.
 */

import { abortable } from './abort.js';
import type { Batcher } from './batcher.js';
import type { Connection } from './connection.js';
import type { Encoding } from './operations.js';
import { type Answer, Op, type Operation, Status } from './protocol.js';
import { boundsBytes, type Wanted } from './range.js';
import { readStream } from './streams.js';
import type { Entry, Key, Range, Reader, ReadOptions, ScanOptions } from './types.js';
import { Walk } from './walk.js';

/** What all that reads or writes one store has in common. */
export interface Base<V, K> extends Encoding<V, K> {
    connection: Connection;
    batcher: Batcher;
    /** Bytes that a codec puts before the bytes of a stream. */
    streamPrefix: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** The reading half of a store. */
export class StoreReader<V, K extends Key> implements Reader<V, K> {
    /** @internal */
    readonly base: Base<V, K>;
    /** @internal The snapshot to read from; 0 is now. */
    protected readonly at: number;

    /** @internal */
    constructor(base: Base<V, K>, at = 0) {
        this.base = base;
        this.at = at;
    }

    get(key: K, { signal }: ReadOptions = {}): Promise<V | undefined> {
        return this.ask(Op.get, key, signal, (answer) => this.value(answer));
    }

    getEntry(key: K, { signal }: ReadOptions = {}): Promise<Entry<V, K> | undefined> {
        return this.ask(Op.entry, key, signal, ({ bytes, version, expiresAt }) => {
            if (!bytes || version === undefined) return undefined;
            const value = this.base.values.decode(bytes);
            return { key, value, version, ...(expiresAt ? { expiresAt } : {}) };
        });
    }

    has(key: K, { signal }: ReadOptions = {}): Promise<boolean> {
        return this.ask(Op.has, key, signal, ({ status }) => status === Status.true);
    }

    getMany(keys: Iterable<K>, { signal }: ReadOptions = {}): Promise<(V | undefined)[]> {
        const operations = (): Operation[] => Array.from(keys, (key) => this.operation(Op.get, key));
        return abortable(signal, () => this.base.batcher.askMany(operations, (answer) => this.value(answer)));
    }

    entries(options: ScanOptions<K> = {}): Walk<[K, V]> {
        const { keys, values } = this.base;
        return this.walk(options, 'entries', (key, value) => [keys.decode(key), values.decode(value)]);
    }

    keys(options: ScanOptions<K> = {}): Walk<K> {
        return this.walk(options, 'keys', (key) => this.base.keys.decode(key));
    }

    values(options: ScanOptions<K> = {}): Walk<V> {
        return this.walk(options, 'values', (_, value) => this.base.values.decode(value));
    }

    async count(range: Range<K> = {}): Promise<number> {
        const { connection, keys } = this.base;
        return connection.call('count', boundsBytes(keys.bounds(range), range, 'keys'), this.at);
    }

    async readStream(key: K, { signal }: ReadOptions = {}): Promise<ReadableStream<Uint8Array> | undefined> {
        const { connection, keys, streamPrefix } = this.base;
        return abortable(signal, () => readStream(connection, keys.encode(key), this.at, streamPrefix));
    }

    /** @internal */
    protected walk<T>(
        options: ScanOptions<K>,
        wanted: Wanted,
        entry: (key: Uint8Array, value: Uint8Array) => T,
    ): Walk<T> {
        const { connection, keys } = this.base;
        const bounds = boundsBytes(keys.bounds(options), options, wanted);
        return new Walk({ connection, bounds, snapshot: this.at, entry, signal: options.signal });
    }

    /** @internal */
    protected ask<T>(op: number, key: K, signal: AbortSignal | undefined, read: (answer: Answer) => T): Promise<T> {
        return abortable(signal, () => this.base.batcher.ask(() => this.operation(op, key), read));
    }

    private operation(op: number, key: K): Operation {
        return { op, key: this.base.keys.encode(key), snapshot: this.at };
    }

    private value({ status, bytes = NOTHING }: Answer): V | undefined {
        return status === Status.value ? this.base.values.decode(bytes) : undefined;
    }
}
