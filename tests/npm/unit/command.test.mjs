/** One store, written by the package in Node and by the command in turns. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { open } from 'mini-bitcask';
import { COMMAND } from './command.mjs';

const ROOT = mkdtempSync(join(tmpdir(), 'mini-bitcask-unit-'));
after(() => rmSync(ROOT, { recursive: true, force: true }));
const options = {
    skip: COMMAND ? false : 'the command is not built: cargo build --package bitcask-cli',
    timeout: 60_000,
};

function bitcask(...words) {
    const run = spawnSync(COMMAND, words, { encoding: 'utf8' });
    assert.equal(run.status, 0, `${words.join(' ')}: ${run.stderr}`);
    return run.stdout;
}

test('texts are the same on both sides', options, async () => {
    const path = join(ROOT, 'both');
    bitcask('put', path, 'user:1', 'Ada é 😀');
    let store = await open(path);
    assert.equal(await store.get('user:1'), 'Ada é 😀');
    await store.set('user:2', 'Grace');
    await store.set('bytes', Uint8Array.of(65, 66));
    await store.setMany([
        [['an', 'array'], { of: new Map() }],
        [7, 'seven'],
    ]);
    await store.delete('user:1');
    await store.close();
    assert.equal(bitcask('get', path, 'user:2').trim(), 'Grace');
    assert.notEqual(spawnSync(COMMAND, ['get', path, 'user:1']).status, 0);
    bitcask('verify', path);
    bitcask('put', path, 'user:3', 'Edsger');
    bitcask('merge', path);
    store = await open(path);
    const keys = [];
    for await (const key of store.keys()) keys.push(key);
    assert.deepEqual(keys, ['bytes', 'user:2', 'user:3', 7, ['an', 'array']]);
    assert.deepEqual(await store.get(['an', 'array']), { of: new Map() });
    assert.deepEqual(await store.get('bytes'), Uint8Array.of(65, 66));
    await store.merge();
    assert.deepEqual((await store.verify()).problems, []);
    await store.close();
    bitcask('verify', path);
});

test('a command refuses a store that Node has, and Node one that lives on', options, async () => {
    const path = join(ROOT, 'held');
    const store = await open(path);
    await store.set('a', 'by Node', { durability: 'none' });
    const refused = spawnSync(COMMAND, ['put', path, 'b', '2'], { encoding: 'utf8' });
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, new RegExp(`locked by process ${process.pid} \\(mini-bitcask in Node\\)`));
    // Commands that only read work beside it.
    assert.equal(bitcask('get', path, 'a').trim(), 'by Node');
    await store.close();
    bitcask('put', path, 'b', '2');
});
