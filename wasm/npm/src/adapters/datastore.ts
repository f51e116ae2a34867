/**
 * `mini-bitcask/datastore`: a store as an `interface-datastore`, for libp2p and IPFS.
 */

import { type Batch, type Datastore, Key, type KeyQuery, type Pair, type Query } from 'interface-datastore';
import type { OpenOptions, Store, WriteOptions } from '../index.js';
import { lazily } from './lazily.js';

type Bytes = Uint8Array;

/** How a {@link BitcaskDatastore} opens its store, if it opens one. */
export type BitcaskDatastoreOptions = Omit<OpenOptions<Bytes, Bytes>, 'keys' | 'values'>;

/** How one call is made. */
interface Call {
    signal?: AbortSignal;
}

/** How one write is made. */
export interface BitcaskDatastoreWriteOptions extends Pick<WriteOptions, 'durability' | 'ttl'> {}

/** How many pairs of a stream are one message to the store. */
const TOGETHER = 100;

/** A datastore. Batches are atomic; queries see what was there when they began. */
export class BitcaskDatastore implements Datastore<
    object,
    BitcaskDatastoreWriteOptions,
    BitcaskDatastoreWriteOptions,
    object,
    object,
    BitcaskDatastoreWriteOptions,
    BitcaskDatastoreWriteOptions,
    object,
    object,
    BitcaskDatastoreWriteOptions
> {
    readonly #store;

    /** The store that is open, with `keys: 'bytes'` and `values: 'bytes'`; or the name of one that is opened at the first call. */
    constructor(store: string | Store<Bytes, Bytes>, options: BitcaskDatastoreOptions = {}) {
        this.#store = lazily<Bytes, Bytes>(store, { ...options, keys: 'bytes', values: 'bytes' });
    }

    /** Opens the store now rather than at the first call. */
    async open(): Promise<void> {
        await this.#store();
    }

    /** Closes the store, if it was opened here. */
    async close(): Promise<void> {
        await this.#store.close();
    }

    async has(key: Key, options?: Call): Promise<boolean> {
        return (await this.#store()).has(key.uint8Array(), options);
    }

    async put(key: Key, value: Bytes, options?: Call & BitcaskDatastoreWriteOptions): Promise<Key> {
        await (await this.#store()).set(key.uint8Array(), value, options);
        return key;
    }

    /** @throws an error with the name `NotFoundError` where there is none. */
    async get(key: Key, options?: Call): Promise<Bytes> {
        return found(await (await this.#store()).get(key.uint8Array(), options), key);
    }

    async delete(key: Key, options?: Call & BitcaskDatastoreWriteOptions): Promise<void> {
        await (await this.#store()).delete(key.uint8Array(), options);
    }

    async *putMany(pairs: Source<Pair>, options?: Call & BitcaskDatastoreWriteOptions): AsyncGenerator<Key> {
        const store = await this.#store();
        for await (const some of together(pairs)) {
            await store.setMany(
                some.map(({ key, value }) => [key.uint8Array(), value] as const),
                options,
            );
            for (const { key } of some) yield key;
        }
    }

    async *getMany(keys: Source<Key>, options?: Call): AsyncGenerator<Pair> {
        const store = await this.#store();
        for await (const some of together(keys)) {
            const values = await store.getMany(some.map(bytesOf), options);
            for (const [at, key] of some.entries()) yield { key, value: found(values[at], key) };
        }
    }

    async *deleteMany(keys: Source<Key>, options?: Call & BitcaskDatastoreWriteOptions): AsyncGenerator<Key> {
        const store = await this.#store();
        for await (const some of together(keys)) {
            await store.deleteMany(some.map(bytesOf), options);
            yield* some;
        }
    }

    batch(): Batch<BitcaskDatastoreWriteOptions> {
        let writes: [Bytes, Bytes?][] = [];
        return {
            put: (key, value) => void writes.push([key.uint8Array(), value]),
            delete: (key) => void writes.push([key.uint8Array()]),
            commit: async (options) => {
                const atomic = (await this.#store()).atomic();
                for (const [key, value] of writes) value ? atomic.set(key, value, options) : atomic.delete(key);
                await atomic.commit(options);
                writes = [];
            },
        };
    }

    query(query: Query, options?: Call): AsyncGenerator<Pair> {
        return this.#query(query, options, async function* (store, scan) {
            for await (const [key, value] of store.entries(scan)) yield { key: new Key(key, false), value };
        });
    }

    queryKeys(query: KeyQuery, options?: Call): AsyncGenerator<Key> {
        return this.#query(query, options, async function* (store, scan) {
            for await (const key of store.keys(scan)) yield new Key(key, false);
        });
    }

    async *#query<T>(
        { prefix, filters = [], orders = [], offset = 0, limit = Infinity }: Asked<T>,
        { signal }: Call = {},
        walk: (
            store: Store<Bytes, Bytes>,
            scan: { prefix?: Bytes; limit?: number; signal?: AbortSignal },
        ) => AsyncIterable<T>,
    ): AsyncGenerator<T> {
        // Without filters and orders the store's own limit does.
        const scan = filters.length + orders.length === 0 ? { limit: offset + limit } : {};
        const items = walk(await this.#store(), {
            ...scan,
            ...(prefix ? { prefix: new TextEncoder().encode(prefix) } : {}),
            ...(signal ? { signal } : {}),
        });
        let chosen: AsyncIterable<T> | Iterable<T> = items;
        if (orders.length > 0) {
            const all: T[] = [];
            for await (const item of items) all.push(item);
            chosen = orders.reduce((sorted, order) => sorted.sort(order), all);
        }
        let at = 0;
        for await (const item of chosen) {
            if (at >= offset + limit) return;
            if (filters.every((filter) => filter(item)) && at++ >= offset) yield item;
        }
    }
}

type Source<T> = Iterable<T> | AsyncIterable<T>;

/** {@link Query} or {@link KeyQuery}. */
interface Asked<T> {
    prefix?: string;
    filters?: ((item: T) => boolean)[];
    orders?: ((one: T, other: T) => -1 | 0 | 1)[];
    offset?: number;
    limit?: number;
}

const bytesOf = (key: Key): Bytes => key.uint8Array();

/** Several items at a time of what is there already; those that are yet to come one by one. */
async function* together<T>(source: Source<T>): AsyncGenerator<T[]> {
    if (Symbol.asyncIterator in source) {
        for await (const item of source) yield [item];
        return;
    }
    let some: T[] = [];
    for (const item of source) {
        if (some.push(item) < TOGETHER) continue;
        yield some;
        some = [];
    }
    if (some.length > 0) yield some;
}

function found(value: Bytes | undefined, key: Key): Bytes {
    if (value) return value;
    throw Object.assign(new Error(`there is no ${key.toString()}`), { name: 'NotFoundError', code: 'ERR_NOT_FOUND' });
}
