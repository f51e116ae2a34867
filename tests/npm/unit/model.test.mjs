/**
 * Random lives of a store beside a plain map: every answer must be the map's. A failure prints the seed of its life:
 *
 *     MINI_BITCASK_SEED=123 node --test unit/model.test.mjs
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { open } from 'mini-bitcask';
import { open as openSync } from 'mini-bitcask/sync';

const SEED = Number(process.env.MINI_BITCASK_SEED ?? 1);
const LIVES = process.env.MINI_BITCASK_SEED ? 1 : Number(process.env.MINI_BITCASK_LIVES ?? 8);
const STEPS = 400;
const KEYS = 40;

let directory;
before(() => (directory = mkdtempSync(join(tmpdir(), 'mini-bitcask-model-'))));
after(() => rmSync(directory, { recursive: true, force: true }));

/** Small, fast and good enough: mulberry32 (Tommy Ettinger, public domain). */
function randomOf(seed) {
    let state = seed >>> 0;
    const next = () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), state | 1);
        t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    return { below: (n) => Math.floor(next() * n), chance: (p) => next() < p };
}

/** Numbers sort as they are, so that the map's order is easy to say. */
const sorted = (map, low, high) => [...map].filter(([key]) => low <= key && key < high).sort(([a], [b]) => a - b);

async function life(seed, openStore) {
    const random = randomOf(seed);
    const options = {
        directory,
        segmentBytes: [2_000, 20_000, 1_000_000][random.below(3)],
        index: random.chance(0.5) ? 'hash' : 'ordered',
        durability: ['none', 'interval', 'always'][random.below(3)],
        autoMerge: random.chance(0.7),
    };
    let store = await openStore(`life-${seed}`, options);
    const map = new Map();
    const key = () => random.below(KEYS);
    const value = () => ({ n: random.below(1e6), text: 'x'.repeat(random.below(random.chance(0.1) ? 5_000 : 60)) });
    let snapshot;
    const drop = async () => {
        await snapshot?.store.close();
        snapshot = undefined;
    };
    for (let step = 0; step < STEPS; step++) {
        const k = key();
        switch (random.below(16)) {
            case 0: case 1: case 2: case 3: {
                const v = value();
                await store.set(k, v);
                map.set(k, v);
                break;
            }
            case 4:
                assert.equal(await store.delete(k), map.delete(k));
                break;
            case 5: {
                const entries = Array.from({ length: random.below(20) }, () => [key(), value()]);
                await store.setMany(entries);
                for (const [k, v] of entries) map.set(k, v);
                break;
            }
            case 6: {
                const keys = Array.from({ length: random.below(10) }, key);
                await store.deleteMany(keys);
                for (const k of keys) map.delete(k);
                break;
            }
            case 7: {
                const v = value();
                assert.deepEqual(await store.update(k, (old) => (old ? undefined : v)), map.has(k) ? undefined : v);
                map.has(k) ? map.delete(k) : map.set(k, v);
                break;
            }
            case 8: {
                const expected = map.has(k) ? undefined : null;
                const version = expected ?? (await store.getEntry(k))?.version ?? null;
                const v = value();
                const right = random.chance(0.6);
                const atomic = store.atomic().check(k, right ? version : 1n).set(k, v).delete(k + 1);
                assert.equal((await atomic.commit()).ok, right);
                if (right) {
                    map.set(k, v);
                    map.delete(k + 1);
                }
                break;
            }
            case 9: case 10:
                assert.deepEqual(await store.get(k), map.get(k));
                assert.equal(await store.has(k), map.has(k));
                break;
            case 11: {
                const [low, high] = [key(), key()];
                const all = sorted(map, low, high);
                const walked = [];
                for await (const entry of store.entries({ gte: low, lt: high })) walked.push(entry);
                assert.deepEqual(walked, all);
                const reverse = [];
                for await (const entry of store.keys({ gte: low, lt: high, reverse: true, limit: 3 })) reverse.push(entry);
                assert.deepEqual(reverse, all.reverse().slice(0, 3).map(([key]) => key));
                break;
            }
            case 12:
                if (random.chance(0.2)) {
                    assert.equal(await store.clear({ gte: k, lt: k + 5 }), sorted(map, k, k + 5).length);
                    for (const [key] of sorted(map, k, k + 5)) map.delete(key);
                } else assert.equal(await store.count(), map.size);
                break;
            case 13:
                if (snapshot) {
                    assert.deepEqual(await snapshot.store.get(k), snapshot.map.get(k));
                    const keys = [];
                    for await (const key of snapshot.store.keys()) keys.push(key);
                    assert.deepEqual(keys, sorted(snapshot.map, 0, Infinity).map(([key]) => key));
                    if (random.chance(0.3)) await drop();
                } else snapshot = { store: await store.snapshot(), map: new Map(map) };
                break;
            case 14:
                if (random.chance(0.3)) await store.merge();
                if (random.chance(0.3)) await store.flush();
                break;
            default:
                if (random.chance(0.2)) {
                    await drop();
                    await store.close();
                    store = await openStore(`life-${seed}`, { ...options, index: random.chance(0.5) ? 'hash' : 'ordered' });
                }
        }
    }
    const all = [];
    for await (const entry of store.entries()) all.push(entry);
    assert.deepEqual(all, sorted(map, 0, Infinity));
    assert.deepEqual((await store.verify()).problems, []);
    await drop();
    await store.close();
}

for (const [name, openStore] of [['asynchronous', open], ['synchronous', openSync]]) {
    test(`${LIVES} lives, ${name}`, async () => {
        for (let seed = SEED; seed < SEED + LIVES; seed++) {
            try {
                await life(seed, openStore);
            } catch (error) {
                error.message = `MINI_BITCASK_SEED=${seed}: ${error.message}`;
                throw error;
            }
            rmSync(join(directory, `life-${seed}`), { recursive: true, force: true });
        }
    });
}
