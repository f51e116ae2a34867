/** The asynchronous store in Node, on files: keys and values, against what the API says. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { code, collect, fresh } from './stores.mjs';

describe('reading and writing', () => {
    test('what was set is there, until it is deleted', async () => {
        const store = await fresh();
        assert.equal(await store.get('a'), undefined);
        await store.set('a', { list: [1, 2n, new Date(3)], map: new Map([['x', new Set([1])]]) });
        assert.deepEqual(await store.get('a'), { list: [1, 2n, new Date(3)], map: new Map([['x', new Set([1])]]) });
        assert.equal(await store.has('a'), true);
        assert.equal(await store.delete('a'), true);
        assert.equal(await store.delete('a'), false);
        assert.equal(await store.has('a'), false);
        assert.equal(await store.get('a'), undefined);
        await store.close();
    });

    test('undefined is no value', async () => {
        const store = await fresh();
        await assert.rejects(store.set('a', undefined), code('INVALID_VALUE'));
        await assert.rejects(
            store.set('a', () => 1),
            code('INVALID_VALUE'),
        );
        await assert.rejects(store.set(NaN, 1), code('INVALID_KEY'));
        assert.equal(await store.count(), 0);
        await store.close();
    });

    test('many at once, all or none', async () => {
        const store = await fresh();
        await store.setMany([
            ['a', 1],
            ['b', 2],
            ['c', 3],
        ]);
        assert.deepEqual(await store.getMany(['c', 'x', 'a']), [3, undefined, 1]);
        await assert.rejects(
            store.setMany([
                ['d', 4],
                ['e', () => 1],
            ]),
            code('INVALID_VALUE'),
        );
        assert.equal(await store.has('d'), false);
        await store.deleteMany(['a', 'x', 'c']);
        assert.deepEqual(await collect(store.keys()), ['b']);
        await store.setMany([]);
        await store.deleteMany([]);
        await store.close();
    });

    test('no call overtakes what was called before it, awaited or not', async () => {
        const store = await fresh();
        const set = (key) => void store.set(key, key).catch(assert.fail);
        set('a');
        assert.equal(await store.count(), 1);
        set('b');
        const snapshot = await store.snapshot();
        assert.equal(await snapshot.get('b'), 'b');
        await snapshot.close();
        set('c');
        assert.deepEqual(await collect(store.keys()), ['a', 'b', 'c']);
        set('d');
        assert.equal(await store.clear(), 4);
        const [, version] = await Promise.all([store.set('e', 1), store.stats().then(({ version }) => version)]);
        assert.equal((await store.getEntry('e')).version, version);
        set('f');
        await store.close();
    });

    test('calls of one microtask are one write each after another', async () => {
        const store = await fresh();
        const results = await Promise.all([
            store.set('a', 1),
            store.get('a'),
            store.set('a', 2),
            store.get('a'),
            store.delete('a'),
            store.has('a'),
            store.delete('a'),
            store.set('a', 3),
        ]);
        assert.deepEqual(results, [undefined, 1, undefined, 2, true, false, false, undefined]);
        assert.equal(await store.get('a'), 3);
        await store.close();
    });

    test('a call that cannot be encoded does not disturb the others of its microtask', async () => {
        const store = await fresh();
        const [one, two, three] = await Promise.allSettled([
            store.set('a', 1),
            store.set('\ud800', 2),
            store.set('c', 3),
        ]);
        assert.equal(one.status, 'fulfilled');
        assert.equal(two.reason.code, 'INVALID_KEY');
        assert.equal(three.status, 'fulfilled');
        assert.deepEqual(await store.getMany(['a', 'c']), [1, 3]);
        await store.close();
    });

    test('values of every length around the limits of buffers', async () => {
        const store = await fresh({ values: 'bytes', segmentBytes: 300_000 });
        for (const len of [0, 1, 1000, 4095, 4096, 4097, 65_535, 65_536, 262_144, 1_000_000]) {
            const value = new Uint8Array(len).map((_, at) => at * 7);
            await store.set('k', value);
            assert.deepEqual(await store.get('k'), value, `${len} bytes`);
        }
        await store.close();
    });
});

describe('ranges', () => {
    test('bounds, order, limit, keys of all kinds', async () => {
        const store = await fresh();
        const keys = [
            '',
            'a',
            'a\0',
            'ab',
            'b',
            '\u{10000}',
            -Infinity,
            -1.5,
            0,
            2,
            10,
            new Uint8Array([]),
            new Uint8Array([1, 2]),
            [],
            ['a'],
            ['a', 1],
            ['b', ['c']],
        ];
        await Promise.all(
            keys.toReversed?.().map((key) => store.set(key, 1)) ?? [...keys].reverse().map((key) => store.set(key, 1)),
        );
        assert.deepEqual(await collect(store.keys()), keys);
        assert.deepEqual(await collect(store.keys({ reverse: true })), [...keys].reverse());
        assert.deepEqual(await collect(store.keys({ gte: 'a', lt: 'b' })), ['a', 'a\0', 'ab']);
        assert.deepEqual(await collect(store.keys({ gt: 'a', lte: 'b' })), ['a\0', 'ab', 'b']);
        assert.deepEqual(await collect(store.keys({ prefix: 'a' })), ['a', 'a\0', 'ab']);
        assert.deepEqual(await collect(store.keys({ prefix: ['a'] })), [['a'], ['a', 1]]);
        assert.deepEqual(await collect(store.keys({ gte: -1.5, limit: 3 })), [-1.5, 0, 2]);
        assert.deepEqual(await collect(store.keys({ lt: 10, reverse: true, limit: 2 })), [2, 0]);
        assert.deepEqual(await collect(store.keys({ limit: 0 })), []);
        assert.equal(await store.count({ prefix: 'a' }), 3);
        assert.equal(await store.count(), keys.length);
        assert.equal(await store.clear({ prefix: 'a' }), 3);
        assert.equal(await store.clear(), keys.length - 3);
        assert.deepEqual(await collect(store.entries()), []);
        assert.throws(() => store.keys({ gt: 'a', gte: 'b' }), code('INVALID'));
        assert.throws(() => store.keys({ limit: -1 }), code('INVALID'));
        await store.close();
    });

    test('a walk shows the store as it was at its call, whatever is written meanwhile', async () => {
        const store = await fresh();
        const wanted = Array.from({ length: 5_000 }, (_, n) => [n, `value ${n}`]);
        await store.setMany(wanted);
        const seen = [];
        for await (const entry of store.entries()) {
            if (seen.push(entry) === 50) {
                await store.clear({ gte: 100 });
                await store.set(200, 'new');
                await store.merge();
            }
        }
        assert.deepEqual(seen, wanted);
        assert.equal(await store.count(), 101);
        await store.close();
    });

    test('what is left of a walk comes as one array', async () => {
        const store = await fresh();
        const wanted = Array.from({ length: 5_000 }, (_, n) => [n, `value ${n}`]);
        await store.setMany(wanted);
        assert.deepEqual(await store.entries().toArray(), wanted);
        assert.deepEqual(await store.keys({ gte: 4_000, limit: 3 }).toArray(), [4_000, 4_001, 4_002]);
        assert.deepEqual(await store.values({ reverse: true, limit: 1 }).toArray(), ['value 4999']);
        assert.deepEqual(await store.keys({ gt: 5_000 }).toArray(), []);
        const walk = store.keys();
        // Whoever asks while it goes on gets nothing twice.
        const [first, rest, behind] = await Promise.all([walk.next(), walk.toArray(), walk.next()]);
        assert.deepEqual([first.value, ...rest], await collect(store.keys()));
        assert.deepEqual([behind, await walk.toArray()], [{ done: true, value: undefined }, []]);
        const signal = AbortSignal.abort(new Error('enough'));
        await assert.rejects(store.entries({ signal }).toArray(), /enough/);
        assert.equal((await store.stats()).snapshots, 0);
        await store.close();
    });

    test('who stops early holds nothing back', async () => {
        const store = await fresh();
        await store.setMany(Array.from({ length: 5_000 }, (_, n) => [n, n]));
        for await (const key of store.keys()) if (key === 3) break;
        for await (const key of store.keys()) if (key === 3_000) break;
        await store.get('whatever');
        assert.equal((await store.stats()).snapshots, 0);
        await store.close();
    });
});

describe('what depends on what is there', () => {
    test('many updates at a time lose none', async () => {
        const store = await fresh();
        await Promise.all(Array.from({ length: 50 }, () => store.update('n', (n = 0) => n + 1)));
        assert.equal(await store.get('n'), 50);
        assert.equal(await store.update('n', () => undefined), undefined);
        assert.equal(await store.has('n'), false);
        assert.equal(await store.update('n', () => undefined), undefined);
        await store.close();
    });

    test('atomic writes happen together or not at all', async () => {
        const store = await fresh();
        const made = await store.atomic().check('a', null).set('a', 1).set('b', 1).commit();
        assert.equal(made.ok, true);
        assert.equal(typeof made.version, 'bigint');
        assert.deepEqual(await store.atomic().check('a', null).set('a', 2).commit(), { ok: false });
        const { version } = await store.getEntry('a');
        assert.equal((await store.atomic().check('a', version).delete('b').set('a', 2).commit()).ok, true);
        assert.deepEqual(await store.atomic().check('a', version).set('b', 2).commit(), { ok: false });
        assert.deepEqual(await store.getMany(['a', 'b']), [2, undefined]);
        assert.deepEqual(await store.atomic().commit(), { ok: true });
        assert.equal((await store.atomic().check('x', null).commit()).ok, true);
        assert.equal((await store.atomic().check('a', null).commit()).ok, false);
        const once = store.atomic().set('z', 1);
        await once.commit();
        assert.throws(() => once.set('y', 1), code('INVALID'));
        await store.close();
    });

    test('versions rise', async () => {
        const store = await fresh();
        await store.set('a', 1);
        const one = (await store.getEntry('a')).version;
        await store.set('a', 1);
        assert.ok((await store.getEntry('a')).version > one);
        assert.equal(await store.getEntry('b'), undefined);
        await store.close();
    });
});

describe('expiry', () => {
    test('a value is gone when its time has come', async () => {
        const store = await fresh({ ttl: 3_600_000 });
        await store.set('hour', 1);
        await store.set('never', 1, { ttl: Infinity });
        await store.set('soon', 1, { ttl: 1 });
        assert.equal(await store.ttl('never'), Infinity);
        assert.ok((await store.ttl('hour')) > 3_590_000);
        while ((await store.get('soon')) !== undefined);
        assert.equal(await store.ttl('soon'), undefined);
        assert.equal(await store.has('soon'), false);
        assert.deepEqual(await collect(store.keys()), ['hour', 'never']);
        assert.equal(await store.expire('hour', Infinity), true);
        assert.equal(await store.ttl('hour'), Infinity);
        assert.equal(await store.get('hour'), 1);
        assert.equal(await store.expire('never', 50_000), true);
        assert.ok((await store.ttl('never')) <= 50_000);
        assert.equal(await store.expire('nobody', 50_000), false);
        await assert.rejects(store.set('a', 1, { ttl: 0 }), code('INVALID'));
        await assert.rejects(store.expire('never', NaN), code('INVALID'));
        await store.close();
    });
});

describe('snapshots', () => {
    test('show the store as it was', async () => {
        const store = await fresh();
        await store.setMany([
            ['a', 1],
            ['b', 2],
        ]);
        const snapshot = await store.snapshot();
        await store.set('a', 10);
        await store.delete('b');
        await store.set('c', 3);
        await store.merge();
        assert.deepEqual(await snapshot.getMany(['a', 'b', 'c']), [1, 2, undefined]);
        assert.equal(await snapshot.get('a'), 1);
        assert.equal(await snapshot.has('b'), true);
        assert.equal((await snapshot.getEntry('b')).value, 2);
        assert.deepEqual(await collect(snapshot.entries()), [
            ['a', 1],
            ['b', 2],
        ]);
        assert.equal(await snapshot.count(), 2);
        assert.deepEqual(await collect(store.entries()), [
            ['a', 10],
            ['c', 3],
        ]);
        await snapshot.close();
        await assert.rejects(snapshot.get('a'), code('INVALID'));
        await store.close();
    });
});

describe('parts of a store', () => {
    test('have their own keys and values', async () => {
        const store = await fresh();
        const users = store.sub('users/');
        const raw = users.sub('raw/', { values: 'bytes' });
        await store.set('other', 0);
        await users.setMany([
            ['ada', 1],
            [7, 2],
            [['x', 1], 3],
        ]);
        await raw.set('r', new Uint8Array([1, 2]));
        assert.equal(await store.get('users/ada'), 1);
        assert.deepEqual(await raw.get('r'), new Uint8Array([1, 2]));
        assert.deepEqual(await collect(raw.entries()), [['r', new Uint8Array([1, 2])]]);
        assert.equal(await users.count(), 4);
        assert.equal(await users.clear(), 4);
        assert.deepEqual(await collect(store.keys()), ['other']);
        await store.close();
        assert.equal(users.closed, true);
    });
});
