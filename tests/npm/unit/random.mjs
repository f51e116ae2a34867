/**
 * Random things from a seed. A test that fails says its seed: `SEED=… node --test …` runs it again.
 */

/** The seed of this run. Fixed unless asked for, so that a run is the same everywhere. */
export const SEED = Number(process.env.SEED ?? 20261122);

/** How many times as long a run is as usual. */
export const TIMES = Number(process.env.TIMES ?? 1);

/** A source of randomness. */
export function random(seed) {
    let state = seed >>> 0;
    // mulberry32
    const next = () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
    const below = (count) => Math.floor(next() * count);
    const pick = (items) => items[below(items.length)];
    const bytes = (count) =>
        Uint8Array.from({ length: count }, () =>
            below(3) ? below(256) : pick([0, 1, 2, 3, 4, 0x7f, 0x80, 0xf8, 0xf9, 0xfa, 0xfe, 0xff]),
        );
    return { next, below, pick, bytes, chance: (part) => next() < part };
}

/** Runs a property for many seeds; a failure says which. */
export function forSeeds(count, property) {
    for (let index = 0; index < count * TIMES; index += 1) {
        const seed = SEED + index;
        try {
            property(random(seed), seed);
        } catch (error) {
            error.message += `\n(SEED=${seed})`;
            throw error;
        }
    }
}

/** As {@link forSeeds}, for properties that wait. */
export async function forSeedsInTurn(count, property) {
    for (let index = 0; index < count * TIMES; index += 1) {
        const seed = SEED + index;
        try {
            await property(random(seed), seed);
        } catch (error) {
            error.message += `\n(SEED=${seed})`;
            throw error;
        }
    }
}
