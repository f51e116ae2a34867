/** A store as an interface-datastore: its own suite, and what that leaves out. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Key } from 'interface-datastore';
import { open } from 'mini-bitcask';
import { BitcaskDatastore } from 'mini-bitcask/datastore';
import { PROJECT } from '../harness/index.mjs';

const TESTS = 42;

test('interface-datastore-tests', { timeout: 300_000 }, async (context) => {
    const mocha = join(PROJECT, 'node_modules/mocha/bin/mocha.js');
    const args = [mocha, '--reporter', 'json', 'suites/datastore/datastore.spec.mjs'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: PROJECT }).catch(
        (error) => error,
    );
    const { stats, failures } = JSON.parse(stdout.slice(stdout.indexOf('{')));
    context.diagnostic(`interface-datastore-tests: ${stats.passes} of ${stats.tests}`);
    assert.deepEqual(failures, [], stderr);
    assert.deepEqual([stats.tests, stats.passes, stats.pending], [TESTS, TESTS, 0]);
});

test('filters, orders, offset and limit together; streams that come by and by; bytes in keys; reopened', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bitcask-datastore-'));
    try {
        let store = new BitcaskDatastore('data', { directory });
        const pairs = Array.from({ length: 250 }, (_, n) => ({ key: new Key(`/n/${n}`), value: Uint8Array.of(n) }));
        async function* slowly() {
            for (const pair of pairs) yield pair;
        }
        const put = [];
        for await (const key of store.putMany(slowly(), { durability: 'none' })) put.push(key);
        assert.deepEqual(
            put,
            pairs.map(({ key }) => key),
        );
        await store.close();

        store = new BitcaskDatastore('data', { directory });
        const even = ({ value }) => value[0] % 2 === 0;
        const down = (one, other) => Math.sign(other.value[0] - one.value[0]);
        const query = { prefix: '/n', filters: [even], orders: [down], offset: 2, limit: 3 };
        assert.deepEqual(
            (await listed(store.query(query))).map(({ value }) => value[0]),
            [244, 242, 240],
        );
        const filtered = store.queryKeys({ filters: [(key) => key.toString().endsWith('7')], limit: 2 });
        assert.equal((await listed(filtered)).length, 2);
        assert.equal((await listed(store.queryKeys({ limit: 0 }))).length, 0);

        const odd = new Key(Uint8Array.of(47, 0xff, 0xfe), false);
        await store.put(odd, new Uint8Array());
        assert.deepEqual(await store.get(odd), new Uint8Array());
        const keys = await listed(store.deleteMany(pairs.map(({ key }) => key)));
        assert.equal(keys.length, 250);
        assert.deepEqual(
            (await listed(store.queryKeys({}))).map((key) => key.uint8Array()),
            [odd.uint8Array()],
        );
        await store.close();
    } finally {
        rmSync(directory, { recursive: true });
    }
});

test('a batch is all or nothing, can be used again, and a store that was given stays open', async () => {
    const beneath = await open('datastore', { storage: 'memory', keys: 'bytes', values: 'bytes' });
    const store = new BitcaskDatastore(beneath);
    const batch = store.batch();
    batch.put(new Key('/a'), Uint8Array.of(1));
    batch.put(new Key('/b'), Uint8Array.of(2));
    await batch.commit();
    batch.delete(new Key('/a'));
    await batch.commit();
    assert.deepEqual((await listed(store.queryKeys({}))).map(String), ['/b']);
    const both = [beneath.set(new TextEncoder().encode('/c'), Uint8Array.of(3)), store.get(new Key('/a'))];
    await assert.rejects(Promise.all(both), { name: 'NotFoundError' });
    await store.close();
    assert.equal(beneath.closed, false);
    await beneath.close();
});

async function listed(items) {
    const all = [];
    for await (const item of items) all.push(item);
    return all;
}
