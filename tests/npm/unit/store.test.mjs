/** The asynchronous store in Node, on files: every call of the API, against what it says. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BitcaskError, destroy, list, open } from 'mini-bitcask';

let directory;
let count = 0;
before(() => (directory = mkdtempSync(join(tmpdir(), 'mini-bitcask-'))));
after(() => rmSync(directory, { recursive: true, force: true }));

const fresh = (options = {}) => open(`store-${++count}`, { directory, ...options });
const collect = async (iterator) => {
    const all = [];
    for await (const item of iterator) all.push(item);
    return all;
};
const code = (expected) => (error) => error instanceof BitcaskError && error.code === expected;

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

describe('streams', () => {
    test('a value goes in and comes out in parts', async () => {
        for (const values of ['clone', 'bytes']) {
            const store = await fresh({ values, segmentBytes: 1_000_000 });
            const parts = Array.from({ length: 40 }, (_, n) => new Uint8Array(50_000 + n).fill(n));
            const writer = store.writeStream('big').getWriter();
            for (const part of parts) await writer.write(part);
            assert.equal(await store.has('big'), false);
            await writer.close();
            const all = Buffer.concat(parts);
            const read = Buffer.concat(await collect(await store.readStream('big')));
            assert.ok(all.equals(read));
            assert.ok(all.equals(await store.get('big')));
            assert.equal(await store.readStream('nothing'), undefined);
            const aborted = store.writeStream('gone').getWriter();
            await aborted.write(new Uint8Array(10));
            await aborted.abort();
            assert.equal(await store.has('gone'), false);
            await (await store.readStream('big')).cancel();
            assert.deepEqual(
                await collect(await (await store.set('empty', new Uint8Array()), store.readStream('empty'))),
                [],
            );
            await store.close();
        }
    });

    test('a whole store goes into another one', async () => {
        const one = await fresh();
        await one.setMany(Array.from({ length: 3_000 }, (_, n) => [n, { n, text: 'x'.repeat(n % 500) }]));
        await one.set('expiring', 1, { ttl: 3_600_000 });
        const bytes = Buffer.concat(await collect(one.export()));
        const two = await fresh();
        const report = await two.import(new Uint8Array(bytes));
        assert.equal(report.entries, 3_001);
        assert.deepEqual(await collect(two.entries()), await collect(one.entries()));
        assert.ok((await two.ttl('expiring')) <= 3_600_000);
        const three = await fresh();
        await three.import(new Blob([bytes]).stream());
        assert.equal(await three.count(), 3_001);
        const cut = bytes.subarray(0, bytes.length - 1);
        await assert.rejects(three.import(new Uint8Array(cut)), (error) => error instanceof BitcaskError);
        bytes[5_000] ^= 1;
        await assert.rejects(three.import(new Uint8Array(bytes)), code('DAMAGED'));
        await Promise.all([one.close(), two.close(), three.close()]);
    });
});

describe('changes', () => {
    test('a watcher is told of every write in order', async () => {
        const store = await fresh();
        await store.set('before', 0);
        const { version } = await store.getEntry('before');
        await store.set('a', 1);
        const end = new AbortController();
        const seen = [];
        const watching = (async () => {
            for await (const change of store.watch({ since: version, signal: end.signal })) {
                seen.push(change);
                if (change.key === 'end') end.abort();
            }
        })();
        await store.delete('a');
        await store.setMany([
            ['b', 2],
            ['c', 3],
        ]);
        await store.set('end', 0);
        await assert.rejects(watching, { name: 'AbortError' });
        assert.deepEqual(
            seen.map(({ type, key, value }) => [type, key, value]),
            [
                ['set', 'a', 1],
                ['delete', 'a', undefined],
                ['set', 'b', 2],
                ['set', 'c', 3],
                ['set', 'end', 0],
            ],
        );
        assert.ok(seen.every(({ version }, at) => at === 0 || version > seen[at - 1].version));
        await store.close();
    });

    test('a watcher ends with its store', async () => {
        const store = await fresh();
        const watching = collect(store.watch({ prefix: 'x' }));
        await store.set('y', 1);
        await store.set('x', 1);
        await store.close();
        assert.ok((await watching).length <= 1);
    });

    test('a listener is told of long keys that differ in their ends only', async () => {
        const store = await fresh();
        const keys = ['x', 'y'].map((end) => 'a'.repeat(5_000) + end);
        const told = new Promise((resolve) => store.subscribe({}, resolve));
        // What is asked after it is answered after it: from here on it listens.
        await store.count();
        await store.setMany(keys.map((key) => [key, 1]));
        assert.deepEqual((await told).keys, keys);
        await store.close();
    });

    test('a listener is told of keys in its range', async () => {
        const store = await fresh();
        const told = [];
        let wake;
        const next = () => new Promise((resolve) => (wake = resolve));
        const stop = store.subscribe({ prefix: 'a' }, ({ keys }) => {
            told.push(...keys);
            wake?.();
        });
        let heard = next();
        await store.setMany([
            ['b', 1],
            ['a1', 1],
            ['a2', 1],
        ]);
        await heard;
        heard = next();
        await store.delete('a1');
        await heard;
        stop();
        await store.set('a3', 1);
        await store.get('a3');
        assert.deepEqual(told, ['a1', 'a2', 'a1']);
        await store.close();
    });
});

describe('the life of a store', () => {
    test('what was written is there when it is opened again', async () => {
        const name = `store-${++count}`;
        for (let round = 0; round < 5; round++) {
            const store = await open(name, { directory });
            assert.equal(store.recovery.created, round === 0);
            assert.equal(store.backend, 'node');
            assert.equal(store.durable, true);
            assert.equal(await store.count(), round);
            await store.set(round, round, { durability: ['none', 'interval', 'always'][round % 3] });
            await store.close();
            await assert.rejects(store.get(0), code('CLOSED'));
            await store.close();
        }
        assert.ok((await list({ directory })).includes(name));
        await destroy(name, { directory });
        assert.ok(!(await list({ directory })).includes(name));
        await destroy(name, { directory });
    });

    test('one opener at a time', async () => {
        const name = `store-${++count}`;
        const store = await open(name, { directory });
        await assert.rejects(
            open(name, { directory, lockTimeout: 50 }),
            (error) => code('LOCKED')(error) && error.retry,
        );
        await assert.rejects(destroy(name, { directory, lockTimeout: 50 }), code('LOCKED'));
        const waiting = open(name, { directory });
        await store.close();
        await (await waiting).close();
    });

    test('options say what may be there', async () => {
        const name = `store-${++count}`;
        await assert.rejects(open(name, { directory, create: false }), code('NO_STORE'));
        await (await open(name, { directory })).close();
        await assert.rejects(open(name, { directory, errorIfExists: true }), code('EXISTS'));
        const reading = await open(name, { directory, readOnly: true });
        await assert.rejects(reading.set('a', 1), code('READ_ONLY'));
        await reading.close();
        await assert.rejects(open(name, { directory, storage: 'opfs' }), code('UNSUPPORTED'));
        await assert.rejects(open('', { directory }), code('INVALID'));
        await assert.rejects((await fresh()).set('a', 1, { durability: 'sometimes' }), code('INVALID'));
    });

    test('memory lasts as long as the process', async () => {
        const store = await open('in-memory', { storage: 'memory' });
        assert.equal(store.durable, false);
        await store.set('a', 1);
        await store.close();
        const again = await open('in-memory', { storage: 'memory' });
        assert.equal(await again.get('a'), 1);
        await again.close();
    });

    test('calls before the close are done, calls after it are refused', async () => {
        const store = await fresh();
        const set = store.set('a', 1);
        const closing = store.close();
        await set;
        await closing;
        assert.equal(await store.ended, undefined);
        assert.equal(store.closed, true);
    });

    test('an aborted call rejects with the reason', async () => {
        const store = await fresh();
        const signal = AbortSignal.abort(new Error('enough'));
        await assert.rejects(store.get('a', { signal }), /enough/);
        await assert.rejects(store.set('a', 1, { signal }), /enough/);
        await assert.rejects(collect(store.keys({ signal })), /enough/);
        assert.equal(await store.has('a'), false);
        await store.close();
    });

    test('merging gives space back, verifying finds all sound', async () => {
        const store = await fresh({ segmentBytes: 100_000, autoMerge: false });
        for (let round = 0; round < 20; round++) {
            await store.setMany(Array.from({ length: 100 }, (_, n) => [n, 'x'.repeat(200)]));
        }
        const before = await store.stats();
        const report = await store.merge();
        const after = await store.stats();
        assert.ok(report.bytesFreed > 0);
        assert.ok(after.totalBytes < before.totalBytes / 2, `${before.totalBytes} to ${after.totalBytes}`);
        assert.equal(after.keys, 100);
        const verified = await store.verify();
        assert.deepEqual(verified.problems, []);
        assert.ok(verified.records >= 100);
        await store.close();
    });
});
