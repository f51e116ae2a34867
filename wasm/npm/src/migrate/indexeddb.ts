/**
 * What an object store of IndexedDB holds.
 */

import { PAGE, type Source } from './copy.js';

/** The entries of an object store; `undefined` where there is none. Nothing is made. */
export async function objectStore(databaseName: string, storeName: string): Promise<Source | undefined> {
    const database = await openExisting(databaseName);
    if (!database?.objectStoreNames.contains(storeName)) return void database?.close();
    const objects = (mode?: IDBTransactionMode) => database.transaction(storeName, mode).objectStore(storeName);
    return {
        count: () => done(objects().count()),
        async *pages() {
            for (let last: IDBValidKey | undefined; ;) {
                const range = last === undefined ? null : IDBKeyRange.lowerBound(last, true);
                const store = objects();
                const [keys, values] = await Promise.all([
                    done(store.getAllKeys(range, PAGE)),
                    done(store.getAll(range, PAGE)),
                ]);
                if (keys.length === 0) return;
                last = keys.at(-1);
                yield keys.map((key, at) => [key, values[at]]);
            }
        },
        async remove(count) {
            // One transaction: nothing is written between the counting and the clearing.
            const store = objects('readwrite');
            if ((await done(store.count())) !== count) return false;
            await done(store.clear());
            return true;
        },
        close: () => database.close(),
    };
}

/** Opens a database that is there: to make one is not allowed to end well. */
async function openExisting(name: string): Promise<IDBDatabase | undefined> {
    if (typeof indexedDB === 'undefined') return undefined;
    const request = indexedDB.open(name);
    let missing = false;
    request.onupgradeneeded = () => {
        missing = true;
        request.transaction?.abort();
    };
    try {
        return await done(request);
    } catch (error) {
        if (missing) return undefined;
        throw error;
    }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
}
