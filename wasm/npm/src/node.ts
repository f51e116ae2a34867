/**
 * mini-bitcask in Node: the same stores, on files that the `bitcask` command reads and writes too.
 */

import { readdir } from 'node:fs/promises';
import { destroyNode } from './folder/node.js';
import { openNodeHost, pathOf, PROGRAM } from './node-host.js';
import { storeOf } from './store.js';
import type { Key, OpenOptions, Store } from './types.js';

export { BitcaskError, type ErrorCode } from './errors.js';
export { persist } from './persist.js';
export type * from './types.js';

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
    return storeOf(name, await openNodeHost(name, options), options);
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
    const { lockTimeout = 5_000 } = options;
    await destroyNode(pathOf(name, options), { lockTimeout, program: PROGRAM });
}
