/** Migrations, in a page or in Node: each throws where something is not as it must be. */
import { PLAIN, VALUES } from './migrate.cases.js';
import { shown } from './idb-keyval.cases.js';

let stores = 0;

function same(told, expected, what) {
    const [left, right] = [shown(told), shown(expected)];
    if (left !== right) throw new Error(`${what}: ${left} instead of ${right}`);
}

async function refused(call, code, what) {
    const error = await call().then(
        () => undefined,
        (error) => error,
    );
    if (!error || (code && error.code !== code && error.name !== code))
        throw new Error(`${what}: ${error ?? 'no error'}`);
    return error;
}

/** `storage`: where stores are kept; `directory`: in Node. */
export function scenarios({ open, idb, localforage, adapter, migrate, directory }) {
    const fresh = (options) =>
        open(`migrated-${Date.now()}-${++stores}`, { ...(directory ? { directory } : {}), ...options });
    const listed = async (items) => {
        const all = [];
        for await (const item of items) all.push(item);
        return all;
    };

    return {
        async 'idb-keyval: all values and kinds of keys, and the adapter finds them'() {
            const keys = ['z', 1.5, new Date(9), Uint8Array.of(1, 2), ['a', 1, [new Date(3)]]];
            await idb.clear();
            await idb.setMany([...Object.entries(VALUES), ...keys.map((key, number) => [key, number])]);
            const store = await open('keyval-store--keyval', directory ? { directory } : {});
            await store.clear();
            const progress = [];
            const report = await migrate.fromIdbKeyval(store, {
                onProgress: (done, total) => progress.push(`${done}/${total}`),
            });
            const total = Object.keys(VALUES).length + keys.length;
            same(report, { already: false, found: total, copied: total, kept: 0, leftOut: 0 }, 'report');
            same(progress, [`${total}/${total}`], 'progress');
            for (const [key, value] of Object.entries(VALUES)) same(await store.get(key), value, key);
            // The adapter's own store, over the same one: as a page does that has changed its import.
            const over = async () => store;
            same(await adapter.entries(over), await idb.entries(), 'all by the adapter');
            same(await idb.get('text'), VALUES.text, 'what it was copied from');
            await store.close();
        },

        async 'idb-keyval: ended in the middle, gone on with, and newer values stay'() {
            const custom = idb.createStore(`many-${Date.now()}`, 'things');
            await idb.setMany(
                Array.from({ length: 1_050 }, (_, n) => [n, { n }]),
                custom,
            );
            const store = await fresh();
            await store.set(7, 'newer');
            const source = { databaseName: (await databaseOf(custom)).name, storeName: 'things' };
            const ending = new AbortController();
            const onProgress = (done) => done >= 300 && ending.abort();
            await refused(
                () => migrate.fromIdbKeyval(store, { ...source, onProgress, signal: ending.signal }),
                'AbortError',
                'ended',
            );
            same(await store.count(), 300, 'copied before the end');
            const once = ['migrated', true];
            const report = await migrate.fromIdbKeyval(store, { ...source, once });
            same(report, { already: false, found: 1_050, copied: 750, kept: 300, leftOut: 0 }, 'the rest');
            same(
                [await store.get(7), await store.get(8), await store.get('migrated')],
                ['newer', { n: 8 }, true],
                'values',
            );
            await store.delete(9);
            same((await migrate.fromIdbKeyval(store, { ...source, once })).already, true, 'once');
            same(await store.get(9), undefined, 'what was deleted since');
            const all = await migrate.fromIdbKeyval(store, { ...source, overwrite: true });
            same([all.copied, await store.get(7)], [1_050, { n: 7 }], 'overwritten');
            await store.close();
        },

        async 'idb-keyval: what cannot be kept is an error and the source stays; changed, it goes'() {
            const custom = idb.createStore(`odd-${Date.now()}`, 'things');
            const { name: databaseName } = await databaseOf(custom);
            const source = { databaseName, storeName: 'things', removeSource: true };
            await idb.setMany(
                [
                    ['a', 1],
                    ['blob', new Blob(['xyz'], { type: 'text/x' })],
                    ['left', 2],
                ],
                custom,
            );
            const store = await fresh();
            await refused(() => migrate.fromIdbKeyval(store, source), 'INVALID_VALUE', 'a blob');
            same(await idb.keys(custom), ['a', 'blob', 'left'], 'the source');
            const value = async (value) =>
                value instanceof Blob ? { type: value.type, bytes: new Uint8Array(await value.arrayBuffer()) } : value;
            const key = (key) => (key === 'left' ? undefined : ['old', key]);
            const report = await migrate.fromIdbKeyval(store, { ...source, key, value });
            same(report, { already: false, found: 3, copied: 2, kept: 0, leftOut: 1 }, 'report');
            const all = [
                [['old', 'a'], 1],
                [['old', 'blob'], { type: 'text/x', bytes: new TextEncoder().encode('xyz') }],
            ];
            same(await listed(store.entries()), all, 'entries');
            same(await idb.keys(custom), [], 'the source, removed');
            await store.close();
        },

        async 'nothing there, and nothing is made'() {
            const store = await fresh();
            const none = { already: false, found: 0, copied: 0, kept: 0, leftOut: 0 };
            const databaseName = `none-${Date.now()}`;
            same(await migrate.fromIdbKeyval(store, { databaseName }), none, 'no database');
            same(await migrate.fromLocalForage(store, { name: databaseName }), none, 'no database of localForage');
            const made = (await indexedDB.databases?.())?.some(({ name }) => name === databaseName) ?? false;
            same(made, false, 'a database was made');
            const custom = idb.createStore(`one-${Date.now()}`, 'things');
            await idb.set('a', 1, custom);
            same(
                await migrate.fromIdbKeyval(store, { databaseName: (await databaseOf(custom)).name }),
                none,
                'no such object store',
            );
            await store.close();
        },

        async 'a store that would be lost takes nothing away'() {
            const store = await fresh({ storage: 'memory' });
            await refused(() => migrate.fromIdbKeyval(store, { removeSource: true }), 'UNSUPPORTED', 'in memory');
            await store.close();
        },

        async 'values that the store changes are told of'() {
            const custom = idb.createStore(`json-${Date.now()}`, 'things');
            await idb.set('a', { at: new Date(5) }, custom);
            const store = await fresh({ values: 'json' });
            const source = { databaseName: (await databaseOf(custom)).name, storeName: 'things' };
            const error = await refused(() => migrate.fromIdbKeyval(store, source), 'INVALID_VALUE', 'a date in JSON');
            same(/ a /.test(error.message), true, error.message);
            await store.close();
        },

        async 'localForage in IndexedDB'() {
            const instance = localforage.createInstance({
                name: `forage-${Date.now()}`,
                storeName: 'things',
                driver: localforage.INDEXEDDB,
            });
            const { error, list, ...values } = VALUES;
            for (const [key, value] of Object.entries(values)) await instance.setItem(key, value);
            const store = await fresh();
            const { name } = instance.config();
            const report = await migrate.fromLocalForage(store, { name, storeName: 'things', removeSource: true });
            same(report.copied, Object.keys(values).length, 'copied');
            for (const [key, value] of Object.entries(values)) same(await store.get(key), value, key);
            same(await instance.length(), 0, 'the source, removed');
            await store.close();
        },

        async 'localForage in localStorage'() {
            const instance = localforage.createInstance({
                name: `forage-${Date.now()}`,
                storeName: 'things',
                driver: localforage.LOCALSTORAGE,
            });
            for (const [key, value] of Object.entries(PLAIN)) await instance.setItem(key, value);
            await instance.setItem('blob', new Blob(['xyz'], { type: 'text/x' }));
            const store = await fresh();
            const { name } = instance.config();
            const value = async (value) => (value instanceof Blob ? `${value.type}: ${await value.text()}` : value);
            const report = await migrate.fromLocalForage(store, { name, storeName: 'things', value });
            same(report.copied, Object.keys(PLAIN).length + 1, 'copied');
            for (const [key, value] of Object.entries(PLAIN)) same(await store.get(key), value, key);
            same(await store.get('blob'), 'text/x: xyz', 'blob');
            same(await instance.length(), report.copied, 'the source');
            await store.close();
        },

        async 'localStorage, by prefix'() {
            for (let n = 0; n < 250; n++) localStorage.setItem(`mine:${n}`, JSON.stringify({ n }));
            localStorage.setItem('theirs', 'x');
            const store = await fresh();
            const options = { prefix: 'mine:', value: (text) => JSON.parse(text), removeSource: true };
            same((await migrate.fromLocalStorage(store, options)).copied, 250, 'copied');
            same(await store.get('249'), { n: 249 }, 'value');
            same(
                Object.keys(localStorage).filter((name) => name.startsWith('mine:')),
                [],
                'removed',
            );
            same(localStorage.getItem('theirs'), 'x', 'another one');
            localStorage.removeItem('theirs');
            await store.close();
        },
    };
}

function databaseOf(custom) {
    return custom('readonly', (store) => store.transaction.db);
}
