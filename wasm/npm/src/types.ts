/**
 * The public types: what a store is asked, and what it answers. No code.
 */

import type { BitcaskError } from './errors.js';

/** A key. Strings sort by code point, before numbers, before bytes, before arrays; arrays sort element by element. */
export type Key = string | number | Uint8Array | readonly Key[];

/**
 * When a write is acknowledged.
 *
 * - `none`: it is in the log's file. Survives the end of the tab, the worker and the browser, not of the machine.
 * - `interval`: as `none`, and synced within the store's `syncInterval`.
 * - `always`: it is synced, and survives a power cut.
 */
export type Durability = 'none' | 'interval' | 'always';

/** Where a store is kept. */
export type Backend = 'opfs' | 'indexeddb' | 'memory' | 'node';

/** Turns values into bytes and back. `decode(encode(value))` is the value; `decode` throws on bytes that are none. */
export interface ValueCodec<V> {
    /** The bytes of a value. */
    encode(value: V): Uint8Array;
    /** The value of bytes. */
    decode(bytes: Uint8Array): V;
}

/** Turns keys into bytes and back. Ranges follow the order of the bytes. */
export interface KeyCodec<K> {
    /** The bytes of a key: 1 to 65,535. */
    encode(key: K): Uint8Array;
    /** The key of bytes. */
    decode(bytes: Uint8Array): K;
}

/** How a store is opened. */
export interface OpenOptions<V = unknown, K = Key> {
    /**
     * How values become bytes. `clone` (the default) takes what `structuredClone` takes: Map, Set, Date, BigInt, typed
     * arrays, cycles. `json`, `utf8` and `bytes` are what other programs write.
     */
    values?: 'clone' | 'json' | 'utf8' | 'bytes' | ValueCodec<V>;
    /** How keys become bytes: any {@link Key} in an order-preserving encoding (the default), or raw strings or bytes. */
    keys?: 'any' | 'utf8' | 'bytes' | KeyCodec<K>;
    /** When a write is acknowledged, where the write does not say. Default `interval`. */
    durability?: Durability;
    /** Milliseconds after which a write with durability `interval` is synced at the latest. Default 1,000. */
    syncInterval?: number;
    /** Milliseconds after which a value expires, where the write does not say. Default: never. */
    ttl?: number;
    /**
     * Where the store may be kept: the first of these that works. Default `['opfs', 'indexeddb', 'memory']` in browsers,
     * `['node']` in Node. `['opfs']` refuses everything else with code `UNSUPPORTED`.
     */
    storage?: Backend | readonly Backend[];
    /** Milliseconds to wait for a store that another tab, worker or process has open, before `LOCKED`. Default 5,000. */
    lockTimeout?: number;
    /** `ordered` keeps keys in memory, in order (the default). `hash` takes 15 bytes a key, and sorts for each range. */
    index?: 'ordered' | 'hash';
    /**
     * Bytes of what was read or written lately that a page keeps beside the engine's own memory, so that `get` and `getMany` of it take
     * no message to the worker; 0 for none. What they give is what the store has, all the same. Default 8 MiB in a page; Node has no use for it.
     */
    cacheBytes?: number;
    /** Bytes of a segment of the log. Default 64 MiB; in browsers 16 MiB. */
    segmentBytes?: number;
    /** Whether a store is made where there is none. Default `true`; else the error is `NO_STORE`. */
    create?: boolean;
    /** Whether it is an error (`EXISTS`) that the store is there already. Default `false`. */
    errorIfExists?: boolean;
    /** Opens for reading only. Default `false`. */
    readOnly?: boolean;
    /** `salvage` opens a damaged store for reading, without what is lost. Default `strict`: damage is an error. */
    recovery?: 'strict' | 'salvage';
    /** Whether space is reclaimed between calls, without being asked. Default `true`. */
    autoMerge?: boolean;
    /** Asks the browser to keep this origin's storage when space is short. Default `false`. See {@link Store.persist}. */
    persist?: boolean;
    /** Ends the waiting for the store. */
    signal?: AbortSignal;
    /** Node: the folder that holds stores by name. Default `.mini-bitcask`. A name with a slash is a path by itself. */
    directory?: string;
    /** Node: `false` opens without the system's lock, for systems where there is none. Default `true`. */
    lock?: boolean;
    /** The worker's script or the worker itself, where the content security policy or the bundler wants it so. */
    worker?: string | URL | (() => Worker);
    /** The address of the `.wasm` file, or its bytes or module. Default: beside the worker. */
    wasm?: string | URL | BufferSource | WebAssembly.Module;
}

