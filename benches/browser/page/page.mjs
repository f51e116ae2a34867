/** The page: `bench` is what the runner calls. */
import { Expected, randomNumbers, texts } from './data.mjs';
import { STORES } from './stores.mjs';
import { KEYS, WORKLOADS } from './workloads.mjs';

const values = texts(KEYS);
const random = randomNumbers(0x9e3779b9);
const opened = new Map();
let worker;

globalThis.bench = {
    /** Names, kinds and durabilities of the stores. */
    stores: Object.entries(STORES).map(([id, { name, kind, durability }]) => ({ id, name, kind, durability })),

    /** Opens a store and asks one key; resolves to the milliseconds. */
    async open({ id }) {
        const start = performance.now();
        const store = await STORES[id].open(`bench-${id.toLowerCase()}`);
        await store.get('key:00000000');
        const took = performance.now() - start;
        opened.set(id, { store, expected: new Expected(values) });
        return took;
    },

    /** Runs a workload; resolves to microseconds a call, or to null where the store has no such call. */
    async measure({ id, workload, count }) {
        const { store, expected } = opened.get(id);
        const took = await WORKLOADS[workload](store, expected, count, random);
        return took === undefined ? null : (took * 1000) / count;
    },

    /** Sets so many keys, some thousand at a time. */
    async fill({ id, count }) {
        const { store } = opened.get(id);
        for (let from = 0; from < count; from += KEYS) {
            await store.setMany(values.map((value, at) => [`key:${String(from + at).padStart(8, '0')}`, value]));
        }
    },

    async close({ id }) {
        await opened.get(id).store.close?.();
        opened.delete(id);
    },

    /** Starts what all stores need of the browser, so that the first one does not pay for it. */
    async warmUp() {
        await navigator.storage.getDirectory();
        await new Promise((resolve, reject) => {
            const opening = indexedDB.open('warm-up', 1);
            opening.onsuccess = () => resolve(opening.result.close());
            opening.onerror = () => reject(opening.error);
        });
        const address = URL.createObjectURL(new Blob(['postMessage(0)']));
        const idle = new Worker(address);
        await new Promise((resolve) => (idle.onmessage = resolve));
        idle.terminate();
    },

    /** Calls the worker of the worker's table: see `worker.mjs`. */
    async inWorker({ method, argument }) {
        worker ??= new Worker('/worker.js', { type: 'module' });
        return new Promise((resolve, reject) => {
            worker.onmessage = ({ data: { value, error } }) => (error ? reject(new Error(error)) : resolve(value));
            worker.onerror = (event) => reject(new Error(event.message));
            worker.postMessage({ method, argument });
        });
    },
};
globalThis.ready = true;
