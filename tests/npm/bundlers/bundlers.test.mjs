/** Two of the tools, in every test run: one that finds the worker's file, one that loses it. All: `make test-bundlers`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tryTool } from './matrix.mjs';
import { TOOLS } from './tools.mjs';

for (const [name, loads] of [
    ['vite 8 build', 'worker file'],
    ['esbuild', 'inlined copy'],
]) {
    test(`an app made by ${name} stores to OPFS`, { timeout: 600_000 }, async () => {
        const result = await tryTool(TOOLS.find((tool) => tool.name === name));
        assert.equal(result.loads, loads);
    });
}
