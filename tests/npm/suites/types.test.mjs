/** The adapters' types fit the libraries that they are for. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROJECT } from '../harness/index.mjs';

test('programs that use the adapters compile strictly', { timeout: 120_000 }, () => {
    const tsc = join(PROJECT, 'node_modules/typescript/bin/tsc');
    const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck'];
    const modules = ['--target', 'es2022', '--module', 'nodenext', '--moduleResolution', 'nodenext'];
    const node = ['--typeRoots', '../../wasm/npm/node_modules/@types', '--types', 'node'];
    try {
        execFileSync(process.execPath, [tsc, ...strict, ...modules, ...node, 'suites/types/use.mts'], {
            cwd: PROJECT,
            encoding: 'utf8',
        });
    } catch (error) {
        assert.fail(error.stdout);
    }
});
