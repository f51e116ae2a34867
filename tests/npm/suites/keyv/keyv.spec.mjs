/** @keyv/test-suite, unmodified, on Keyv 5. */
import suite, { keyvIteratorTests } from '@keyv/test-suite';
import Keyv from 'keyv';
import { open } from 'mini-bitcask';
import { KeyvBitcask } from 'mini-bitcask/keyv';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as vitest from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'bitcask-keyv-'));
const store = await open('cache', { directory });
vitest.afterAll(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
});

// Keyv writes its namespace into its adapter: each has one of its own, on the same store.
suite(vitest, Keyv, () => new KeyvBitcask(store));
keyvIteratorTests(vitest, Keyv, () => new KeyvBitcask(store));
