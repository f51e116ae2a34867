/**
 * IndexedDB as promises, as far as the folder in it needs it.
 */

import { BitcaskError } from '../errors.js';
import { DATABASE } from '../names.js';

/** Of the layout of the object stores. */
const VERSION = 1;

/** Object stores: the lengths of segments by their ids; their chunks by `[id, number]`; who writes. */
export const SEGMENTS = 'segments';
export const CHUNKS = 'chunks';
export const OWNER = 'owner';
export const ALL_STORES = [SEGMENTS, CHUNKS, OWNER];

/** What a request gives. */
export function answer<T>(request: IDBRequest<T>): Promise<T> {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
}

/** Ends with a transaction: when what it wrote is there, or with the reason why nothing of it is. */
export function completed(transaction: IDBTransaction): Promise<void> {
    return new Promise((resolve, reject) => {
        let reason: DOMException | null = null;
        transaction.oncomplete = () => resolve();
        // Some browsers tell the reason only here.
        transaction.onerror = (event) => (reason ??= (event.target as IDBRequest | null)?.error ?? null);
        transaction.onabort = () =>
            reject(transaction.error ?? reason ?? new DOMException('the transaction was aborted', 'AbortError'));
    });
}

/** Whether an error says that the connection, not the database, is what is broken. */
export function isLost(error: unknown): boolean {
    // Closing, force-closed, and what Safari says once its server process was ended.
    return ['InvalidStateError', 'AbortError', 'UnknownError'].includes((error as DOMException | null)?.name ?? '');
}

/** Opens the database of a store; says whether it was made. `NO_STORE`: there is none, and it was not to be made. */
export async function openDatabase(name: string, create: boolean): Promise<{ database: IDBDatabase; made: boolean }> {
    const factory = globalThis.indexedDB as IDBFactory | undefined;
    if (!factory) throw new BitcaskError('UNSUPPORTED', 'there is no IndexedDB here');
    for (let attempt = 1; ; attempt += 1) {
        let made = false;
        const request = factory.open(DATABASE + name, VERSION);
        request.onupgradeneeded = () => {
            made = true;
            if (create) for (const store of ALL_STORES) request.result.createObjectStore(store);
            // Then there is no database afterwards either.
            else request.transaction?.abort();
        };
        try {
            return { database: await answer(request), made };
        } catch (error) {
            if (made && !create) throw new BitcaskError('NO_STORE', `there is no store "${name}"`);
            // In some private windows it is there and cannot be opened.
            if ((error as Error).name === 'InvalidStateError')
                throw new BitcaskError('UNSUPPORTED', 'IndexedDB cannot be used here', { cause: error });
            // Safari needs a second try after it has ended its server process.
            if (attempt === 2 || !isLost(error)) throw BitcaskError.from(error);
        }
    }
}
