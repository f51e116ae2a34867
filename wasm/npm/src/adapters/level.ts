/**
 * `mini-bitcask/level`: a store as an `abstract-level` database, with all that comes with one: sublevels, encodings, hooks, events.
 */

import {
    type AbstractBatchOperation,
    type AbstractBatchOptions,
    type AbstractChainedBatch,
    type AbstractDatabaseOptions,
    type AbstractDelOptions,
    AbstractLevel,
    type AbstractOpenOptions,
    type AbstractPutOptions,
} from 'abstract-level';
import { BitcaskError, inThread, open, type OpenOptions, type Reader, type WriteOptions } from '../index.js';
import type { SyncOpenOptions } from '../sync.js';
import { type IteratorOptions, LevelIterator } from './level/iterator.js';
import { levelKeys, type LevelRange, rangeOf } from './level/range.js';
import { type BytesStore, type BytesSyncStore, LevelSnapshot, type Reading, syncOf } from './level/snapshot.js';

type Bytes = Uint8Array;

/** What `open` takes, and Level has no other word for. */
type StoreOptions = Omit<OpenOptions<Bytes, Bytes>, 'keys' | 'values' | 'create' | 'errorIfExists' | 'signal'>;

/** How a {@link BitcaskLevel} is made: what every Level takes, and what `open` takes. */
export interface BitcaskLevelOptions<K, V> extends AbstractDatabaseOptions<K, V>, StoreOptions {
    /**
     * The `open` of `mini-bitcask/sync`, for a dedicated worker: the engine is in it then, not in one of its own, and
     * `getSync()` works.
     */
    open?: (name: string, options: SyncOpenOptions<Bytes, Bytes>) => Promise<BytesSyncStore>;
}

/** How a {@link BitcaskLevel} is opened. */
export interface BitcaskLevelOpenOptions extends AbstractOpenOptions, StoreOptions {}

/** How one write is made. */
export interface BitcaskLevelWriteOptions extends Pick<WriteOptions, 'durability' | 'ttl'> {
    /** As `durability: 'always'`: what other Levels call it. */
    sync?: boolean | undefined;
}

/** The calls of a Level that take more options here. */
export interface BitcaskLevel<K, V> {
    /** Opens the store. Where that fails, the error's `cause` is the store's error, with its `code`. */
    open(options?: BitcaskLevelOpenOptions): Promise<void>;
    /** Adds an entry, or overwrites it. */
    put(key: K, value: V): Promise<void>;
    put<K1 = K, V1 = V>(
        key: K1,
        value: V1,
        options: AbstractPutOptions<K1, V1> & BitcaskLevelWriteOptions,
    ): Promise<void>;
    /** Deletes an entry. */
    del(key: K): Promise<void>;
    del<K1 = K>(key: K1, options: AbstractDelOptions<K1> & BitcaskLevelWriteOptions): Promise<void>;
    /** Many writes that happen together or not at all. */
    batch(operations: AbstractBatchOperation<this, K, V>[]): Promise<void>;
    batch<K1 = K, V1 = V>(
        operations: AbstractBatchOperation<this, K1, V1>[],
        options: AbstractBatchOptions<K1, V1> & BitcaskLevelWriteOptions,
    ): Promise<void>;
    batch(): AbstractChainedBatch<this, K, V>;
}

/**
 * A Level whose entries are in a store.
 *
 * Iterators read what was there when they were made; so do `snapshot()` and `clear()` with one. Batches are atomic. `getSync()` works
 * where the engine is in the same thread, which is in Node: `db.supports.getSync` says so.
 *
 * @typeParam K - The type of keys, where a call has no encoding of its own.
 * @typeParam V - The type of values, where a call has no encoding of its own.
 */
export class BitcaskLevel<K = string, V = string> extends AbstractLevel<Bytes, K, V> {
    /** The name of the store. */
    readonly location: string;
    readonly #open: typeof open;
    #store: BytesStore | undefined;

    /** Opens the store of that name: in the next microtask, so that calls can be made at once. */
    constructor(location: string, { open: openSync, ...options }: BitcaskLevelOptions<K, V> = {}) {
        super(
            {
                encodings: { view: true },
                has: true,
                explicitSnapshots: true,
                createIfMissing: true,
                errorIfExists: true,
                getSync: inThread || openSync !== undefined,
                signals: { iterators: true },
                // Its declaration does not know `getSync` yet.
            } as Partial<AbstractLevel<Bytes>['supports']>,
            options,
        );
        this.location = location;
        // To those who await, calls that answer at once are like those that do not.
        this.#open = (openSync as typeof open | undefined) ?? open;
    }

