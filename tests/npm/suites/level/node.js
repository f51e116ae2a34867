/** Runs the suite in Node and prints TAP: `node suites/level/node.js [sync] [folder]`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BitcaskLevel } from 'mini-bitcask/level';
import { open } from 'mini-bitcask/sync';
import { runSuite } from './run.js';

const sync = process.argv.includes('sync') ? { open } : {};
const directory = mkdtempSync(join(tmpdir(), 'bitcask-level-'));
let databases = 0;
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
await runSuite(
    (options) => new BitcaskLevel(join(directory, `level-${++databases}`), { ...sync, ...options }),
    console.log,
);
