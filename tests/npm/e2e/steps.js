/**
 * Writes whose outcome can be told from what is left: step `n` sets the key `n % KEYS` and deletes another, and sets the
 * counter to `n`, all in one group. After any number of whole steps there is exactly one state that the store may be in.
 * It runs in pages and in Node.
 */

/** Keys in use. */
export const KEYS = 60;
const COUNTER = 'counter';

/** What a store holds after `n` steps, as a map from key to value. */
export function stateAfter(seed, n) {
    const state = new Map();
    for (let step = Math.max(1, n - 2 * KEYS); step <= n; step++) apply(state, seed, step);
    if (n > 0) state.set(COUNTER, n);
    return state;
}

function apply(state, seed, step) {
    state.set(keyOf(step), valueOf(seed, step));
    state.delete(deletedAt(step));
}

/** One step, as a group of writes. */
export async function take(store, seed, step, durability) {
    const group = store.atomic().set(keyOf(step), valueOf(seed, step)).delete(deletedAt(step)).set(COUNTER, step);
    await group.commit(durability === undefined ? {} : { durability });
}

/** The number of whole steps that a store shows, after a check that nothing of it differs. Throws where it does. */
export async function stepsIn(store, seed) {
    const found = new Map();
    for await (const [key, value] of store.entries()) found.set(key, value);
    const steps = found.get(COUNTER) ?? 0;
    const wanted = stateAfter(seed, steps);
    for (const [key, value] of wanted) {
        if (!same(found.get(key), value))
            throw new Error(`after step ${steps}, ${key} is ${brief(found.get(key))}, not ${brief(value)}`);
        // A walk and a read must not differ.
        if (!same(await store.get(key), value))
            throw new Error(`after step ${steps}, reading ${key} differs from the walk`);
    }
    for (const key of found.keys())
        if (!wanted.has(key)) throw new Error(`after step ${steps}, ${key} is there, and should not`);
    return steps;
}

function keyOf(step) {
    return `key ${step % KEYS}`;
}

/** Half a round ahead: every key is set, lives for a while, and is deleted before it is set again. */
function deletedAt(step) {
    return `key ${(step + KEYS / 2) % KEYS}`;
}

/** Up to 20 kB, some empty, all different. */
function valueOf(seed, step) {
    const random = randomFrom(seed * 1_000_003 + step);
    const len = [0, 10, 100, 1_000, 20_000][random() % 5];
    const bytes = new Uint8Array(len);
    for (let at = 0; at < len; at += 1) bytes[at] = at % 64 === 0 ? random() : bytes[at - 1] + 1;
    return bytes;
}

/** The same numbers everywhere (mulberry32). */
export function randomFrom(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = state;
        t = Math.imul(t ^ (t >>> 15), t | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return (t ^ (t >>> 14)) >>> 0;
    };
}

function same(a, b) {
    if (typeof a === 'number' || typeof b === 'number') return a === b;
    return a?.length === b?.length && a.every((byte, at) => byte === b[at]);
}

function brief(value) {
    return value === undefined
        ? 'not there'
        : typeof value === 'number'
          ? value
          : `${value.length} bytes ${value.slice(0, 4)}…`;
}
