import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    renameSync,
    rmSync,
    statSync,
    symlinkSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { COMMAND } from './command.mjs';
import { destroyNode, openNode } from '../../../wasm/npm/dist-test/folder/node.js';

const ROOT = mkdtempSync(join(tmpdir(), 'mini-bitcask-unit-'));
after(() => rmSync(ROOT, { recursive: true, force: true }));
let number = 0;
const fresh = () => join(ROOT, `store-${(number += 1)}`);
const options = { program: 'a test' };

const withCommand = {
    skip: COMMAND ? false : 'the command is not built: cargo build --package bitcask-cli',
    timeout: 60_000,
};
const isRoot = process.getuid?.() === 0;
const MODULE = new URL('../../../wasm/npm/dist-test/folder/node.js', import.meta.url).href;

/** Another process of Node that opens a folder, says so, and stays. */
async function otherNode(path) {
    const source = `import { openNode } from ${JSON.stringify(MODULE)};
        globalThis.folder = await openNode(${JSON.stringify(path)}, { program: 'the other' });
        console.log('open');
        setInterval(() => undefined, 1 << 30);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
        stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    return child;
}

async function killed(child) {
    child.kill('SIGKILL');
    await once(child, 'exit');
}

test('files are what the command makes of them', async () => {
    const path = fresh();
    const folder = await openNode(path, options);
    const handle = folder.create(12);
    assert.equal(handle.write(Uint8Array.of(1, 2, 3), { at: 2 }), 3);
    handle.flush();
    assert.equal(handle.getSize(), 5);
    assert.deepEqual(readdirSync(path).sort(), ['000000000012.segment', 'LOCK']);
    assert.equal(statSync(path).mode & 0o777, 0o700);
    for (const name of readdirSync(path)) assert.equal(statSync(join(path, name)).mode & 0o777, 0o600);
    assert.equal(readFileSync(join(path, 'LOCK'), 'utf8'), `process ${process.pid} (a test)\n`);
    const bytes = new Uint8Array(9).fill(7);
    assert.equal(handle.read(bytes, { at: 1 }), 4);
    assert.deepEqual([...bytes], [0, 1, 2, 3, 7, 7, 7, 7, 7]);
    assert.equal(handle.read(bytes, { at: 100 }), 0);
    handle.truncate(3);
    handle.truncate(4);
    assert.deepEqual([...readFileSync(join(path, '000000000012.segment'))], [0, 0, 1, 0]);
    assert.throws(() => folder.create(12), { code: 'EEXIST' });
    assert.throws(() => folder.open(13), { code: 'ENOENT' });
    folder.remove(12);
    assert.equal(handle.read(bytes, { at: 2 }), 2, 'who holds it reads on');
    assert.throws(() => folder.remove(12), { code: 'ENOENT' });
    folder.close();
    assert.throws(() => handle.getSize(), { code: 'CLOSED' });
    assert.throws(() => folder.create(1), { code: 'CLOSED' });
    assert.equal(readFileSync(join(path, 'LOCK'), 'utf8'), '');
});

test('a segment has one name', async () => {
    const path = fresh();
    mkdirSync(path);
    for (const name of [
        '000000000001.segment',
        '1.segment',
        '0000000000001.segment',
        '000000000000.segment',
        '+00000000001.segment',
        '9007199254740993.segment',
        '1000000000000.segment',
        'x',
        '000000000002.segment.tmp',
    ])
        writeFileSync(join(path, name), '');
    const folder = await openNode(path, options);
    assert.deepEqual(
        folder.list().sort((a, b) => a - b),
        [1, 1_000_000_000_000],
    );
    folder.close();
});

test('links and devices are not followed', async () => {
    const path = fresh();
    const folder = await openNode(path, options);
    writeFileSync(join(ROOT, 'elsewhere'), 'text');
    symlinkSync(join(ROOT, 'elsewhere'), join(path, '000000000001.segment'));
    mkdirSync(join(path, '000000000002.segment'));
    spawnSync('mkfifo', [join(path, '000000000003.segment')]);
    for (const id of [1, 2, 3]) assert.throws(() => folder.open(id), { code: 'EINVAL' });
    assert.throws(() => folder.create(1), { code: 'EEXIST' });
    folder.close();
    const other = fresh();
    mkdirSync(other);
    symlinkSync(join(ROOT, 'elsewhere'), join(other, 'LOCK'));
    await assert.rejects(openNode(other, options), { name: 'BitcaskError', code: 'IO' });
    assert.equal(readFileSync(join(ROOT, 'elsewhere'), 'utf8'), 'text');
});

test('what is no store is left alone', async () => {
    const path = fresh();
    const refused = { name: 'BitcaskError', code: 'NO_STORE' };
    await assert.rejects(openNode(path, { ...options, create: false }), refused);
    await assert.rejects(openNode(path, { ...options, readOnly: true }), refused);
    assert.ok(!existsSync(path));
    mkdirSync(path);
    await assert.rejects(openNode(path, { ...options, create: false }), { ...refused, message: /is empty/ });
    for (const name of ['c', 'b', 'a', 'e', 'd', 'f']) writeFileSync(join(path, name), '');
    await assert.rejects(openNode(path, options), {
        ...refused,
        message: /holds a, b, c, d, 2 more$/,
        advice: /check the path/,
    });
    assert.ok(!existsSync(join(path, 'LOCK')));
    await assert.rejects(openNode(join(path, 'a'), options), { code: 'INVALID', message: /is a file/ });
    const nested = join(fresh(), 'deep', 'er');
    (await openNode(nested, options)).close();
    assert.equal(statSync(join(nested, '..')).mode & 0o777, 0o700);
});

test('opened for reading nothing is changed, and no lock is needed', async () => {
    const path = fresh();
    const writer = await openNode(path, options);
    writer.create(1).write(Uint8Array.of(1), { at: 0 });
    const reader = await openNode(path, { ...options, readOnly: true });
    const handle = reader.open(1);
    assert.equal(handle.getSize(), 1);
    const refused = { code: 'EACCES' };
    assert.throws(() => handle.write(Uint8Array.of(1), { at: 0 }), refused);
    assert.throws(() => handle.truncate(0), refused);
    assert.throws(() => reader.create(2), refused);
    assert.throws(() => reader.remove(1), refused);
    reader.close();
    writer.close();
});

test('a folder that may not be written says so', { skip: isRoot && 'root may do anything' }, async () => {
    const path = fresh();
    (await openNode(path, options)).close();
    chmodSync(path, 0o500);
    await assert.rejects(openNode(path, options), { code: 'IO', advice: /reading only/ });
    chmodSync(path, 0o700);
});

test('a process opens a folder once at a time, by whatever name', async () => {
    const path = fresh();
    const folder = await openNode(path, options);
    symlinkSync(path, path + '-link');
    const locked = { name: 'BitcaskError', code: 'LOCKED', retry: true, message: /this process/, advice: /wait/ };
    await assert.rejects(openNode(path, options), locked);
    await assert.rejects(openNode(path + '-link', options), locked);
    await assert.rejects(openNode(path, { ...options, lock: false }), locked);
    await assert.rejects(destroyNode(path, options), locked);
    const waiting = openNode(path, { ...options, lockTimeout: 30_000 });
    folder.close();
    folder.close();
    const next = await waiting;
    folder.close();
    await assert.rejects(openNode(path, options), locked);
    next.close();
    // Both at once: one of them.
    const both = await Promise.allSettled([openNode(path, options), openNode(path, options)]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    both.find(({ value }) => value).value.close();
});

test('another process has the lock until it ends, however it ends', { timeout: 60_000 }, async () => {
    const path = fresh();
    const other = await otherNode(path);
    await assert.rejects(openNode(path, options), {
        code: 'LOCKED',
        message: new RegExp(`locked by process ${other.pid} \\(the other\\), for \\d+ s$`),
    });
    const waiting = openNode(path, { ...options, lockTimeout: 30_000 });
    await killed(other);
    (await waiting).close();
});

test('waiting for the lock can be given up', { timeout: 60_000 }, async () => {
    const path = fresh();
    const folder = await openNode(path, options);
    const giveUp = new AbortController();
    const waiting = openNode(path, { ...options, lockTimeout: 1e6, signal: giveUp.signal });
    const reason = new Error('enough');
    giveUp.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    folder.close();
    await assert.rejects(openNode(path, { ...options, signal: giveUp.signal }), (error) => error === reason);
});

test('a lock file that was replaced is no lock', { timeout: 60_000 }, async () => {
    const path = fresh();
    const other = await otherNode(path);
    renameSync(join(path, 'LOCK'), join(ROOT, 'old-lock'));
    // The name is free, and so is the new file: who removes it has been warned.
    (await openNode(path, options)).close();
    // But whoever locked the old one sees that it lost its name.
    const taken = fresh();
    mkdirSync(taken);
    const bin = fresh();
    mkdirSync(bin);
    writeFileSync(join(bin, 'flock'), `#!/bin/sh\nrm -f '${join(taken, 'LOCK')}'\nexit 0\n`, { mode: 0o700 });
    const { PATH } = process.env;
    process.env.PATH = bin + delimiter + PATH;
    try {
        await assert.rejects(openNode(taken, options), { code: 'LOCKED', message: /replaced the lock file/ });
    } finally {
        process.env.PATH = PATH;
    }
    await killed(other);
});

