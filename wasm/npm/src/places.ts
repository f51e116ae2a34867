/**
 * Stores by their names: which there are, and how one goes.
 */

import { BitcaskError } from './errors.js';
import { lockStore } from './lock.js';
import { DATABASE, FOLDER, LOCK_TIMEOUT_MS } from './names.js';

/** The names of the stores of this origin, in their order. */
export async function list(): Promise<string[]> {
    const names = new Set<string>();
    const folder = await folderOfStores();
    if (folder) for await (const name of folder.keys()) names.add(name);
    for (const { name } of (await globalThis.indexedDB?.databases?.().catch(() => [])) ?? []) {
        if (name?.startsWith(DATABASE)) names.add(name.slice(DATABASE.length));
    }
    return [...names].sort();
}

/**
 * Removes a store with all that is in it, for ever. A store that is not there is no error.
 *
 * @throws {@link BitcaskError} `LOCKED` where it is open.
 */
export async function destroy(
    name: string,
    { lockTimeout = LOCK_TIMEOUT_MS }: { lockTimeout?: number } = {},
): Promise<void> {
    const release = await lockStore(name, lockTimeout);
    try {
        const folder = await folderOfStores();
        // The files of a worker that has just ended may be held for a moment.
        for (let pause = 5; folder; pause *= 2) {
            try {
                await folder.removeEntry(name, { recursive: true });
                break;
            } catch (error) {
                if ((error as Error).name === 'NotFoundError') break;
                if (pause > LOCK_TIMEOUT_MS) throw BitcaskError.from(error);
                await new Promise((resolve) => setTimeout(resolve, pause));
            }
        }
        await deleteDatabase(DATABASE + name);
    } finally {
        release();
    }
}

/** `undefined` where there is none, or no such file system. */
async function folderOfStores(): Promise<FileSystemDirectoryHandle | undefined> {
    try {
        const root = await globalThis.navigator?.storage?.getDirectory?.();
        return await root?.getDirectoryHandle(FOLDER);
    } catch {
        return undefined;
    }
}

function deleteDatabase(name: string): Promise<void> {
    return new Promise((resolve, reject) => {
        if (!globalThis.indexedDB) return resolve();
        const request = indexedDB.deleteDatabase(name);
        request.onsuccess = () => resolve();
        request.onerror = () => reject(BitcaskError.from(request.error));
    });
}
