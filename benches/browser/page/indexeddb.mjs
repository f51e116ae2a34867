/** IndexedDB without a library: in a page and in a worker. */

/** Opens a database; every call but `setMany`, `getMany` and `scan` is a transaction of its own. */
export async function indexedDbStore(name, durability) {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('store');
    const database = await result(opening);
    const reading = () => database.transaction('store', 'readonly').objectStore('store');
    const writing = (work) =>
        new Promise((resolve, reject) => {
            const transaction = database.transaction('store', 'readwrite', { durability });
            transaction.oncomplete = () => resolve();
            transaction.onabort = transaction.onerror = () => reject(transaction.error);
            work(transaction.objectStore('store'));
        });
    return {
        set: (key, value) => writing((store) => store.put(value, key)),
        setMany: (entries) => writing((store) => entries.forEach(([key, value]) => store.put(value, key))),
        get: (key) => result(reading().get(key)),
        getMany: (keys) => {
            const store = reading();
            return Promise.all(keys.map((key) => result(store.get(key))));
        },
        scan: async () => {
            const store = reading();
            const [keys, values] = await Promise.all([result(store.getAllKeys()), result(store.getAll())]);
            return keys.map((key, at) => [key, values[at]]);
        },
        delete: (key) => writing((store) => store.delete(key)),
        close: () => database.close(),
    };
}

function result(request) {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
}
