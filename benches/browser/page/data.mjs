/** Keys and values, the same in every run: values of 100 characters that cannot be compressed. */

/** Bytes of a value. */
export const VALUE_BYTES = 100;

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-';

/** The key of a number: `key:00000042`. */
export function keyOf(number) {
    return `key:${String(number).padStart(8, '0')}`;
}

/** Numbers that look random, from a seed (xorshift32): below `limit`. */
export function randomNumbers(seed) {
    let state = seed;
    return (limit) => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) % limit;
    };
}

/** So many values as text. */
export function texts(count) {
    const random = randomNumbers(0x2545f491);
    return Array.from({ length: count }, () => {
        let text = '';
        while (text.length < VALUE_BYTES) text += ALPHABET[random(ALPHABET.length)];
        return text;
    });
}

/** What a store is to hold: every answer is compared with it, so that nobody is fast by being wrong. */
export class Expected {
    #values;
    #of = [];
    #next = 0;

    constructor(values) {
        this.#values = values;
    }

    /** Another value for a key, to be set now. */
    value(number) {
        return (this.#of[number] = this.#values[this.#next++ % this.#values.length]);
    }

    /** Throws unless this is the value of the key. */
    check(number, value) {
        if (value !== this.#of[number]) throw new Error(`${keyOf(number)} is ${value}, not ${this.#of[number]}`);
    }

    deleted(number) {
        this.#of[number] = undefined;
    }
}
