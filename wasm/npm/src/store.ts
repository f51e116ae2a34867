/**
 * The store's methods, over a connection to the engine.
 */

import { abortable } from './abort.js';
import { Batcher, inOrder } from './batcher.js';
import { Cache } from './cache.js';
import { keyCodec, prefixBytes } from './codec/ranges.js';
import { streamPrefix, valueCodec } from './codec/values.js';
import type { Connection } from './connection.js';
import { BitcaskError } from './errors.js';
import { Collected, expiryOf, grouped, MergeTotal, putOf, resultOf } from './operations.js';
import { type Answer, durabilityNumber, Op, type Operation, Status } from './protocol.js';
import { persist } from './persist.js';
import { boundsBytes } from './range.js';
import { type Base, StoreReader } from './reader.js';
import { exportStream, importStream, writeStream } from './streams.js';
import type {
    Atomic,
    Backend,
    Change,
    Changed,
    CommitResult,
    Entry,
    ImportReport,
    Key,
    MergeOptions,
    MergeReport,
    OpenOptions,
    ProgressOptions,
    Range,
    ReadOptions,
    RecoveryReport,
    Snapshot,
    Stats,
    Store,
    SubOptions,
    VerifyReport,
    WatchOptions,
    WriteOptions,
} from './types.js';
import { changes, subscribe, Writes } from './watch.js';

/** `Symbol.asyncDispose`, also where the platform does not have it yet. */
const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');

/** What a store and its parts share. */
interface Whole {
    name: string;
    options: Pick<OpenOptions<never, never>, 'keys'>;
    writes: Writes;
    state: { closed: boolean };
    ended: Promise<BitcaskError | undefined>;
}

/** Makes the store of an open connection. `cacheBytes`: what may be kept on this side of it. */
export function storeOf<V, K extends Key>(
    name: string,
    direct: Connection,
    options: OpenOptions<V, K>,
    cacheBytes = 0,
): Store<V, K> {
    const batcher = new Batcher(direct, cacheBytes > 0 ? new Cache(cacheBytes) : undefined);
    const connection = inOrder(direct, batcher);
    const whole: Whole = {
        name,
        options: options as Whole['options'],
        writes: new Writes(connection),
        state: { closed: false },
        ended: connection.ended.then((error) => (error ? BitcaskError.from(error) : undefined)),
    };
    void whole.ended.then(() => {
        whole.state.closed = true;
        batcher.forget();
    });
    const base = {
        connection,
        batcher,
        keys: keyCodec<K>(options.keys),
        values: valueCodec<V>(options.values),
        streamPrefix: streamPrefix(options.values),
        ttl: options.ttl,
    };
    return new WholeStore(whole, base);
}

class WholeStore<V, K extends Key> extends StoreReader<V, K> implements Store<V, K> {
    readonly #whole: Whole;
    readonly #prefix: Uint8Array;

    constructor(whole: Whole, base: Base<V, K>, prefix = new Uint8Array(0)) {
        super(base);
        this.#whole = whole;
        this.#prefix = prefix;
    }

    get name(): string {
        return this.#whole.name;
    }

    get backend(): Backend {
        return this.base.connection.opened.backend;
    }

    get durable(): boolean {
        return this.base.connection.opened.durable;
    }

    get recovery(): RecoveryReport {
        return this.base.connection.opened.recovery;
    }

    get closed(): boolean {
        return this.#whole.state.closed;
    }

    get ended(): Promise<BitcaskError | undefined> {
        return this.#whole.ended;
    }