/** How one write is made. */
export interface WriteOptions {
    /** When it is acknowledged. Default: as the store was opened. */
    durability?: Durability;
    /** Milliseconds from now until the value expires. Default: the store's `ttl`. `Infinity`: never. */
    ttl?: number;
    /** Gives up waiting. What was sent already may have been written. */
    signal?: AbortSignal;
}

/** How one call is made that reads. */
export interface ReadOptions {
    /** Gives up waiting. */
    signal?: AbortSignal;
}

/** Keys between bounds. Without any: all. */
export interface Range<K = Key> {
    /** Greater than. */
    gt?: K;
    /** Greater than or equal. */
    gte?: K;
    /** Less than. */
    lt?: K;
    /** Less than or equal. */
    lte?: K;
    /** Strings that begin with this string, arrays that begin with these elements, bytes that begin with these. */
    prefix?: K;
    /** From the last to the first. */
    reverse?: boolean;
    /** At most this many. */
    limit?: number;
}

/** A range to walk through. */
export interface ScanOptions<K = Key> extends Range<K>, ReadOptions {}

/** A value and what else is known of it. */
export interface Entry<V, K = Key> {
    /** The key. */
    readonly key: K;
    /** The value. */
    readonly value: V;
    /** Rises with every write to the store: what {@link Atomic.check} compares. */
    readonly version: bigint;
    /** When the value expires, in milliseconds since 1970. */
    readonly expiresAt?: number;
}

/** A write, as {@link Store.watch} tells of it. */
export type Change<V, K = Key> =
    | {
          readonly type: 'set';
          readonly key: K;
          readonly value: V;
          readonly version: bigint;
          readonly expiresAt?: number;
      }
    | { readonly type: 'delete'; readonly key: K; readonly version: bigint }
    /**
     * Deletes of before may be missing in what follows, since merges drop them. A copy that is kept up to date starts anew:
     * it reads everything once, then goes on with `since: version`.
     */
    | { readonly type: 'reset'; readonly version: bigint };

/** What to watch. */
export interface WatchOptions<K = Key> extends Omit<Range<K>, 'reverse' | 'limit'> {
    /** Begin with what followed this version. Default: what follows the call. */
    since?: bigint;
    /** Ends the watching. */
    signal?: AbortSignal;
}

/** What a listener is told of one group of writes. */
export interface Changed<K = Key> {
    /** The keys that were set or deleted, each once. */
    readonly keys: readonly K[];
    /** The version of the last write. */
    readonly version: bigint;
}

/** Several writes that happen together or not at all. */
export interface Atomic<V, K = Key> {
    /** Only if the key's version is this one; `null`: only if the key is not there. */
    check(key: K, version: bigint | null): this;
    /** Sets a value. */
    set(key: K, value: V, options?: Pick<WriteOptions, 'ttl'>): this;
    /** Deletes a key. */
    delete(key: K): this;
    /** Writes it all. `ok: false`: a check failed, nothing was written. */
    commit(options?: Omit<WriteOptions, 'ttl'>): Promise<CommitResult>;
}

/** How {@link Atomic.commit} ended. */
export type CommitResult =
    | {
          readonly ok: true;
          /** The version of the keys that were set; missing where nothing had to be written. */
          readonly version?: bigint;
      }
    | { readonly ok: false };

/** A walk through a range: what `for await` takes. Its parts come while those before them are used. */
export interface Walk<T> extends AsyncIterableIterator<T, undefined> {
    /** All that is left of it in one array: several times as fast as one by one. */
    toArray(): Promise<T[]>;
}

