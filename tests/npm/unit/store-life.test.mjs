/** The asynchronous store in Node, on files: streams, changes, and a store's life, against what the API says. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BitcaskError, destroy, list, open } from 'mini-bitcask';
import { code, collect, directory, fresh, freshName } from './stores.mjs';

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
            // It is the value as it was, whatever is written and merged before it is read.
            const reader = (await store.readStream('big')).getReader();
            const first = (await reader.read()).value;
            await store.set('big', new Uint8Array(1));
            await store.merge();
            const rest = [first];
            for (let part; !(part = await reader.read()).done; ) rest.push(part.value);
            assert.ok(all.equals(Buffer.concat(rest)));
            if (values === 'clone') {
                await store.set('text', 'as it is');
                assert.equal(String(Buffer.concat(await collect(await store.readStream('text')))), 'as it is');
                await store.set('number', 7);
                await assert.rejects(store.readStream('number'), code('INVALID_VALUE'));
            }
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
        const name = freshName();
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
        const name = freshName();
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
        const name = freshName();
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

    test('merging takes what was written last', async () => {
        const store = await fresh({ autoMerge: false });
        for (let round = 0; round < 100; round++) await store.set('a', 'x'.repeat(1_000));
        const states = async () => (await store.stats()).segments.map(({ state }) => state);
        assert.deepEqual(await states(), ['active', 'spare']);
        await store.merge({ full: false });
        assert.deepEqual(await states(), ['active', 'spare']);
        await store.merge();
        assert.deepEqual(await states(), ['sealed', 'active', 'spare']);
        assert.ok((await store.stats()).totalBytes < 2_000);
        assert.equal(await store.get('a'), 'x'.repeat(1_000));
        await store.close();
    });

    test('a verification can be given up, and others are answered meanwhile', async () => {
        const store = await fresh();
        await store.setMany(Array.from({ length: 40 }, (_, n) => [n, 'x'.repeat(200_000)]));
        const order = [];
        const verifying = store.verify({ onProgress: (done) => order.push(done) });
        await store.set('meanwhile', 1);
        order.push('set');
        const { problems, records } = await verifying;
        assert.deepEqual([problems, records], [[], 40]);
        assert.ok(order.indexOf('set') < order.length - 1, String(order));
        const enough = new AbortController();
        const { signal } = enough;
        await assert.rejects(store.verify({ signal, onProgress: () => enough.abort() }), { name: 'AbortError' });
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
        const told = [];
        const verified = await store.verify({ onProgress: (done, total) => told.push([done, total]) });
        assert.deepEqual(verified.problems, []);
        assert.ok(told.length > 0 && told.every(([done, total]) => 0 < done && done <= total));
        assert.ok(verified.records >= 100);
        await store.close();
    });
});
