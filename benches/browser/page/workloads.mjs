/**
 * The workloads of the page: each takes a store, what it is to hold, and how many calls are made, and resolves to the
 * milliseconds they took. `undefined`: the store has no such call.
 */
import { keyOf } from './data.mjs';

/** Keys in a store. */
export const KEYS = 10_000;

export const WORKLOADS = {
    async setMany(store, expected, count) {
        const entries = Array.from({ length: count }, (_, number) => [keyOf(number), expected.value(number)]);
        return timed(() => setAll(store, entries));
    },

    async set(store, expected, count, random) {
        const entries = some(count, random).map((number) => [keyOf(number), expected.value(number)]);
        return timed(async () => {
            for (const [key, value] of entries) await store.set(key, value);
        });
    },

    async setAtOnce(store, expected, count, random) {
        const entries = some(count, random).map((number) => [keyOf(number), expected.value(number)]);
        return timed(() => Promise.all(entries.map(([key, value]) => store.set(key, value))));
    },

    async get(store, expected, count, random) {
        const numbers = some(count, random);
        const keys = numbers.map(keyOf);
        const values = [];
        const took = await timed(async () => {
            for (const key of keys) values.push(await store.get(key));
        });
        numbers.forEach((number, at) => expected.check(number, values[at]));
        return took;
    },

    async getAtOnce(store, expected, count, random) {
        const numbers = some(count, random);
        const keys = numbers.map(keyOf);
        let values;
        const took = await timed(async () => (values = await Promise.all(keys.map((key) => store.get(key)))));
        numbers.forEach((number, at) => expected.check(number, values[at]));
        return took;
    },

    async getMany(store, expected, count, random) {
        if (!store.getMany) return undefined;
        const numbers = some(count, random);
        const keys = numbers.map(keyOf);
        let values;
        const took = await timed(async () => (values = await store.getMany(keys)));
        numbers.forEach((number, at) => expected.check(number, values[at]));
        return took;
    },

    async scan(store, expected, count) {
        if (!store.scan) return undefined;
        let rows;
        const took = await timed(async () => (rows = await store.scan()));
        if (rows.length !== count) throw new Error(`a scan found ${rows.length} rows, not ${count}`);
        rows.forEach(([, value], number) => expected.check(number, value));
        return took;
    },

    async delete(store, expected, count, random) {
        if (!store.delete) return undefined;
        const numbers = some(count, random);
        const keys = numbers.map(keyOf);
        const took = await timed(async () => {
            for (const key of keys) await store.delete(key);
        });
        // They come back, for what is measured next.
        await setAll(
            store,
            numbers.map((number) => [keyOf(number), expected.value(number)]),
        );
        return took;
    },
};

/** Whoever has no call for it is asked for each, all at once. */
function setAll(store, entries) {
    return store.setMany ? store.setMany(entries) : Promise.all(entries.map(([key, value]) => store.set(key, value)));
}

async function timed(work) {
    const start = performance.now();
    await work();
    return performance.now() - start;
}

/** Different numbers of keys, in no order. */
function some(count, random) {
    const numbers = new Set();
    while (numbers.size < count) numbers.add(random(KEYS));
    return [...numbers];
}
