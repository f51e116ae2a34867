/** A store beneath Keyv: its own suite for version 5, and what version 6, whose suite is not published, asks of a store. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Keyv as Keyv5 } from 'keyv';
import { Keyv as Keyv6 } from 'keyv-6';
import { open } from 'mini-bitcask';
import { KeyvBitcask } from 'mini-bitcask/keyv';
import { PROJECT } from '../harness/index.mjs';

const TESTS = 42;

test('@keyv/test-suite', { timeout: 300_000 }, async (context) => {
    const vitest = join(PROJECT, 'node_modules/vitest/vitest.mjs');
    const args = [vitest, 'run', '--config', 'suites/keyv/vitest.config.mjs', '--reporter=json'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: PROJECT }).catch(
        (error) => error,
    );
    const { numTotalTests, numPassedTests, testResults } = JSON.parse(stdout.slice(stdout.indexOf('{')));
    context.diagnostic(`@keyv/test-suite: ${numPassedTests} of ${numTotalTests}`);
    const failed = testResults
        .flatMap(({ assertionResults }) => assertionResults)
        .filter(({ status }) => status !== 'passed');
    assert.deepEqual(failed, [], stderr);
    assert.equal(numTotalTests, TESTS);
});

for (const [version, Keyv] of [
    [5, Keyv5],
    [6, Keyv6],
]) {
    test(`Keyv ${version}: many at once, namespaces, expiry, iterating, and all of it after reopening`, async () => {
        const directory = mkdtempSync(join(tmpdir(), 'bitcask-keyv-'));
        try {
            const keyv = (store, namespace) =>
                new Keyv({ store: new KeyvBitcask(store), namespace, throwOnErrors: true });
            let store = await open('cache', { directory });
            let one = keyv(store, 'one');
            await one.setMany([
                { key: 'a', value: { n: 1 } },
                { key: 'b', value: 'two' },
                { key: 'gone', value: 3, ttl: 1 },
            ]);
            await new Promise((resolve) => setTimeout(resolve, 20));
            assert.deepEqual(await one.getMany(['a', 'b', 'gone', 'never']), [{ n: 1 }, 'two', undefined, undefined]);
            assert.deepEqual(await one.hasMany(['a', 'gone', 'never']), [true, false, false]);
            await store.close();

            store = await open('cache', { directory });
            one = keyv(store, 'one');
            const all = [];
            for await (const [key, value] of one.iterator()) all.push([key, value]);
            assert.deepEqual(all, [
                ['a', { n: 1 }],
                ['b', 'two'],
            ]);
            assert.ok(await one.delete('b'));
            assert.ok(!(await one.has('b')));

            // Another namespace of the same store: its keys stay when the first one's go.
            const other = keyv(store, 'two');
            await other.set('a', 'of two');
            await one.clear();
            assert.equal(await one.get('a'), undefined);
            assert.equal(await other.get('a'), 'of two');
            await store.close();
        } finally {
            rmSync(directory, { recursive: true });
        }
    });
}

test('the store itself drops what has expired, and disconnecting leaves a store open that was given', async () => {
    const store = await open('keyv', { storage: 'memory' });
    const adapter = new KeyvBitcask(store);
    await adapter.set('a', 'x', 5);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(await store.get('a'), undefined);
    await adapter.disconnect();
    assert.equal(store.closed, false);
    await store.close();
});
