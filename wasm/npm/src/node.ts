/**
 * mini-bitcask in Node: the same stores, on files that the `bitcask` command reads and writes too.
 */

import { readdir } from 'node:fs/promises';
import { destroyNode } from './folder/node.js';
import { LOCK_TIMEOUT_MS } from './names.js';
import { openNodeHost, pathOf, PROGRAM } from './node-host.js';
import { storeOf } from './store.js';
import { syncStoreOf } from './sync-store.js';
import type { SyncStore } from './sync-types.js';
import type { Key, OpenOptions, Store } from './types.js';

export { BitcaskError, type ErrorCode } from './errors.js';
export { persist } from './persist.js';
export type * from './types.js';

/** @internal Whether the engine of a store is in the thread that opened it. */
export const inThread = true;

/** By this name a store has another with calls that answer at once, for the adapters that promise such calls. */
const SYNC = Symbol.for('mini-bitcask.sync');

/**
 * Opens a store, or makes it. `notes` is the folder `notes` in `options.directory`; a name with a slash is a path.
 *
 * @throws {@link BitcaskError}: `LOCKED` where another process has it open for longer than `lockTimeout`, `DAMAGED` where the
 * bytes are not what was written (nothing is changed then).
 */
export async function open<V = unknown, K extends Key = Key>(
    name: string,
    options: OpenOptions<V, K> = {},
): Promise<Store<V, K>> {
    const host = await openNodeHost(name, options);
    const store = storeOf(name, host, options);
    let sync: SyncStore<V, K> | undefined;
    Object.defineProperty(store, SYNC, { get: () => (sync ??= syncStoreOf(name, host, options)) });
    return store;
}

/** The names of the stores in a folder of stores, in their order. */
export async function list(options: Pick<OpenOptions, 'directory'> = {}): Promise<string[]> {
    const entries = await readdir(pathOf('', options), { withFileTypes: true }).catch(() => []);
    return entries
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort();
}

/**
 * Removes a store with all that is in it, for ever. A store that is not there is no error, and files that are no store's
 * stay where they are.
 *
 * @throws {@link BitcaskError} `LOCKED` where it is open.
 */
export async function destroy(
    name: string,
    options: Pick<OpenOptions, 'directory' | 'lockTimeout'> = {},
): Promise<void> {
    const { lockTimeout = LOCK_TIMEOUT_MS } = options;
    await destroyNode(pathOf(name, options), { lockTimeout, program: PROGRAM });
}
