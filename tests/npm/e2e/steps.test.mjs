/** The oracle of the crash tests, on a map: it must see what is wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEYS, stateAfter, stepsIn, take } from './steps.js';

const storeOf = (map) => ({
    async *entries() {
        yield* map;
    },
    get: async (key) => map.get(key),
    atomic() {
        const group = [];
        const self = {
            set: (key, value) => (group.push(() => map.set(key, value)), self),
            delete: (key) => (group.push(() => map.delete(key)), self),
            commit: async () => group.forEach((write) => write()),
        };
        return self;
    },
});

test('steps that were taken are the steps that are found', async () => {
    const map = new Map();
    for (let step = 1; step <= 3 * KEYS; step++) {
        await take(storeOf(map), 7, step);
        assert.equal(await stepsIn(storeOf(map), 7), step);
    }
    assert.equal(map.size, 1 + KEYS / 2);
});

test('a lost write, an old value, half a step and a deleted key are seen', async () => {
    const damages = [
        (map) => map.delete('key 100'.slice(0, 4) + (100 % KEYS)),
        (map) => map.set(`key ${100 % KEYS}`, new Uint8Array([9])),
        (map) => map.set('counter', 99),
        (map) => map.set(`key ${(100 + KEYS / 2) % KEYS}`, new Uint8Array()),
    ];
    for (const damage of damages) {
        const map = stateAfter(7, 100);
        assert.equal(await stepsIn(storeOf(map), 7), 100);
        damage(map);
        await assert.rejects(stepsIn(storeOf(map), 7), /after step/);
    }
});
