/**
 * Many keys at once: written, read back and compared, deleted. In groups, through the API as anybody has it, so that
 * the page goes on answering.
 */

import type { Durability } from 'mini-bitcask';
import type { Bytes } from './session.js';
import { bytesOf } from './text.js';

/** A group is at most so many keys… */
const GROUP_KEYS = 1_000;
/** …and about so many bytes: what a store writes in a few milliseconds. */
const GROUP_BYTES = 512 * 1024;

/** How far it is. */
export interface LoadProgress {
    readonly keys: number;
    readonly total: number;
    /** Bytes of keys and values. */
    readonly bytes: number;
    readonly ms: number;
}

/** How a load is watched and ended. */
export interface LoadOptions {
    readonly onProgress: (progress: LoadProgress) => void;
    readonly signal: AbortSignal;
}

/** How a load ended. */
export interface LoadResult extends LoadProgress {
    /** Whether it was ended before all was done. */
    readonly stopped: boolean;
}

/** What to write. */
export interface LoadPlan {
    readonly keys: number;
    readonly bytesEach: number;
    readonly durability: Durability;
}

/** Writes keys in groups; each is written as a whole, or not. */
export async function writeMany(store: Bytes, plan: LoadPlan, options: LoadOptions): Promise<LoadResult> {
    const meter = new Meter(plan.keys, options);
    let writing: Promise<void> = Promise.resolve();
    for (const numbers of groups(plan.keys, plan.bytesEach)) {
        // The next group is made while the store writes the last one.
        const entries = numbers.map((number) => [keyOf(number), valueOf(number, plan.bytesEach)] as const);
        await writing;
        if (meter.stopped) break;
        writing = store
            .setMany(entries, { durability: plan.durability })
            .then(() => meter.add(entries.length, entries.length * (KEY_BYTES + plan.bytesEach)));
    }
    await writing;
    return meter.result();
}

/** What was found when a load was read back. */
export interface CheckResult extends LoadResult {
    readonly missing: number;
    /** Values that are not what was written. */
    readonly wrong: number;
}

/** Reads keys of a load and compares the values with what was written. */
export async function checkMany(store: Bytes, plan: LoadPlan, options: LoadOptions): Promise<CheckResult> {
    const meter = new Meter(plan.keys, options);
    let missing = 0;
    let wrong = 0;
    for (const numbers of groups(plan.keys, plan.bytesEach)) {
        if (meter.stopped) break;
        const values = await store.getMany(numbers.map(keyOf));
        let bytes = 0;
        for (const [at, value] of values.entries()) {
            if (value === undefined) missing += 1;
            else if (!equal(value, valueOf(numbers[at] ?? 0, value.length))) wrong += 1;
            bytes += KEY_BYTES + (value?.length ?? 0);
        }
        meter.add(numbers.length, bytes);
    }
    return { ...meter.result(), missing, wrong };
}

/** Deletes every second key of a load. */
export async function deleteHalf(store: Bytes, plan: LoadPlan, options: LoadOptions): Promise<LoadResult> {
    const meter = new Meter(Math.ceil(plan.keys / 2), options);
    for (const numbers of groups(Math.ceil(plan.keys / 2), 0)) {
        if (meter.stopped) break;
        await store.deleteMany(
            numbers.map((number) => keyOf(2 * number)),
            { durability: plan.durability },
        );
        meter.add(numbers.length, numbers.length * KEY_BYTES);
    }
    return meter.result();
}

/** Counts, and tells. */
class Meter {
    readonly #total: number;
    readonly #options: LoadOptions;
    readonly #began = performance.now();
    #keys = 0;
    #bytes = 0;

    constructor(total: number, options: LoadOptions) {
        this.#total = total;
        this.#options = options;
    }

    get stopped(): boolean {
        return this.#options.signal.aborted;
    }

    add(keys: number, bytes: number): void {
        this.#keys += keys;
        this.#bytes += bytes;
        this.#options.onProgress(this.result());
    }

    result(): LoadResult {
        const ms = performance.now() - this.#began;
        const stopped = this.stopped && this.#keys < this.#total;
        return { keys: this.#keys, total: this.#total, bytes: this.#bytes, ms, stopped };
    }
}

/** The numbers from 0, in groups. */
function* groups(total: number, bytesEach: number): Generator<number[]> {
    const size = Math.max(1, Math.min(GROUP_KEYS, Math.floor(GROUP_BYTES / (bytesEach + KEY_BYTES))));
    for (let first = 0; first < total; first += size) {
        yield Array.from({ length: Math.min(size, total - first) }, (_, at) => first + at);
    }
}

/** In the order of their numbers. */
function keyOf(number: number): Uint8Array {
    return bytesOf(`load:${String(number).padStart(8, '0')}`);
}

const KEY_BYTES = 13;

/** A value that follows from its number and length alone, so that it can be checked later: its number, then letters. */
function valueOf(number: number, len: number): Uint8Array {
    const value = new Uint8Array(len);
    const letters = someLetters();
    const at = (number * 7_919) % letters.length;
    for (let filled = 0, from = at; filled < len; from = 0) {
        const part = letters.subarray(from, from + len - filled);
        value.set(part, filled);
        filled += part.length;
    }
    const name = bytesOf(`number ${number}: `);
    value.set(name.subarray(0, len));
    return value;
}

let letters: Uint8Array | undefined;

/** Enough that values differ; made once, by a generator that gives the same everywhere. */
function someLetters(): Uint8Array {
    if (letters) return letters;
    letters = new Uint8Array(65_521);
    let state = 0x9e3779b9;
    for (let at = 0; at < letters.length; at += 1) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        letters[at] = 97 + ((state >>> 8) % 26);
    }
    return letters;
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
    return left.length === right.length && left.every((byte, at) => byte === right[at]);
}