    set(key: K, value: V, options: WriteOptions = {}): Promise<void> {
        return this.#write(
            () => putOf(this.base, key, value, options),
            options,
            () => undefined,
        );
    }

    delete(key: K, options: WriteOptions = {}): Promise<boolean> {
        return this.#write(() => this.#remove(key, options), options, isTrue);
    }

    async setMany(entries: Iterable<readonly [K, V]>, options: WriteOptions = {}): Promise<void> {
        await this.#writeGroup(
            () => Array.from(entries, ([key, value]) => putOf(this.base, key, value, options)),
            options,
        );
    }

    async deleteMany(keys: Iterable<K>, options: WriteOptions = {}): Promise<void> {
        await this.#writeGroup(() => Array.from(keys, (key) => this.#remove(key, options)), options);
    }

    async update(
        key: K,
        change: (value: V | undefined) => V | undefined,
        options: WriteOptions = {},
    ): Promise<V | undefined> {
        for (;;) {
            options.signal?.throwIfAborted();
            const entry: Entry<V, K> | undefined = await this.getEntry(key, options);
            const value = change(entry?.value);
            if (value === undefined && !entry) return undefined;
            const atomic = this.atomic().check(key, entry?.version ?? null);
            if (value === undefined) atomic.delete(key);
            else atomic.set(key, value, options);
            if ((await atomic.commit(options)).ok) return value;
        }
    }

    atomic(): Atomic<V, K> {
        return new AtomicWrites(this.base, (operations, options) => this.#writeGroup(() => operations, options));
    }

    async clear(range: Omit<Range<K>, 'reverse' | 'limit'> = {}, options: WriteOptions = {}): Promise<number> {
        const { connection, keys } = this.base;
        const bounds = boundsBytes(keys.bounds(range), {}, 'keys');
        const durability = durabilityNumber(options.durability);
        let cleared = 0;
        for (;;) {
            options.signal?.throwIfAborted();
            const some = await connection.call('clear', bounds, durability);
            cleared += some;
            if (some === 0) return cleared;
        }
    }

    async snapshot(): Promise<Snapshot<V, K>> {
        const { id, version } = await this.base.connection.call('snapshot');
        return new StoreSnapshot(this.base, id, version);
    }

    ttl(key: K): Promise<number | undefined> {
        return this.ask(Op.entry, key, undefined, ({ bytes, expiresAt }) => {
            if (!bytes) return undefined;
            return expiresAt ? Math.max(0, expiresAt - Date.now()) : Infinity;
        });
    }

    expire(key: K, ttl: number, options: Omit<WriteOptions, 'ttl'> = {}): Promise<boolean> {
        const operation = (): Operation => ({
            op: Op.expire,
            key: this.base.keys.encode(key),
            expiresAt: expiryOf(ttl),
            durability: durabilityNumber(options.durability),
        });
        return this.#write(operation, options, isTrue);
    }

    subscribe(range: Omit<Range<K>, 'reverse' | 'limit'>, listener: (changed: Changed<K>) => void): () => void {
        const { connection, keys } = this.base;
        return subscribe(connection, this.#whole.writes, keys, keys.bounds(range), listener);
    }

    watch(options: WatchOptions<K> = {}): AsyncIterableIterator<Change<V, K>> {
        const { connection, keys, values } = this.base;
        const bounds = keys.bounds(options);
        return changes(connection, this.#whole.writes, keys, values, bounds, options.since, options.signal);
    }

    writeStream(key: K, options: WriteOptions = {}): WritableStream<Uint8Array> {
        const { connection, keys } = this.base;
        const expiresAt = expiryOf(options.ttl ?? this.base.ttl) ?? 0;
        const durability = durabilityNumber(options.durability);
        return writeStream(connection, keys.encode(key), this.base.streamPrefix, expiresAt, durability, options.signal);
    }

    sub<W = V>(prefix: string, options: SubOptions<W> = {}): Store<W, K> {
        const whole = new Uint8Array([...this.#prefix, ...prefixBytes(prefix)]);
        const base: Base<W, K> = {
            ...this.base,
            keys: keyCodec<K>(this.#whole.options.keys, whole),
            values: options.values
                ? valueCodec<W>(options.values)
                : (this.base.values as unknown as Base<W, K>['values']),
            streamPrefix: options.values ? streamPrefix(options.values) : this.base.streamPrefix,
        };
        return new WholeStore<W, K>(this.#whole, base, whole);
    }

    export(): ReadableStream<Uint8Array> {
        return exportStream(this.base.connection);
    }

    import(source: ReadableStream<Uint8Array> | Blob | Uint8Array, options: ReadOptions = {}): Promise<ImportReport> {
        return importStream(this.base.connection, source, options.signal);
    }

    async flush(): Promise<void> {
        await this.base.batcher.ask(
            () => ({ op: Op.flush }),
            () => undefined,
        );
    }

    async merge({ full = true, onProgress, signal }: MergeOptions = {}): Promise<MergeReport> {
        const total = new MergeTotal();
        for (let first = true; ; first = false) {
            signal?.throwIfAborted();
            const step = await this.base.connection.call('mergeStep', full, first);
            const { state, report, bytesRead = 0, bytesTotal = 0 } = step;
            if (state === 'idle') return total;
            if (state === 'working') onProgress?.(bytesRead, bytesTotal);
            if (state === 'merged') total.add(report as MergeReport);
        }
    }

    async verify({ onProgress, signal }: ProgressOptions = {}): Promise<VerifyReport> {
        const { connection } = this.base;
        const id = await connection.call('verify');
        try {
            for (;;) {
                signal?.throwIfAborted();
                const step = await connection.call('verifyNext', id);
                if ('problems' in step) return step;
                onProgress?.(step.bytesRead, step.bytesTotal);
            }
        } catch (error) {
            connection.call('verifyClose', id).catch(() => undefined);
            throw error;
        }
    }

    async stats(): Promise<Stats> {
        return (await this.base.connection.call('stats')) as Stats;
    }

    async persist(): Promise<boolean> {
        return persist();
    }

    async close(): Promise<void> {
        this.#whole.state.closed = true;
        this.base.batcher.forget();
        await this.base.connection.close();
    }

    [asyncDispose](): Promise<void> {
        return this.close();
    }

    #remove(key: K, options: WriteOptions): Operation {
        return { op: Op.delete, key: this.base.keys.encode(key), durability: durabilityNumber(options.durability) };
    }

    #write<T>(operation: () => Operation, { signal }: WriteOptions, read: (answer: Answer) => T): Promise<T> {
        return abortable(signal, () => this.base.batcher.ask(operation, read));
    }

    /** All or nothing. */
    async #writeGroup(operations: () => Operation[], { durability, signal }: WriteOptions): Promise<CommitResult> {
        const group = grouped(operations(), durability);
        if (group.length === 0) return { ok: true };
        return abortable(signal, () => this.base.batcher.askGroup(group, resultOf));
    }
}

function isTrue({ status }: Answer): boolean {
    return status === Status.true;
}

class AtomicWrites<V, K extends Key> extends Collected<V, K> implements Atomic<V, K> {
    #write: (operations: Operation[], options: WriteOptions) => Promise<CommitResult>;

    constructor(base: Base<V, K>, write: (operations: Operation[], options: WriteOptions) => Promise<CommitResult>) {
        super(base);
        this.#write = write;
    }

    async commit(options: Omit<WriteOptions, 'ttl'> = {}): Promise<CommitResult> {
        return this.#write(this.take(), options);
    }
}

class StoreSnapshot<V, K extends Key> extends StoreReader<V, K> implements Snapshot<V, K> {
    readonly version: bigint;

    constructor(base: Base<V, K>, id: number, version: bigint) {
        super(base, id);
        this.version = version;
    }

    async close(): Promise<void> {
        await this.base.connection.call('snapshotClose', this.at);
    }

    [asyncDispose](): Promise<void> {
        return this.close();
    }
}
