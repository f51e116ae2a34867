/**
 * The copying, whatever it is from.
 */

import { keyOf } from '../adapters/idb-keys.js';
import { BitcaskError, type Key, type Store } from '../index.js';
import { same } from './same.js';

/** How something is copied into a store. */
export interface MigrateOptions<V, K extends Key> {
    /** Is told how many entries are done, of how many. */
    onProgress?: (done: number, total: number) => void;
    /** Ends it between two parts. What was copied stays, and the next call goes on. */
    signal?: AbortSignal;
    /** Whether an entry replaces one that the store has under the same key. Default `false`: the store's is newer, and stays. */
    overwrite?: boolean;
    /**
     * An entry that is set when all is copied and durable. Where its key is there, nothing is copied any more: so that a page
     * may call this each time it starts.
     */
    once?: readonly [key: K, value: V];
    /** Whether the entries are deleted where they came from, when all are copied, compared and durable. Default `false`. */
    removeSource?: boolean;
    /** The key in the store; `undefined` leaves the entry out. Default: the same key (a date becomes an array, binary a `Uint8Array`). */
    key?: (key: IDBValidKey) => K | undefined;
    /** The value in the store; `undefined` leaves the entry out. Default: the same value. */
    value?: (value: unknown, key: IDBValidKey) => V | undefined | Promise<V | undefined>;
}

/** What was copied. Counts of entries. */
export interface MigrateReport {
    /** Whether an earlier call had copied all, so that this one did nothing. */
    readonly already: boolean;
    /** Were found. */
    readonly found: number;
    /** Were written, and read back. */
    readonly copied: number;
    /** Were left as the store had them. */
    readonly kept: number;
    /** Were left out by `key` or `value`, or were `undefined`. */
    readonly leftOut: number;
}

/** What is copied from. */
export interface Source {
    count(): Promise<number>;
    /** All entries, some at a time. */
    pages(): AsyncIterable<[IDBValidKey, unknown][]>;
    /** Deletes all entries, if there are still that many. Says whether it did. */
    remove(count: number): Promise<boolean>;
    close(): void;
}

/** Entries that are one part. */
export const PAGE = 100;

/** Copies what a source has; without one, there is nothing to copy. */
export async function copy<V, K extends Key>(
    store: Store<V, K>,
    open: () => Promise<Source | undefined>,
    options: MigrateOptions<V, K>,
): Promise<MigrateReport> {
    const { once, removeSource, signal, onProgress } = options;
    const report = { already: false, found: 0, copied: 0, kept: 0, leftOut: 0 };
    if (removeSource && !store.durable)
        throw new BitcaskError('UNSUPPORTED', 'this store is not durable: what it was copied from is not removed');
    signal?.throwIfAborted();
    if (once && (await store.has(once[0]))) return { ...report, already: true };
    const source = await open();
    try {
        const total = (await source?.count()) ?? 0;
        for await (const page of source?.pages() ?? []) {
            signal?.throwIfAborted();
            const entries = await entriesOf(page, options);
            const copied = await write(store, entries, options.overwrite);
            report.found += page.length;
            report.copied += copied;
            report.kept += entries.length - copied;
            report.leftOut += page.length - entries.length;
            onProgress?.(report.found, total);
        }
        await store.flush();
        if (removeSource && source && !(await source.remove(report.found)))
            throw new BitcaskError(
                'INTERRUPTED',
                'something was written there meanwhile: nothing was removed, run this again',
            );
        if (once) await store.set(once[0], once[1], { durability: 'always' });
        return report;
    } finally {
        source?.close();
    }
}

async function entriesOf<V, K extends Key>(
    page: [IDBValidKey, unknown][],
    { key: toKey, value: toValue }: MigrateOptions<V, K>,
): Promise<[K, V][]> {
    const entries: [K, V][] = [];
    for (const [theirs, was] of page) {
        const key = toKey ? toKey(theirs) : (keyOf(theirs) as K);
        const value = toValue ? await toValue(was, theirs) : (was as V);
        if (key !== undefined && value !== undefined) entries.push([key, value]);
    }
    return entries;
}

/** Writes all entries that are not there, and reads them back. Says how many. */
async function write<V, K extends Key>(store: Store<V, K>, entries: [K, V][], overwrite = false): Promise<number> {
    for (;;) {
        const there = await Promise.all(entries.map(([key]) => !overwrite && store.has(key)));
        const missing = entries.filter((_, at) => !there[at]);
        const batch = store.atomic();
        for (const [key, value] of missing) (overwrite ? batch : batch.check(key, null)).set(key, value);
        // Somebody else may set one of them just now: then it is there.
        if (!(await batch.commit()).ok) continue;
        const values = await store.getMany(missing.map(([key]) => key));
        missing.forEach(([key, value], at) => {
            if (!same(value, values[at]))
                throw new BitcaskError(
                    'INVALID_VALUE',
                    `the value of ${String(key)} does not read back as it is: change it by \`value\``,
                );
        });
        return missing.length;
    }
}
