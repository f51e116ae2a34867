#!/usr/bin/env node
/**
 * Builds the package into dist/: the engine by wasm-pack and wasm-opt, the modules by esbuild, the declarations by tsc.
 *
 *   node build.mjs              everything; the exit code is 0 only if all is there, typed and small enough
 *   node build.mjs --partial    what there is: missing sources and errors of types are told, and are no failure
 *   node build.mjs --skip-wasm  the engine as it was built last
 *
 * It also fills dist-test/: every module of src/ by itself, for unit tests of what the package does not export.
 */
import './build/here.mjs';
import { rmSync } from 'node:fs';
import { buildDeclarations } from './build/declarations.mjs';
import { buildEngine } from './build/engine.mjs';
import { buildModules, buildTestModules } from './build/modules.mjs';
import { table, tooLarge } from './build/sizes.mjs';

const partial = process.argv.includes('--partial');

rmSync('dist', { recursive: true, force: true });
rmSync('dist-test', { recursive: true, force: true });
const problems = [];
await buildEngine({ rebuild: !process.argv.includes('--skip-wasm') });
problems.push(...(await buildModules()));
await buildTestModules();
problems.push(...(await buildDeclarations()));
problems.push(...tooLarge('dist'));
console.log(table('dist'));

for (const problem of problems) console.error(`build: ${problem}`);
if (problems.length > 0 && !partial) process.exitCode = 1;
