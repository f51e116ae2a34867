/**
 * `mini-bitcask/keyv`: a store beneath Keyv.
 */

import type { OpenOptions, Store, WriteOptions } from '../index.js';
import { type Lazily, lazily } from './lazily.js';

/** How a {@link KeyvBitcask} opens its store, if it opens one. */
export type KeyvBitcaskOptions = Omit<OpenOptions<unknown, string>, 'keys' | 'ttl'>;

/** An entry of {@link KeyvBitcask.setMany}. */
export interface KeyvBitcaskEntry {
    key: string;
    value: unknown;
    /** Milliseconds from now until it expires. */
    ttl?: number | undefined;
}

/**
 * A storage adapter of Keyv 5, which Keyv 6 takes too: `new Keyv({ store: new KeyvBitcask('cache') })`.
 *
 * What expires is dropped by the store itself, and its space reclaimed.
 */
export class KeyvBitcask {
    /**
     * What Keyv knows of an adapter. It iterates over those only whose dialect it has heard of; which one makes no difference.
     */
    readonly opts: { dialect: 'sqlite'; url: string } & KeyvBitcaskOptions;
    /** Keyv's namespace: it prefixes keys by itself, and tells it here for {@link KeyvBitcask.clear}. */
    declare namespace?: string | undefined;
    readonly #store: Lazily<unknown, string>;

    /** The store that is open, or the name of one that is opened at the first call. */
    constructor(store: string | Store<unknown, string>, options: KeyvBitcaskOptions = {}) {
        this.opts = {
            ...options,
            dialect: 'sqlite',
            url: `bitcask://${typeof store === 'string' ? store : store.name}`,
        };
        this.#store = lazily(store, options as OpenOptions<unknown, string>);
    }

    /** The value of a key; `undefined` where it is not there. */
    async get(key: string): Promise<any> {
        return (await this.#store()).get(key);
    }

    /** The values of many keys, in their order. */
    async getMany(keys: string[]): Promise<any[]> {
        return (await this.#store()).getMany(keys);
    }

    /** Sets a value, to expire that many milliseconds from now. */
    async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
        await (await this.#store()).set(key, value, living(ttl));
        return true;
    }

    /** Sets many values, all or none. */
    async setMany(entries: KeyvBitcaskEntry[]): Promise<boolean[]> {
        const batch = (await this.#store()).atomic();
        for (const { key, value, ttl } of entries) batch.set(key, value, living(ttl));
        await batch.commit();
        return entries.map(() => true);
    }

    /** Deletes a key; says whether it was there. */
    async delete(key: string): Promise<boolean> {
        return (await this.#store()).delete(key);
    }

    /** Deletes many keys; says whether all were there. */
    async deleteMany(keys: string[]): Promise<boolean> {
        const store = await this.#store();
        const were = await Promise.all(keys.map((key) => store.delete(key)));
        return were.every(Boolean);
    }

    /** Whether a key is there. */
    async has(key: string): Promise<boolean> {
        return (await this.#store()).has(key);
    }

    /** Whether each of many keys is there, in their order. */
    async hasMany(keys: string[]): Promise<boolean[]> {
        const store = await this.#store();
        return Promise.all(keys.map((key) => store.has(key)));
    }

    /** Deletes the keys of the namespace; without one, all. */
    async clear(): Promise<void> {
        await (await this.#store()).clear(within(this.namespace));
    }

    /** Keys and values of a namespace, as of the call, in the order of the keys. */
    async *iterator(namespace: string | undefined = this.namespace): AsyncGenerator<[string, any], void> {
        yield* (await this.#store()).entries(within(namespace));
    }

    /** Closes the store, if it was opened here. */
    async disconnect(): Promise<void> {
        await this.#store.close();
    }

    /** For Keyv, which listens for errors of its adapters. There are none to hear: what fails rejects. */
    on(_event: string, _listener: (...args: any[]) => void): this {
        return this;
    }
}

/** The keys of a namespace, as Keyv makes them. */
function within(namespace: string | undefined): { prefix?: string } {
    return namespace ? { prefix: `${namespace}:` } : {};
}

/** What has expired already expires by Keyv's own note of when: here it may live. */
function living(ttl: number | undefined): Pick<WriteOptions, 'ttl'> {
    return ttl !== undefined && ttl > 0 ? { ttl } : {};
}
