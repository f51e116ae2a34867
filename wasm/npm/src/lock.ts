/**
 * One opener of a store at a time, in all tabs and workers of an origin.
 */

import { BitcaskError } from './errors.js';
import { LOCK, LOCK_TIMEOUT_MS } from './names.js';

/**
 * Waits for the Web Lock of a store, and returns what gives it back. A page that holds one is not put into a cache with its
 * files open, nor frozen while others wait.
 */
export async function lockStore(name: string, timeout = LOCK_TIMEOUT_MS, signal?: AbortSignal): Promise<() => void> {
    const locks = globalThis.navigator?.locks;
    if (!locks) return () => undefined;
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(), timeout);
    const abort = (): void => waiting.abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
        return await new Promise<() => void>((resolve, reject) => {
            locks
                .request(LOCK + name, { signal: waiting.signal }, () => {
                    return new Promise<void>((release) => resolve(release));
                })
                .catch(reject);
        });
    } catch (error) {
        signal?.throwIfAborted();
        if (!waiting.signal.aborted) throw error;
        const text = `the store "${name}" is open in another tab or worker, which did not close it within ${timeout} ms`;
        throw new BitcaskError('LOCKED', text);
    } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
    }
}
