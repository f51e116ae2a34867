/**
 * mini-bitcask in Node, with calls that answer at once.
 */

import { openNodeHost } from './node-host.js';
import { syncStoreOf } from './sync-store.js';
import type { SyncOpenOptions, SyncStore } from './sync-types.js';
import type { Key } from './types.js';

export { BitcaskError, type ErrorCode } from './errors.js';
export { destroy, list } from './node.js';
export type * from './sync-types.js';
export type * from './types.js';

/**
 * Opens a store in this process, or makes it.
 *
 * @throws {@link BitcaskError}, as `open` of `mini-bitcask` does.
 */
export async function open<V = unknown, K extends Key = Key>(
    name: string,
    options: SyncOpenOptions<V, K> = {},
): Promise<SyncStore<V, K>> {
    return syncStoreOf(name, await openNodeHost(name, options), options);
}
