/**
 * The types of the synchronous API. No code.
 */

import type {
    Backend,
    CommitResult,
    Entry,
    Key,
    MergeReport,
    OpenOptions,
    Range,
    RecoveryReport,
    Stats,
    VerifyReport,
    WriteOptions,
} from './types.js';

/** How a synchronous store is opened: there is no worker to choose, and only a page can ask the browser to keep storage. */
export type SyncOpenOptions<V = unknown, K = Key> = Omit<OpenOptions<V, K>, 'worker' | 'persist'>;

/** How one synchronous write is made. */
export type SyncWriteOptions = Omit<WriteOptions, 'signal'>;

/** Reads that answer at once. */
export interface SyncReader<V, K = Key> {
    /** The value of a key; `undefined` where it is not there. */
    get(key: K): V | undefined;
    /** The value of a key with its version. */
    getEntry(key: K): Entry<V, K> | undefined;
    /** The values of many keys, in their order. */
    getMany(keys: Iterable<K>): (V | undefined)[];
    /** Whether a key is there. */
    has(key: K): boolean;
    /** Keys with their values in the order of the keys, as of the first step: later writes do not show. */
    entries(range?: Range<K>): IterableIterator<[K, V]>;
    /** Keys in their order. */
    keys(range?: Range<K>): IterableIterator<K>;
    /** Values in the order of their keys. */
    values(range?: Range<K>): IterableIterator<V>;
    /** How many keys are in a range. */
    count(range?: Range<K>): number;
}

/** The store as it was at a moment. Holds back the freeing of space until it is closed. */
export interface SyncSnapshot<V, K = Key> extends SyncReader<V, K> {
    /** The last write that shows. */
    readonly version: bigint;
    /** Lets it go. */
    close(): void;
}

/** Several writes that happen together or not at all. */
export interface SyncAtomic<V, K = Key> {
    /** Only if the key's version is this one; `null`: only if the key is not there. */
    check(key: K, version: bigint | null): this;
    /** Sets a value. */
    set(key: K, value: V, options?: Pick<WriteOptions, 'ttl'>): this;
    /** Deletes a key. */
    delete(key: K): this;
    /** Writes it all. `ok: false`: a check failed, nothing was written. */
    commit(options?: Omit<SyncWriteOptions, 'ttl'>): CommitResult;
}

/**
 * A store whose calls answer at once.
 *
 * Between the calls it has work to do that waits: opening files for what is written next, syncing, merging. So let the
 * worker come to rest now and then; after some ten megabytes without, a write may throw `BUSY`: await {@link SyncStore.ready}.
 */
export interface SyncStore<V = unknown, K extends Key = Key> extends SyncReader<V, K> {
    /** As it was opened by. */
    readonly name: string;
    /** Where it is kept. */
    readonly backend: Backend;
    /** Whether what is synced survives the end of this session. */
    readonly durable: boolean;
    /** What opening found and did. */
    readonly recovery: RecoveryReport;

    /** Sets a value. */
    set(key: K, value: V, options?: SyncWriteOptions): void;
    /** Deletes a key; says whether it was there. */
    delete(key: K, options?: SyncWriteOptions): boolean;
    /** Sets many values, all or none. */
    setMany(entries: Iterable<readonly [K, V]>, options?: SyncWriteOptions): void;
    /** Deletes many keys, all or none. */
    deleteMany(keys: Iterable<K>, options?: SyncWriteOptions): void;
    /** Sets a value that depends on what is there, and returns it; `undefined` deletes. */
    update(key: K, change: (value: V | undefined) => V | undefined, options?: SyncWriteOptions): V | undefined;
    /** Begins several writes that happen together or not at all. */
    atomic(): SyncAtomic<V, K>;
    /** Deletes the keys of a range; says how many. */
    clear(range?: Omit<Range<K>, 'reverse' | 'limit'>, options?: SyncWriteOptions): number;
    /** The store as it is now, for as long as needed. */
    snapshot(): SyncSnapshot<V, K>;
    /** Everything that was written before is durable when it returns. */
    flush(): void;
    /** Reclaims space now, as far as it goes, a step at a time. */
    merge(): Promise<MergeReport>;
    /** Reads everything and says what is damaged. */
    verify(): VerifyReport;
    /** Sizes and counts. */
    stats(): Stats;
    /**
     * Resolves when files for the next writes are ready and, on the backend `indexeddb`, when what was written is in it: what
     * waits cannot be waited for by a call that does not.
     */
    ready(): Promise<void>;
    /** Syncs, ends what is under way, and gives the store back. */
    close(): Promise<void>;
    /** Whether it takes no more calls. */
    readonly closed: boolean;
}
