/**
 * `mini-bitcask/unstorage`: a store beneath unstorage.
 */

import type { Driver } from 'unstorage';
import type { OpenOptions, Store, WriteOptions } from '../index.js';
import { lazily } from './lazily.js';

/** What the driver is made with, and how it opens its store, if it opens one. */
export interface BitcaskDriverOptions extends Omit<OpenOptions<unknown, string>, 'keys'> {
    /** The store that is open, or the name of one that is opened at the first call. Default `unstorage`. */
    store?: string | Store<unknown, string>;
    /** What is in front of the driver's keys in the store, so that several have their own: `notes` is `notes:`. */
    base?: string;
}

/** What is said of one write: a `ttl` is in seconds, as in other drivers. */
interface Transaction {
    ttl?: number;
}

/**
 * A driver: `createStorage({ driver: bitcaskDriver({ store: 'cache' }) })`.
 *
 * Beyond what drivers must do it tells `watch` of every write, by whom ever; reads and writes many items at once; keeps raw
 * values of any kind that `structuredClone` takes; and lets items expire (`ttl`, in seconds).
 */
export function bitcaskDriver({ store: source = 'unstorage', base = '', ...rest }: BitcaskDriverOptions = {}): Driver<
    BitcaskDriverOptions,
    Promise<Store<unknown, string>>
> {
    const store = lazily(source, rest as OpenOptions<unknown, string>);
    const root = base && `${base.replace(/:$/, '')}:`;
    const watches = new Set<AbortController>();

    const get = async (key: string): Promise<any> => (await store()).get(root + key).then((value) => value ?? null);
    const set = async (key: string, value: unknown, options?: Transaction): Promise<void> => {
        await (await store()).set(root + key, value, living(options));
    };

    return {
        name: 'mini-bitcask',
        flags: { maxDepth: true, ttl: true },
        options: { store: source, base, ...rest },
        getInstance: store,
        hasItem: async (key) => (await store()).has(root + key),
        getItem: get,
        getItemRaw: get,
        setItem: set,
        setItemRaw: set,
        getItems: async (items) => {
            const values = await (await store()).getMany(items.map(({ key }) => root + key));
            return items.map(({ key }, at) => ({ key, value: (values[at] ?? null) as null }));
        },
        setItems: async (items, options) => {
            const batch = (await store()).atomic();
            for (const { key, value, options: own } of items)
                batch.set(root + key, value, living({ ...options, ...own }));
            await batch.commit();
        },
        removeItem: async (key) => void (await (await store()).delete(root + key)),
        getMeta: async (key) => {
            const ttl = await (await store()).ttl(root + key);
            return ttl === undefined || ttl === Infinity ? {} : { ttl: ttl / 1_000 };
        },
        getKeys: async (base = '', { maxDepth = Infinity } = {}) => {
            const keys: string[] = [];
            for await (const key of (await store()).keys({ prefix: root + base })) {
                const own = key.slice(root.length);
                if (own.split(':').length <= maxDepth + 1) keys.push(own);
            }
            return keys;
        },
        clear: async (base = '') => void (await (await store()).clear({ prefix: root + base })),
        dispose: () => {
            for (const ending of watches) ending.abort();
            return store.close();
        },
        watch: async (tell) => {
            const ending = new AbortController();
            const changes = (await store()).watch({ prefix: root, signal: ending.signal });
            watches.add(ending);
            const telling = (async () => {
                for await (const change of changes) {
                    if (change.type === 'reset') continue;
                    tell(change.type === 'set' ? 'update' : 'remove', change.key.slice(root.length));
                }
            })();
            // It ends by the signal or with the store, and whoever calls the store next is told why.
            telling.catch(() => undefined).finally(() => watches.delete(ending));
            return () => ending.abort();
        },
    };
}

/** Frameworks that are told of a driver by the name of its module look for a default export. */
export { bitcaskDriver as default };

function living({ ttl }: Transaction = {}): Pick<WriteOptions, 'ttl'> {
    return ttl ? { ttl: ttl * 1_000 } : {};
}
