/**
 * The driver for unstorage: the cases of unstorage's own `testDriver` (which is not published) expressed anew against
 * `createStorage`, and what this driver does beyond them.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { open } from 'mini-bitcask';
import defaultExport, { bitcaskDriver } from 'mini-bitcask/unstorage';
import { createStorage, restoreSnapshot, snapshot } from 'unstorage';

let directory;
let storage;

beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bitcask-unstorage-'));
    storage = createStorage({ driver: bitcaskDriver({ directory }) });
});

afterEach(async () => {
    await storage.dispose();
    rmSync(directory, { recursive: true });
});

const sorted = async (keys) => (await keys).sort();

test('an item that is not there', async () => {
    assert.equal(await storage.hasItem('not-found'), false);
    assert.equal(await storage.getItem('not-found'), null);
    assert.equal(await storage.getItemRaw('not-found'), null);
});

test('set, get, has and remove, and the keys', async () => {
    await storage.setItem('s1:a', 'test_data');
    await storage.setItem('s2:a', 'test_data');
    await storage.setItem('s3:a?q=1', 'test_data');
    assert.equal(await storage.hasItem('s1:a'), true);
    assert.equal(await storage.getItem('s1:a'), 'test_data');
    assert.equal(await storage.getItem('s3:a?q=2'), 'test_data');
    assert.deepEqual(await sorted(storage.getKeys()), ['s1:a', 's2:a', 's3:a']);
    await storage.removeItem('s1:a', false);
    assert.equal(await storage.hasItem('s1:a'), false);
});

test('keys of a base', async () => {
    for (const key of ['s1:a', 's2:a', 's1:b:c', 's10:a', 's1']) await storage.setItem(key, 'x');
    assert.deepEqual(await sorted(storage.getKeys('s1')), ['s1:a', 's1:b:c']);
    assert.deepEqual(await sorted(storage.getKeys('s1:')), ['s1:a', 's1:b:c']);
});

test('keys by depth', async () => {
    for (const key of ['depth0', 'a:depth1', 'a:b:depth2', 'a:b:c:depth3']) await storage.setItem(key, 'x');
    assert.deepEqual(await sorted(storage.getKeys('', { maxDepth: 0 })), ['depth0']);
    assert.deepEqual(await sorted(storage.getKeys('', { maxDepth: 1 })), ['a:depth1', 'depth0']);
    assert.deepEqual(await sorted(storage.getKeys('', { maxDepth: 2 })), ['a:b:depth2', 'a:depth1', 'depth0']);
    assert.deepEqual(await sorted(storage.getKeys('a:b', { maxDepth: 2 })), ['a:b:depth2']);
});

test('objects, and objects that say how they become JSON', async () => {
    await storage.setItem('/data/test.json', { json: 'works' });
    assert.deepEqual(await storage.getItem('/data/test.json'), { json: 'works' });
    await storage.setItem('/data/true', { toJSON: () => 'SERIALIZED' });
    assert.equal(await storage.getItem('/data/true'), 'SERIALIZED');
});

test('primitive values, also those that are false', async () => {
    for (const value of [true, false, 0, 1, '', 'text', null]) {
        await storage.setItem('/data/primitive', value);
        assert.deepEqual(await storage.getItem('/data/primitive'), value);
        assert.equal(await storage.hasItem('/data/primitive'), true);
    }
    await storage.setItem('/data/primitive', undefined);
    assert.equal(await storage.hasItem('/data/primitive'), false);
});

test('an object of a class is refused', async () => {
    class Test {
        test = 'x';
    }
    await assert.rejects(async () => storage.setItem('/data/class', new Test()), /Cannot stringify/);
});

test('raw values of any kind', async () => {
    const value = Uint8Array.of(1, 2, 3);
    await storage.setItemRaw('/data/raw.bin', value);
    assert.deepEqual(await storage.getItemRaw('/data/raw.bin'), value);
    const map = new Map([['at', new Date(5)]]);
    await storage.setItemRaw('map', map);
    assert.deepEqual(await storage.getItemRaw('map'), map);
});

test('many items at once', async () => {
    await storage.setItems([
        { key: 't:1', value: 'test_data_t1' },
        { key: 't:2', value: { n: 2 } },
        { key: 't:3', value: 'test_data_t3' },
    ]);
    assert.deepEqual(await storage.getItems(['t:1', 't:2', { key: 't:3' }, 't:4']), [
        { key: 't:1', value: 'test_data_t1' },
        { key: 't:2', value: { n: 2 } },
        { key: 't:3', value: 'test_data_t3' },
        { key: 't:4', value: null },
    ]);
});

test('clearing all, clearing a base, clearing nothing', async () => {
    await storage.clear();
    for (const key of ['s1:a', 's1:b:c', 's10:a', 'other']) await storage.setItem(key, 'x');
    // unstorage 1.17 asks only drivers that are mounted below a base to clear it: so the driver is asked itself.
    await storage.getMount().driver.clear('s1:', {});
    assert.deepEqual(await sorted(storage.getKeys()), ['other', 's10:a']);
    await storage.clear();
    assert.deepEqual(await storage.getKeys(), []);
    await storage.clear();
});

test('meta beside an item', async () => {
    await storage.setItem('s1:a', 'x');
    await storage.setMeta('s1:a', { mtime: new Date(0) });
    assert.equal((await storage.getMeta('s1:a')).mtime.getTime(), 0);
    await storage.removeItem('s1:a', { removeMeta: true });
    assert.deepEqual(await storage.getKeys(), []);
});

test('watching: every write to the base, by whom ever, until it is ended', async () => {
    const store = await open('shared', { directory });
    const watched = createStorage({ driver: bitcaskDriver({ store, base: 'mine' }) });
    const events = [];
    let wake;
    const heard = (count) =>
        new Promise((resolve) => {
            wake = () => events.length >= count && resolve();
            wake();
        });
    const unwatch = await watched.watch((event, key) => {
        events.push([event, key]);
        wake?.();
    });
    await watched.setItem('a:b', 1);
    await store.set('theirs:x', 1);
    await store.set('mine:c', 'by another');
    await watched.removeItem('a:b');
    await heard(3);
    assert.deepEqual(
        events,
        [
            ['update', 'a:b'],
            ['update', 'c'],
            ['remove', 'a:b'],
        ].slice(events[0][0] === 'remove' ? 1 : 0),
    );
    await unwatch();
    await watched.setItem('d', 1);
    await store.flush();
    assert.equal(events.length, 3);
    await watched.dispose();
    assert.equal(store.closed, false);
    await store.close();
});

test('items that expire, by call and by item', async () => {
    await storage.setItem('soon', 'x', { ttl: 0.005 });
    await storage.setItem('later', 'x', { ttl: 60 });
    await storage.setItems(
        [
            { key: 'one', value: 'x', options: { ttl: 60 } },
            { key: 'two', value: 'x' },
        ],
        { ttl: 0.005 },
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.deepEqual(await sorted(storage.getKeys()), ['later', 'one']);
    const { ttl } = await storage.getMeta('later');
    assert.ok(ttl > 50 && ttl <= 60, String(ttl));
});

test('bases of their own in one store, mounts, snapshots, and all of it after reopening', async () => {
    const store = await open('bases', { directory });
    const one = createStorage({ driver: bitcaskDriver({ store, base: 'one' }) });
    const two = createStorage().mount('two', bitcaskDriver({ store, base: 'two:' }));
    await one.setItem('k', 1);
    await two.setItem('two:k', 2);
    await one.clear();
    assert.equal(await one.getItem('k'), null);
    assert.equal(await two.getItem('two:k'), 2);
    assert.deepEqual(await two.getKeys(), ['two:k']);
    await restoreSnapshot(one, { a: 'x', 'b:c': 'y' }, '');
    assert.deepEqual(await snapshot(one, ''), { a: 'x', 'b:c': 'y' });
    await store.close();

    const again = createStorage({ driver: defaultExport({ store: 'bases', base: 'one', directory }) });
    assert.equal(await again.getItem('b:c'), 'y');
    await again.dispose();
});
