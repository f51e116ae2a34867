/** The page of the tests that end writers at bad moments. */
import * as bitcask from 'mini-bitcask';
import * as steps from './steps.js';

/** Segments are small, so that rolls, seals and merges happen all the time. */
const OPTIONS = { storage: ['opfs'], segmentBytes: 256 * 1024, lockTimeout: 20_000, syncInterval: 100 };

/** Opens, checks, and says how many steps are there and whether they may be believed. */
async function inspect({ name, seed, options = {} }) {
    const store = await bitcask.open(name, { ...OPTIONS, ...options });
    try {
        const { problems } = await store.verify();
        if (problems.length > 0) throw new Error(`verify: ${JSON.stringify(problems)}`);
        const stats = await store.stats();
        return { steps: await steps.stepsIn(store, seed), bytesCut: store.recovery.bytesCut, merges: stats.merges };
    } finally {
        await store.close();
    }
}

/**
 * Takes steps for ever, a few at a time, and tells `acknowledge` the last one that was acknowledged with all before it.
 * `flush`: every so many steps the store is flushed, and only what was before counts as acknowledged.
 */
async function work({ name, seed, from, durability, flush, options = {} }, acknowledge) {
    const store = await bitcask.open(name, { ...OPTIONS, durability, ...options });
    const random = steps.randomFrom(seed + from);
    for (let step = from + 1; ;) {
        const many = 1 + (random() % 8);
        const taken = [];
        for (let i = 0; i < many; i++) taken.push(steps.take(store, seed, step++, durability));
        await Promise.all(taken);
        if (flush) await store.flush();
        acknowledge(step - 1);
    }
}

/** The same, telling the server: `/acknowledged?n`. What it heard, the page had heard from the store. */
function workAndTell(order) {
    let last = 0;
    let telling = false;
    return work(order, (step) => {
        last = step;
        if (telling) return;
        telling = true;
        const tell = async () => {
            const told = last;
            await fetch(`/acknowledged?steps=${told}`);
            if (last !== told) return tell();
            telling = false;
        };
        tell();
    });
}

Object.assign(globalThis, { bitcask, steps, inspect, work, workAndTell, OPTIONS, ready: true });
