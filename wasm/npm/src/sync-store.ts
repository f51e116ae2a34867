/**
 * The synchronous API: the engine's calls without a worker between.
 */

import type { Engine } from '#wasm';
import { keyCodec } from './codec/ranges.js';
import { valueCodec } from './codec/values.js';
import { BitcaskError } from './errors.js';
import type { VerifyStep } from './connection.js';
import { CLEAR_STEP_KEYS, type Host, PART_BYTES, VERIFY_STEP_BYTES } from './host.js';
import { Collected, type Encoding, grouped, MergeTotal, putOf, resultOf } from './operations.js';
import {
    type Answer,
    checked,
    durabilityNumber,
    FieldReader,
    FrameWriter,
    Op,
    type Operation,
    Status,
} from './protocol.js';
import { boundsBytes, type Wanted } from './range.js';
import type {
    SyncAtomic,
    SyncOpenOptions,
    SyncReader,
    SyncSnapshot,
    SyncStore,
    SyncWriteOptions,
} from './sync-types.js';
import type {
    Backend,
    CommitResult,
    Entry,
    Key,
    MergeReport,
    Range,
    RecoveryReport,
    Stats,
    VerifyReport,
} from './types.js';

/** Entries of one part of a walk: they are gathered in memory. */
const PART_ENTRIES = 1_000;

/** Makes the synchronous store of an open engine. */
export function syncStoreOf<V, K extends Key>(
    name: string,
    host: Host,
    options: SyncOpenOptions<V, K>,
): SyncStore<V, K> {
    const keys = keyCodec<K>(options.keys);
    const values = valueCodec<V>(options.values);
    return new WholeStore(name, { host, keys, values, frame: new FrameWriter(), ttl: options.ttl });
}

interface Base<V, K> extends Encoding<V, K> {
    host: Host;
    frame: FrameWriter;
}

class StoreReader<V, K extends Key> implements SyncReader<V, K> {
    protected readonly base: Base<V, K>;
    protected readonly at: number;

    constructor(base: Base<V, K>, at: number) {
        this.base = base;
        this.at = at;
    }

    get(key: K): V | undefined {
        const encoded = this.base.keys.encode(key);
        const bytes = this.at === 0 ? this.call((engine) => engine.get(encoded)) : this.ask(Op.get, key).bytes;
        return bytes && this.base.values.decode(bytes);
    }

    getEntry(key: K): Entry<V, K> | undefined {
        const { bytes, version, expiresAt } = this.ask(Op.entry, key);
        if (!bytes || version === undefined) return undefined;
        return { key, value: this.base.values.decode(bytes), version, ...(expiresAt ? { expiresAt } : {}) };
    }

    getMany(keys: Iterable<K>): (V | undefined)[] {
        const operations: Operation[] = [];
        for (const key of keys) operations.push({ op: Op.get, key: this.base.keys.encode(key), snapshot: this.at });
        return this.run(operations, operations.length).map(({ bytes }) => bytes && this.base.values.decode(bytes));
    }

    has(key: K): boolean {
        const encoded = this.base.keys.encode(key);
        if (this.at === 0) return this.call((engine) => engine.has(encoded));
        return this.ask(Op.has, key).status === Status.true;
    }

    entries(range: Range<K> = {}): IterableIterator<[K, V]> {
        const { keys, values } = this.base;
        return this.walk(range, 'entries', (key, value) => [keys.decode(key), values.decode(value)]);
    }

    keys(range: Range<K> = {}): IterableIterator<K> {
        return this.walk(range, 'keys', (key) => this.base.keys.decode(key));
    }

    values(range: Range<K> = {}): IterableIterator<V> {
        return this.walk(range, 'values', (_, value) => this.base.values.decode(value));
    }

    count(range: Range<K> = {}): number {
        const bounds = boundsBytes(this.base.keys.bounds(range), range, 'keys');
        return this.call((engine) => engine.count(bounds, this.at));
    }

    /** Calls the engine; what it throws becomes an error of the package. */
    protected call<T>(work: (engine: Engine) => T): T {
        try {
            return work(this.base.host.engine);
        } catch (error) {
            throw this.base.host.failure(error);
        }
    }

    protected *walk<T>(
        range: Range<K>,
        wanted: Wanted,
        entry: (key: Uint8Array, value: Uint8Array) => T,
    ): Generator<T, undefined, undefined> {
        const bounds = boundsBytes(this.base.keys.bounds(range), range, wanted);
        const id = this.call((engine) => engine.scanOpen(bounds, this.at));
        let done = false;
        try {
            while (!done) {
                const reader = new FieldReader(this.call((engine) => engine.scanNext(id, PART_ENTRIES, PART_BYTES)));
                const count = reader.u32();
                done = reader.u8() === 1;
                for (let number = 0; number < count; number++) {
                    const keyLen = reader.u16();
                    const valueLen = reader.u32();
                    yield entry(reader.take(keyLen), reader.take(valueLen));
                }
            }
        } finally {
            if (!done && !this.base.host.isClosed) this.call((engine) => engine.scanClose(id));
        }
    }

    protected ask(op: number, key: K): Answer {
        const [answer] = this.run([{ op, key: this.base.keys.encode(key), snapshot: this.at }], 1);
        return answer as Answer;
    }

