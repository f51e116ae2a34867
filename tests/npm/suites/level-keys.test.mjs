/** What abstract-level's suite has not: keys that are empty or begin with zeros, in every kind of range; writes with options; files. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from 'mini-bitcask';
import { BitcaskLevel } from 'mini-bitcask/level';

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

test(`ranges, seeks and clears of keys with zeros, beside a sorted list (seed ${seed})`, async () => {
    const random = randomFrom(seed);
    const key = () => Buffer.from(Array.from({ length: random(4) }, () => [0, 0, 1, 255][random(4)]));
    const db = new BitcaskLevel(`keys-${seed}`, { storage: 'memory', keyEncoding: 'buffer' });
    let list = [];
    for (let round = 0; round < 300; round++) {
        const put = Array.from({ length: 8 }, key);
        await db.batch(put.map((key) => ({ type: 'put', key, value: 'x' })));
        list = [...new Map([...list, ...put].map((key) => [key.toString('hex'), key])).values()].sort(Buffer.compare);

        const bounds = {};
        for (const name of ['gt', 'gte', 'lt', 'lte']) if (random(3) === 0) bounds[name] = key();
        const reverse = random(2) === 0;
        const limit = random(3) === 0 ? random(4) : -1;
        const about = JSON.stringify({ round, bounds, reverse, limit });
        // Where there are two bounds on one side, Level looks at the including one only.
        const within = (each) =>
            (bounds.gte ? each.compare(bounds.gte) >= 0 : !bounds.gt || each.compare(bounds.gt) > 0) &&
            (bounds.lte ? each.compare(bounds.lte) <= 0 : !bounds.lt || each.compare(bounds.lt) < 0);
        const chosen = list.filter(within);
        if (reverse) chosen.reverse();
        const some = limit < 0 ? chosen : chosen.slice(0, limit);
        const hex = (keys) => keys.map((key) => key.toString('hex'));
        assert.deepEqual(hex(await db.keys({ ...bounds, reverse, limit }).all()), hex(some), about);

        const target = key();
        const iterator = db.keys({ ...bounds, reverse });
        iterator.seek(target);
        const behind = chosen.filter((each) => each.compare(target) * (reverse ? -1 : 1) >= 0);
        const sought = within(target) ? behind : [];
        assert.deepEqual(hex(await iterator.all()), hex(sought), `${about} from ${target.toString('hex')}`);

        if (random(4) === 0) {
            await db.clear({ ...bounds, reverse, limit });
            const gone = new Set(hex(some));
            list = list.filter((key) => !gone.has(key.toString('hex')));
            assert.deepEqual(hex(await db.keys().all()), hex(list), `cleared: ${about}`);
        }
        for (const key of put.slice(0, 2)) {
            const there = list.some((each) => each.equals(key));
            assert.equal(db.getSync(key) !== undefined, there);
            assert.equal(await db.has(key), there);
        }
    }
    await db.close();
});

test('durable and expiring writes, and files that any program reads', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bitcask-level-'));
    try {
        const db = new BitcaskLevel('notes', { directory, valueEncoding: 'json' });
        const syncs = async () => (await db.store.stats()).syncs;
        await db.put('a', { n: 1 }, { durability: 'none' });
        const before = await syncs();
        await db.put('b', 2, { sync: true });
        await db.del('a', { durability: 'always' });
        await db.batch([{ type: 'put', key: 'c', value: [3] }], { sync: true });
        assert.equal((await syncs()) - before, 3);
        await db.batch([
            { type: 'put', key: 'gone', value: 1, ttl: 1 },
            { type: 'put', key: 'kept', value: 1 },
        ]);
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert.deepEqual(await db.keys().all(), ['b', 'c', 'kept']);
        await assert.rejects(new BitcaskLevel('notes', { directory, lockTimeout: 0 }).open(), (error) => {
            return error.code === 'LEVEL_DATABASE_NOT_OPEN' && error.cause.code === 'LOCKED';
        });
        await db.close();

        const store = await open('notes', { directory, keys: 'utf8', values: 'json' });
        assert.deepEqual(await store.getMany(['b', 'c']), [2, [3]]);
        await store.close();
    } finally {
        rmSync(directory, { recursive: true });
    }
});

/** Whole numbers below a limit. */
function randomFrom(seed) {
    let state = seed;
    return (limit) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * limit);
    };
}
