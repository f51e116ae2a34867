/**
 * mini-bitcask for those who have a dedicated worker of their own: calls that answer at once, without `await`.
 *
 * ```ts
 * import { open } from 'mini-bitcask/sync';
 *
 * const store = await open('notes');
 * store.set('hello', 'world');
 * console.log(store.get('hello'));
 * ```
 */

import init from '#wasm';
import { BitcaskError } from './errors.js';
import { openHost } from './ladder.js';
import { syncStoreOf } from './sync-store.js';
import type { SyncOpenOptions, SyncStore } from './sync-types.js';
import type { Key } from './types.js';

export { BitcaskError, type ErrorCode } from './errors.js';
export { destroy, list } from './places.js';
export type * from './sync-types.js';
export type * from './types.js';

/** Loaded once; who opens while it loads waits for it. */
let loaded: Promise<unknown> | undefined;

/**
 * Opens a store in this worker, or makes it. In a page there are no synchronous files, and so no place for a store but
 * memory.
 *
 * @throws {@link BitcaskError}, as `open` of `mini-bitcask` does.
 */
export async function open<V = unknown, K extends Key = Key>(
    name: string,
    options: SyncOpenOptions<V, K> = {},
): Promise<SyncStore<V, K>> {
    const { signal, wasm, values, keys, ttl, ...rest } = options;
    signal?.throwIfAborted();
    loaded ??= init({ module_or_path: wasm ?? new URL('./bitcask_bg.wasm', import.meta.url) }).catch(
        (error: unknown) => {
            loaded = undefined;
            throw new BitcaskError('UNSUPPORTED', 'the engine cannot be loaded', { cause: error });
        },
    );
    return syncStoreOf(name, await openHost(name, rest, loaded, signal), options);
}