/** Reads: of a store as it is now, or of a snapshot. */
export interface Reader<V, K = Key> {
    /** The value of a key; `undefined` where it is not there. */
    get(key: K, options?: ReadOptions): Promise<V | undefined>;
    /** The value of a key with its version. */
    getEntry(key: K, options?: ReadOptions): Promise<Entry<V, K> | undefined>;
    /** The values of many keys, in their order. */
    getMany(keys: Iterable<K>, options?: ReadOptions): Promise<(V | undefined)[]>;
    /** Whether a key is there. */
    has(key: K, options?: ReadOptions): Promise<boolean>;
    /** Keys with their values in the order of the keys, as of the first step: later writes do not show. */
    entries(options?: ScanOptions<K>): Walk<[K, V]>;
    /** Keys in their order. */
    keys(options?: ScanOptions<K>): Walk<K>;
    /** Values in the order of their keys. */
    values(options?: ScanOptions<K>): Walk<V>;
    /** How many keys are in a range. */
    count(range?: Range<K>): Promise<number>;
    /**
     * The bytes of a value, read from the log a part at a time. For values that were written as `bytes` or by
     * {@link Store.writeStream}. It is the value as it was when it was asked for. It is checked as a whole before its last part
     * comes: where it is damaged the stream ends in an error, and the parts before were not to be believed either.
     */
    readStream(key: K, options?: ReadOptions): Promise<ReadableStream<Uint8Array> | undefined>;
}

/** The store as it was at a moment. Holds back the freeing of space until it is closed. */
export interface Snapshot<V, K = Key> extends Reader<V, K> {
    /** The last write that shows. */
    readonly version: bigint;
    /** Lets it go. */
    close(): Promise<void>;
    /** As {@link Snapshot.close}. */
    [Symbol.asyncDispose](): Promise<void>;
}

/** An open store, or a part of one ({@link Store.sub}). */
export interface Store<V = unknown, K extends Key = Key> extends Reader<V, K> {
    /** As it was opened by. */
    readonly name: string;
    /** Where it is kept. */
    readonly backend: Backend;
    /**
     * Whether what is synced survives the end of this session: `false` in memory and in private windows, which the
     * browser throws away.
     */
    readonly durable: boolean;
    /** What opening found and did. */
    readonly recovery: RecoveryReport;

    /** Sets a value. Calls of one microtask are one write to the log. */
    set(key: K, value: V, options?: WriteOptions): Promise<void>;
    /** Deletes a key; says whether it was there. */
    delete(key: K, options?: WriteOptions): Promise<boolean>;
    /** Sets many values, all or none. */
    setMany(entries: Iterable<readonly [K, V]>, options?: WriteOptions): Promise<void>;
    /** Deletes many keys, all or none. */
    deleteMany(keys: Iterable<K>, options?: WriteOptions): Promise<void>;
    /**
     * Sets a value that depends on what is there: `change` is called again if another write comes between. What it returns
     * is set and returned; `undefined` deletes.
     */
    update(key: K, change: (value: V | undefined) => V | undefined, options?: WriteOptions): Promise<V | undefined>;
    /** Begins several writes that happen together or not at all. */
    atomic(): Atomic<V, K>;
    /** Deletes the keys of a range, a bounded part at a time; says how many. */
    clear(range?: Omit<Range<K>, 'reverse' | 'limit'>, options?: WriteOptions): Promise<number>;
    /** The store as it is now, for as long as needed. */
    snapshot(): Promise<Snapshot<V, K>>;
    /** Milliseconds until a key expires: `Infinity` for never, `undefined` where it is not there. */
    ttl(key: K): Promise<number | undefined>;
    /** Lets a key expire that many milliseconds from now (`Infinity`: never); says whether it was there. */
    expire(key: K, ttl: number, options?: Omit<WriteOptions, 'ttl'>): Promise<boolean>;
    /** Calls a listener after writes to the range. Returns what ends it. */
    subscribe(range: Omit<Range<K>, 'reverse' | 'limit'>, listener: (changed: Changed<K>) => void): () => void;
    /** Writes in their order, from a version on, without end. Of a key that was written again before it was told, the last write is certain to come, earlier ones not. */
    watch(options?: WatchOptions<K>): AsyncIterableIterator<Change<V, K>>;
    /** A stream of bytes to become one value, when it is closed. It takes as much memory as the value, once. */
    writeStream(key: K, options?: WriteOptions): WritableStream<Uint8Array>;
    /** The keys that begin with a prefix, as a store of their own. Strings and bytes: the keys behind the prefix. */
    sub<W = V>(prefix: string, options?: SubOptions<W>): Store<W, K>;

