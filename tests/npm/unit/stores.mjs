/** Stores for a test file: in a folder of its own, which goes when the file is done. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { BitcaskError, open } from 'mini-bitcask';

/** Where the stores of this file are. */
export const directory = mkdtempSync(join(tmpdir(), 'mini-bitcask-'));
after(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;

/** A name that no other store of this file has. */
export const freshName = () => `store-${++count}`;

/** Opens a store that nobody has opened before. */
export const fresh = (options = {}) => open(freshName(), { directory, ...options });

/** All that an iterator gives. */
export async function collect(iterator) {
    const all = [];
    for await (const item of iterator) all.push(item);
    return all;
}

/** Whether an error is this package's, of this code. */
export const code = (expected) => (error) => error instanceof BitcaskError && error.code === expected;