    protected run(operations: Operation[], answers: number): Answer[] {
        this.base.frame.addAll(operations);
        const frame = this.base.frame.take();
        const reader = new FieldReader(this.call((engine) => engine.run(frame)));
        if (reader.u32() < frame.length) throw new BitcaskError('BUSY', 'no file is ready to go on in: await ready()');
        const all: Answer[] = [];
        while (all.length < answers) all.push(checked(reader.answer()));
        return all;
    }
}

class WholeStore<V, K extends Key> extends StoreReader<V, K> implements SyncStore<V, K> {
    readonly name: string;
    #closed = false;

    constructor(name: string, base: Base<V, K>) {
        super(base, 0);
        this.name = name;
        void base.host.ended.then(() => (this.#closed = true));
    }

    get backend(): Backend {
        return this.base.host.opened.backend;
    }

    get durable(): boolean {
        return this.base.host.opened.durable;
    }

    get recovery(): RecoveryReport {
        return this.base.host.opened.recovery;
    }

    get closed(): boolean {
        return this.#closed;
    }

    set(key: K, value: V, options: SyncWriteOptions = {}): void {
        const { key: bytes, value: encoded, expiresAt = 0, durability = 0 } = putOf(this.base, key, value, options);
        this.#write((engine) => engine.put(bytes as Uint8Array, encoded as Uint8Array, expiresAt, durability));
    }

    delete(key: K, options: SyncWriteOptions = {}): boolean {
        const encoded = this.base.keys.encode(key);
        const durability = durabilityNumber(options.durability);
        return this.#write((engine) => engine.delete(encoded, durability));
    }

    setMany(entries: Iterable<readonly [K, V]>, options: SyncWriteOptions = {}): void {
        const operations: Operation[] = [];
        for (const [key, value] of entries) operations.push(putOf(this.base, key, value, options));
        this.#writeGroup(operations, options);
    }

    deleteMany(keys: Iterable<K>, options: SyncWriteOptions = {}): void {
        const operations: Operation[] = [];
        for (const key of keys) operations.push({ op: Op.delete, key: this.base.keys.encode(key) });
        this.#writeGroup(operations, options);
    }

    update(key: K, change: (value: V | undefined) => V | undefined, options: SyncWriteOptions = {}): V | undefined {
        const value = change(this.get(key));
        if (value === undefined) this.delete(key, options);
        else this.set(key, value, options);
        return value;
    }

    atomic(): SyncAtomic<V, K> {
        return new AtomicWrites(this.base, (operations, options) => this.#writeGroup(operations, options));
    }

    clear(range: Omit<Range<K>, 'reverse' | 'limit'> = {}, options: SyncWriteOptions = {}): number {
        const bounds = boundsBytes(this.base.keys.bounds(range), {}, 'keys');
        const durability = durabilityNumber(options.durability);
        for (let cleared = 0; ;) {
            const some = this.#write((engine) => engine.clear(bounds, CLEAR_STEP_KEYS, durability));
            if (some === 0) return cleared;
            cleared += some;
        }
    }

    snapshot(): SyncSnapshot<V, K> {
        return new StoreSnapshot(
            this.base,
            this.call((engine) => engine.snapshotOpen()),
        );
    }

    flush(): void {
        this.call((engine) => engine.sync());
    }

    async merge(): Promise<MergeReport> {
        const total = new MergeTotal();
        for (let first = true; ; first = false) {
            const { state, report } = await this.base.host.call('mergeStep', true, first);
            if (state === 'idle') return total;
            if (state === 'merged') total.add(report as MergeReport);
        }
    }

    verify(): VerifyReport {
        const id = this.call((engine) => engine.verifyOpen());
        for (;;) {
            const step = this.call((engine) => engine.verifyNext(id, VERIFY_STEP_BYTES)) as VerifyStep | VerifyReport;
            if ('problems' in step) return step;
        }
    }

    stats(): Stats {
        return this.call((engine) => engine.stats()) as Stats;
    }

    ready(): Promise<void> {
        return this.base.host.ready();
    }

    async close(): Promise<void> {
        this.#closed = true;
        await this.base.host.close();
    }

    #write<T>(work: (engine: Engine) => T): T {
        const result = this.call(work);
        this.base.host.wrote();
        return result;
    }

    #writeGroup(operations: Operation[], options: SyncWriteOptions): CommitResult {
        if (operations.length === 0) return { ok: true };
        const [answer] = this.run(grouped(operations, options.durability), 1);
        this.base.host.wrote();
        return resultOf(answer as Answer);
    }
}

class AtomicWrites<V, K extends Key> extends Collected<V, K> implements SyncAtomic<V, K> {
    #write: (operations: Operation[], options: SyncWriteOptions) => CommitResult;

    constructor(base: Base<V, K>, write: (operations: Operation[], options: SyncWriteOptions) => CommitResult) {
        super(base);
        this.#write = write;
    }

    commit(options: Omit<SyncWriteOptions, 'ttl'> = {}): CommitResult {
        return this.#write(this.take(), options);
    }
}

class StoreSnapshot<V, K extends Key> extends StoreReader<V, K> implements SyncSnapshot<V, K> {
    readonly version: bigint;

    constructor(base: Base<V, K>, id: number) {
        super(base, id);
        this.version = this.call((engine) => engine.snapshotSequence(id));
    }

    close(): void {
        this.call((engine) => engine.snapshotClose(this.at));
    }
}