    /** The whole store as one checked stream, as of when it begins to be read. `bitcask import --store` reads it. */
    export(): ReadableStream<Uint8Array>;
    /** Sets everything that such a stream holds. Damage is an error; what came before it was set. */
    import(source: ReadableStream<Uint8Array> | Blob | Uint8Array, options?: ReadOptions): Promise<ImportReport>;

    /** Everything that was written before is durable when it is done. */
    flush(): Promise<void>;
    /** Reclaims space now, as far as it goes: also of what was written last. */
    merge(options?: MergeOptions): Promise<MergeReport>;
    /** Reads everything that there is when it is called, in steps between which other calls are answered, and says what is damaged. */
    verify(options?: ProgressOptions): Promise<VerifyReport>;
    /** Sizes and counts. */
    stats(): Promise<Stats>;
    /** Asks the browser to keep this origin's storage when space is short; says whether it will. */
    persist(): Promise<boolean>;
    /** Syncs, ends what is under way, and gives the store back. */
    close(): Promise<void>;
    /** As {@link Store.close}. */
    [Symbol.asyncDispose](): Promise<void>;
    /** Whether it takes no more calls. */
    readonly closed: boolean;
    /** Resolves when the store was closed, or lost: then with the reason. */
    readonly ended: Promise<BitcaskError | undefined>;
}

/** How a part of a store differs from the whole. */
export interface SubOptions<W> {
    /** How its values become bytes. Default: as the store's. */
    values?: 'clone' | 'json' | 'utf8' | 'bytes' | ValueCodec<W>;
}

/** How long work tells of itself. */
export interface ProgressOptions {
    /** Is told how far the work is, in bytes. */
    onProgress?: (done: number, total: number) => void;
    /** Ends it at the next good place. */
    signal?: AbortSignal;
}

/** How a merge is made. */
export interface MergeOptions extends ProgressOptions {
    /** Rewrites whatever has dead bytes, not only what is worth it. Default `true`. */
    full?: boolean;
}

/** What opening found and did. Bytes and counts. */
export interface RecoveryReport {
    /** Whether the store was made by this opening. */
    readonly created: boolean;
    readonly segments: number;
    readonly records: number;
    /** Bytes of a torn tail that were cut off, since they were never synced. */
    readonly bytesCut: number;
    /** What else is to be known, in sentences. */
    readonly notes: readonly string[];
    /** Milliseconds that opening took. */
    readonly took: number;
}

/** What a merge did. */
export interface MergeReport {
    readonly runs: number;
    readonly inputs: number;
    readonly outputs: number;
    readonly bytesRead: number;
    readonly bytesCopied: number;
    readonly bytesFreed: number;
}

/** What {@link Store.verify} found. */
export interface VerifyReport {
    readonly segments: number;
    readonly records: number;
    readonly bytes: number;
    /** Empty: all is sound. */
    readonly problems: readonly { readonly segment: number; readonly offset: number; readonly what: string }[];
}

/** What {@link Store.import} did. */
export interface ImportReport {
    readonly entries: number;
    readonly bytes: number;
}

/** How a segment of the log is. */
export interface SegmentStats {
    readonly id: number;
    /** `spare`: empty, takes the writes next. */
    readonly state: 'active' | 'spare' | 'rolled' | 'sealed' | 'merging' | 'retired' | 'quarantined';
    /** Bytes of the file that are used. */
    readonly bytes: number;
    readonly liveBytes: number;
    readonly deadBytes: number;
    readonly records: number;
}

/** How a store is. Counts are since it was opened. */
export interface Stats {
    readonly keys: number;
    readonly index: 'ordered' | 'hash';
    /** Bytes of memory that the keys take, about. */
    readonly keydirBytes: number;
    readonly version: bigint;
    readonly segments: readonly SegmentStats[];
    readonly totalBytes: number;
    readonly liveBytes: number;
    readonly deadBytes: number;
    readonly gets: number;
    readonly misses: number;
    readonly puts: number;
    readonly deletes: number;
    readonly syncs: number;
    readonly merges: number;
    readonly mergeBytesRead: number;
    readonly mergeBytesCopied: number;
    readonly mergeBytesFreed: number;
    /** Snapshots, scans included, that hold back the freeing of space. */
    readonly snapshots: number;
    /** Files that are open. */
    readonly handles: number;
}
