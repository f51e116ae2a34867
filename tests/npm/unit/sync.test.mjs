/** The synchronous store in Node, where it differs from the asynchronous one. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { open as openAsync } from 'mini-bitcask';
import { open } from 'mini-bitcask/sync';
import { Host } from '../../../wasm/npm/dist-test/host.js';
import { syncStoreOf } from '../../../wasm/npm/dist-test/sync-store.js';
import { code, collect, directory, freshName } from './stores.mjs';

test('what the engine refuses is an error of the package', async () => {
    const name = freshName();
    await (await open(name, { directory })).close();
    const reading = await open(name, { directory, readOnly: true });
    for (const call of [
        () => reading.set('a', 1),
        () => reading.setMany([['a', 1]]),
        () => reading.atomic().set('a', 1).commit(),
    ]) {
        assert.throws(call, (error) => code('READ_ONLY')(error) && error.advice !== undefined);
    }
    const snapshot = reading.snapshot();
    snapshot.close();
    assert.throws(() => snapshot.get('a'), code('INVALID'));
    assert.throws(() => [...snapshot.keys()], code('INVALID'));
    assert.throws(() => snapshot.count(), code('INVALID'));
    await reading.close();
    assert.throws(() => reading.get('a'), code('CLOSED'));
});

test('an engine that stops is not called again', async () => {
    let calls = 0;
    let abandoned = false;
    const engine = {
        sequence: () => 1n,
        get() {
            calls += 1;
            throw new WebAssembly.RuntimeError('unreachable');
        },
        abandon: () => (abandoned = true),
    };
    const opened = { backend: 'node', durable: true, recovery: {} };
    const host = new Host(engine, { release: () => undefined }, {}, opened);
    const store = syncStoreOf('name', host, {});
    assert.throws(() => store.get('a'), { name: 'BitcaskError', code: 'INTERRUPTED' });
    assert.ok(abandoned);
    assert.throws(() => store.get('a'), { name: 'BitcaskError', code: 'CLOSED' });
    assert.equal(calls, 1);
    assert.equal((await host.ended).code, 'INTERRUPTED');
});

test('damage is told by reads and by walks, and a walk that fails holds nothing back', async () => {
    const name = freshName();
    const store = await open(name, { directory, segmentBytes: 4_000, values: 'utf8' });
    for (let n = 0; n < 100; n++) store.set(n, `value ${n} ${'x'.repeat(60)}`);
    await store.close();
    const file = readdirSync(join(directory, name))
        .filter((name) => name.endsWith('.segment'))
        .sort()[0];
    const path = join(directory, name, file);
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('value 3 ') + 20] ^= 1;
    writeFileSync(path, bytes);

    const again = await open(name, { directory, values: 'utf8', autoMerge: false });
    assert.throws(
        () => again.get(3),
        (error) => code('DAMAGED')(error) && error.segment === 1,
    );
    assert.throws(() => [...again.values()], code('DAMAGED'));
    assert.equal(again.stats().snapshots, 0);
    assert.equal(again.get(4), `value 4 ${'x'.repeat(60)}`);
    await again.close();

    const asynchronous = await openAsync(name, { directory, values: 'utf8', autoMerge: false });
    await assert.rejects(collect(asynchronous.values()), code('DAMAGED'));
    await assert.rejects(collect(asynchronous.values({ gte: 3 })), code('DAMAGED'));
    assert.equal((await asynchronous.stats()).snapshots, 0);
    await asynchronous.close();
});