    /** The open store beneath, for what Level has no words for: `backend`, `stats()`, `merge()`. */
    get store(): BytesStore {
        if (!this.#store) throw new Error('the database is not open');
        return this.#store;
    }

    protected async _open({ createIfMissing, ...options }: BitcaskLevelOpenOptions): Promise<void> {
        const opening = this.#open<Bytes, Bytes>(this.location, {
            ...(options as StoreOptions),
            create: createIfMissing !== false,
            keys: levelKeys,
            values: 'bytes',
        });
        this.#store = await opening.catch((error: BitcaskError) => {
            // Those who expect one of these look for Level's words.
            const words = { NO_STORE: 'does not exist', EXISTS: 'exists already' }[error.code as string];
            throw words ? new BitcaskError(error.code, `${this.location} ${words}`, { cause: error }) : error;
        });
    }

    protected async _close(): Promise<void> {
        await this.#store?.close();
        this.#store = undefined;
    }

    protected async _get(key: Bytes, options: Reading): Promise<Bytes | undefined> {
        return this.#read(options, (reader) => reader.get(key));
    }

    protected _getSync(key: Bytes, { snapshot }: Reading): Bytes | undefined {
        return (snapshot ? snapshot.moment.now : syncOf(this.store))?.get(key);
    }

    protected async _getMany(keys: Bytes[], options: Reading): Promise<(Bytes | undefined)[]> {
        return this.#read(options, (reader) => reader.getMany(keys));
    }

    protected async _has(key: Bytes, options: Reading): Promise<boolean> {
        return this.#read(options, (reader) => reader.has(key));
    }

    protected async _hasMany(keys: Bytes[], options: Reading): Promise<boolean[]> {
        return this.#read(options, (reader) => Promise.all(keys.map((key) => reader.has(key))));
    }

    protected async _put(key: Bytes, value: Bytes, options: BitcaskLevelWriteOptions): Promise<void> {
        await this.#write(() => this.store.set(key, value, writing(options)));
    }

    protected async _del(key: Bytes, options: BitcaskLevelWriteOptions): Promise<void> {
        await this.#write(() => this.store.delete(key, writing(options)));
    }

    protected async _batch(operations: BatchOperation[], options: BitcaskLevelWriteOptions): Promise<void> {
        await this.#write(() => {
            const batch = this.store.atomic();
            for (const operation of operations) {
                if (operation.type === 'put') batch.set(operation.key, operation.value, writing(operation));
                else batch.delete(operation.key);
            }
            return batch.commit(writing(options));
        });
    }

    protected async _clear(options: LevelRange & Reading & BitcaskLevelWriteOptions): Promise<void> {
        const range = rangeOf(options);
        const how = writing(options);
        if (options.limit < 0 && !options.snapshot) return this.#write(() => this.store.clear(range, how));
        const keys: Bytes[] = [];
        const clear = () => this.#write(() => this.store.deleteMany(keys, how));
        await this.#read(options, async (reader) => {
            for await (const key of reader.keys(range)) {
                if (keys.push(key) < 1_000) continue;
                await clear();
                keys.length = 0;
            }
        });
        await clear();
    }

    protected _iterator(options: IteratorOptions): LevelIterator<this, K, V> {
        return new LevelIterator(this, this.store, options);
    }

    protected _snapshot(options: object): LevelSnapshot {
        return new LevelSnapshot(this.store, options);
    }

    /** Reads at once, so that no later write shows; or from a snapshot. */
    #read<T>({ snapshot }: Reading, read: (reader: Reader<Bytes, Bytes>) => Promise<T>): Promise<T> {
        return snapshot ? snapshot.moment.reader.then(read) : read(this.store);
    }

    /** Writes at once. In a worker of one's own there may be no file ready: then when there is one. */
    async #write(write: () => Promise<unknown>): Promise<void> {
        for (;;) {
            try {
                return void (await write());
            } catch (error) {
                const sync = syncOf(this.store);
                if (!sync || (error as { code?: string }).code !== 'BUSY') throw error;
                await sync.ready();
            }
        }
    }
}

/** An operation of a batch, encoded. */
interface BatchOperation extends BitcaskLevelWriteOptions {
    type: 'put' | 'del';
    key: Bytes;
    value: Bytes;
}

/** What is said of a write, for the store. */
function writing({ sync, durability, ttl }: BitcaskLevelWriteOptions): WriteOptions {
    const options: WriteOptions = {};
    if (sync ?? durability) options.durability = sync ? 'always' : durability!;
    if (ttl !== undefined) options.ttl = ttl;
    return options;
}