test(
    'without the program that locks',
    { skip: process.platform !== 'linux' && 'the system locks by itself' },
    async () => {
        const path = fresh();
        const bin = fresh();
        mkdirSync(bin);
        const { PATH } = process.env;
        process.env.PATH = bin;
        try {
            await assert.rejects(openNode(path, options), {
                code: 'UNSUPPORTED',
                retry: false,
                message: /`flock`/,
                advice: /lock: false/,
            });
            writeFileSync(join(bin, 'flock'), '#!/bin/sh\necho "no locks on this disk" >&2\nexit 71\n', {
                mode: 0o700,
            });
            await assert.rejects(openNode(path, options), { code: 'IO', message: /71: no locks on this disk/ });
            (await openNode(path, { ...options, lock: false })).close();
        } finally {
            process.env.PATH = PATH;
        }
        (await openNode(path, options)).close();
    },
);

test('a store is destroyed, and nothing else', async () => {
    const path = fresh();
    const folder = await openNode(path, options);
    folder.create(1);
    folder.create(2);
    folder.close();
    writeFileSync(join(path, 'mine'), '');
    await destroyNode(path, options);
    assert.deepEqual(readdirSync(path), ['mine']);
    await destroyNode(path, options);
    assert.deepEqual(readdirSync(path), ['mine']);
    await destroyNode(fresh(), options);
    const whole = fresh();
    (await openNode(whole, options)).close();
    await destroyNode(whole, options);
    assert.ok(!existsSync(whole));
});

