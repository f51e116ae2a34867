/**
 * mini-bitcask in a page or a worker: a durable key-value store in the Origin Private File System.
 *
 * ```ts
 * import { open } from 'mini-bitcask';
 *
 * const store = await open('notes');
 * await store.set('hello', { text: 'world', at: new Date() });
 * for await (const [key, value] of store.entries({ prefix: 'h' })) console.log(key, value);
 * await store.close();
 * ```
 *
 * Importing it does nothing: it is safe where pages are rendered on a server.
 */

import { BitcaskError } from './errors.js';
import { persist } from './persist.js';
import { spawn } from './spawn.js';
import type { Key, OpenOptions, Store } from './types.js';

export { BitcaskError, type ErrorCode } from './errors.js';
export { destroy, list } from './places.js';
export { persist };
export type * from './types.js';

/** Bytes of values that a page keeps, where it does not say. */
const CACHE_BYTES = 8 * 1024 * 1024;

/** @internal Whether the engine of a store is in the thread that opened it. */
export const inThread = false;

/**
 * Opens a store, or makes it. A name is 1 to 128 of the characters `a-z`, `0-9` and `-`.
 *
 * @throws {@link BitcaskError}: `LOCKED` where another tab has it open for longer than `lockTimeout`, `UNSUPPORTED` where
 * no storage works that the options allow, `DAMAGED` where the bytes are not what was written (nothing is changed then).
 */
export async function open<V = unknown, K extends Key = Key>(
    name: string,
    options: OpenOptions<V, K> = {},
): Promise<Store<V, K>> {
    const { signal, worker, wasm, values, keys, ttl, persist: asked, cacheBytes = CACHE_BYTES, ...rest } = options;
    signal?.throwIfAborted();
    if (typeof Worker === 'undefined') {
        throw new BitcaskError('UNSUPPORTED', 'there are no workers here: open the store in a browser, or in Node');
    }
    const message = {
        type: 'open' as const,
        name,
        options: rest,
        ...(wasm === undefined ? {} : { wasm: address(wasm) }),
    };
    const how = worker === undefined ? {} : { worker };
    const started = spawn(message, how);
    const again = () => spawn({ ...message, options: { ...rest, create: false, errorIfExists: false } }, how);
    // The store's methods load while the worker starts: a page that imports this pays for the door only.
    const opening = Promise.all([started, import('./page.js')]);
    try {
        const [running, page] = await (signal ? Promise.race([opening, aborted(signal)]) : opening);
        if (asked) await persist();
        return page.storeOf(name, new page.Remote(running, again), options, cacheBytes);
    } catch (error) {
        // Whoever gave up does not want the worker that comes later.
        started.then((late) => late.end()).catch(() => undefined);
        throw error;
    }
}

function aborted(signal: AbortSignal): Promise<never> {
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}

/** In a worker an address is relative to the worker. */
function address(wasm: NonNullable<OpenOptions['wasm']>): string | BufferSource | WebAssembly.Module {
    return typeof wasm === 'string' || wasm instanceof URL ? new URL(wasm, globalThis.location?.href).href : wasm;
}
