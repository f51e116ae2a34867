/** The worker of the worker's table. */
import { Expected, keyOf, randomNumbers, texts } from './data.mjs';
import { STORES, textOf } from './worker-stores.mjs';

const KEYS = 10_000;
const values = texts(KEYS);
const bytesOf = new Map(values.map((text) => [text, new TextEncoder().encode(text)]));
const random = randomNumbers(0x7f4a7c15);
const opened = new Map();

const METHODS = {
    stores: () => Object.entries(STORES).map(([id, { name, kind, durability }]) => ({ id, name, kind, durability })),

    /** Opens those whose id matches, and fills each with 10,000 keys. */
    async open(only) {
        for (const [id, { open }] of Object.entries(STORES)) {
            if (!new RegExp(only, 'i').test(id)) continue;
            const expected = new Expected(values);
            const store = await open(`worker-${id.toLowerCase()}`);
            for (let from = 0; from < KEYS; from += 1_000) {
                await store.putMany(
                    entries(
                        expected,
                        Array.from({ length: 1_000 }, (_, at) => from + at),
                    ),
                );
                await store.rest?.();
            }
            opened.set(id, { store, expected });
        }
    },

    /**
     * Measures one workload of all stores, which take turns in rounds of `count` calls (those that answer later: fewer);
     * resolves to the microseconds a call of each round.
     */
    async measure({ workload, count, rounds, turn }) {
        const samples = {};
        const ids = [...opened.keys()];
        for (let round = 0; round < rounds; round++) {
            for (let at = 0; at < ids.length; at++) {
                const id = ids[(at + round + turn) % ids.length];
                const { store, expected } = opened.get(id);
                const took = await WORKLOADS[workload](store, expected, /^indexedDb/.test(id) ? count / 5 : count);
                if (took !== undefined) (samples[id] ??= []).push(took * 1_000);
                await store.rest?.();
                // What a store does between calls is done before the next one's turn.
                await new Promise((resolve) => setTimeout(resolve, 0));
            }
        }
        return samples;
    },
};

/** Each resolves to milliseconds a call. */
const WORKLOADS = {
    put: (store, expected, count) => writes(store.put, entries(expected, some(count))),
    putFlushed: (store, expected, count) =>
        store.putFlushed && writes(store.putFlushed, entries(expected, some(count))),

    async putMany(store, expected) {
        const all = entries(expected, some(1_000));
        const start = performance.now();
        const written = store.putMany(all);
        if (written) await written;
        return (performance.now() - start) / all.length;
    },

    async get(store, expected, count) {
        const numbers = some(count);
        const keys = numbers.map(keyOf);
        const found = [];
        const start = performance.now();
        for (const key of keys) {
            const value = store.get(key);
            found.push(value instanceof Promise ? await value : value);
        }
        const took = performance.now() - start;
        numbers.forEach((number, at) => expected.check(number, textOf(found[at])));
        return took / count;
    },
};

async function writes(put, all) {
    const start = performance.now();
    for (const [key, value] of all) {
        const written = put(key, value);
        if (written) await written;
    }
    return (performance.now() - start) / all.length;
}

function entries(expected, numbers) {
    return numbers.map((number) => [keyOf(number), bytesOf.get(expected.value(number))]);
}

function some(count) {
    return Array.from({ length: count }, () => random(KEYS));
}

globalThis.onmessage = async ({ data: { method, argument } }) => {
    try {
        postMessage({ value: await METHODS[method](argument) });
    } catch (error) {
        postMessage({ error: `${error?.stack ?? error}` });
    }
};