test('the lock keeps no process alive, and leaves none behind', { timeout: 60_000 }, async () => {
    const path = fresh();
    const source = `import { openNode } from ${JSON.stringify(MODULE)};
        await openNode(${JSON.stringify(path)}, { program: 'a short one' });
        console.log(JSON.stringify(process.getActiveResourcesInfo()));`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
        encoding: 'utf8',
        timeout: 30_000,
    });
    assert.equal(run.status, 0, run.stderr);
    assert.ok(!run.stdout.includes('Process'), run.stdout);
    (await openNode(path, options)).close();
});

test('the command is refused while Node has the store', withCommand, async () => {
    const path = fresh();
    assert.equal(spawnSync(COMMAND, ['put', path, 'a', '1']).status, 0);
    const folder = await openNode(path, options);
    const put = () => spawnSync(COMMAND, ['put', path, 'b', '2'], { encoding: 'utf8' });
    const refused = put();
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, new RegExp(`locked by process ${process.pid} \\(a test\\)`));
    assert.equal(
        spawnSync(COMMAND, ['get', path, 'a'], { encoding: 'utf8' }).stdout.trim(),
        '1',
        'reading needs no lock',
    );
    folder.close();
    assert.equal(put().status, 0, 'at once');
    const other = await otherNode(path);
    assert.notEqual(put().status, 0);
    await killed(other);
    assert.equal(put().status, 0, 'a killed process has no lock');
});

test('Node is refused while the command has the store', withCommand, async () => {
    const path = fresh();
    const command = spawn(COMMAND, ['import', path, '-', '--skip-bad', '--acknowledge', '--batch', '1', '--key', 'k'], {
        stdio: ['pipe', 'pipe', 'inherit'],
    });
    command.stdin.write('{"k":"a"}\n{"k":"b"}\n'.repeat(2000));
    await once(command.stdout, 'data');
    command.stdout.resume();
    await assert.rejects(openNode(path, options), {
        code: 'LOCKED',
        message: new RegExp(`process ${command.pid} \\(bitcask\\), for`),
    });
    const waiting = openNode(path, { ...options, lockTimeout: 30_000 });
    command.stdin.end();
    const folder = await waiting;
    assert.ok(folder.list().length > 0);
    folder.close();
    const next = spawn(COMMAND, ['import', path, '-', '--skip-bad', '--acknowledge', '--batch', '1', '--key', 'k'], {
        stdio: ['pipe', 'pipe', 'inherit'],
    });
    next.stdin.write('{"k":"a"}\n{"k":"b"}\n'.repeat(2000));
    await once(next.stdout, 'data');
    await assert.rejects(openNode(path, options), { code: 'LOCKED' });
    await killed(next);
    (await openNode(path, options)).close();
});
