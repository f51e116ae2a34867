/** The package as it was packed: what tools and people see of it before they call anything. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { table, tooLarge } from '../../../wasm/npm/build/sizes.mjs';
import { PACKAGE, PROJECT } from '../harness/bundle.mjs';

const manifest = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
const entries = Object.entries(manifest.exports).filter(([, entry]) => typeof entry === 'object');
const importable = entries
    .map(([name]) => name.replace(/^\./, 'mini-bitcask'))
    .filter((name) => !name.endsWith('/worker'));

test('publint has nothing to say', async () => {
    const { messages } = await publint({ pkgDir: PACKAGE, pack: false, strict: true });
    assert.deepEqual(
        messages.map((message) => formatMessage(message, manifest)),
        [],
    );
});

test('arethetypeswrong finds nothing', () => {
    // The package is for module systems that know `exports`, and is ES modules only, which Node 20.19 can `require`:
    // two copies, one for each module system, would be two sets of open stores in one program.
    // The engine has no types.
    const options = ['--profile', 'esm-only', '--exclude-entrypoints', 'bitcask_bg.wasm'];
    const folder = mkdtempSync(join(tmpdir(), 'mini-bitcask-attw-'));
    try {
        const [{ filename }] = JSON.parse(
            execFileSync('npm', [
                'pack',
                PACKAGE,
                '--json',
                '--silent',
                '--ignore-scripts',
                '--pack-destination',
                folder,
            ]),
        );
        const attw = join(PROJECT, 'node_modules/@arethetypeswrong/cli/dist/index.js');
        execFileSync(process.execPath, [attw, join(folder, filename), ...options, '--format', 'ascii'], {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'pipe'],
        });
    } catch (error) {
        assert.fail(`${error.stdout}${error.stderr}`);
    } finally {
        rmSync(folder, { recursive: true });
    }
});

test('sizes stay within their limits', () => {
    const folder = join(PACKAGE, 'dist');
    assert.deepEqual(tooLarge(folder), [], `\n${table(folder)}`);
});

test('every file that the exports map names is packed, and nothing but dist and the licences', () => {
    const named = Object.values(manifest.exports).flatMap((entry) =>
        typeof entry === 'string' ? [entry] : Object.values(entry),
    );
    for (const path of [...named, manifest.main, manifest.module, manifest.types]) {
        assert.ok(existsSync(join(PACKAGE, path)), path);
    }
    assert.deepEqual(manifest.dependencies ?? {}, {});
});

test('the worker is one file, and the page entry loads neither the engine nor its copy by itself', () => {
    const dist = (name) => readFileSync(join(PACKAGE, 'dist', name), 'utf8');
    assert.doesNotMatch(dist('worker.js'), /\bimport\s*["'{*(]|\bfrom\s*["']\.|\bimportScripts\b/);
    assert.match(dist('worker.js'), /new URL\("\.\/bitcask_bg\.wasm",\s*import\.meta\.url\)/);
    assert.match(
        dist('index.js'),
        /new Worker\(new URL\("\.\/worker\.js",\s*import\.meta\.url\),\s*\{\s*type:\s*"module"/,
    );
    assert.doesNotMatch(dist('index.js'), /bitcask_bg|from\s*["']\.\/inline/);
    assert.match(dist('index.js'), /import\("\.\/inline\.js"\)/);
});

test('importing it in Node does nothing, and require() gives the same', () => {
    run(`
        import { createRequire } from 'node:module';
        const require = createRequire(${JSON.stringify(join(PROJECT, 'x.js'))});
        const [major, minor] = process.versions.node.split('.').map(Number);
        const before = new Set(Reflect.ownKeys(globalThis));
        for (const name of ${JSON.stringify(importable)}) {
            const imported = await import(name);
            const added = Reflect.ownKeys(globalThis).filter((key) => !before.has(key));
            if (added.length > 0) throw new Error(name + ' added globals: ' + added.map(String));
            // The reading of its own file is a request that may be ending still.
            const started = process.getActiveResourcesInfo().filter((what) => !what.endsWith('Req'));
            if (started.length > 0) throw new Error(name + ' started ' + started);
            if (major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)) {
                // Node marks what it requires of a module that has a default export.
                const same = ([key, value]) => key === '__esModule' || imported[key] === value;
                for (const entry of Object.entries(require(name))) if (!same(entry)) throw new Error(name + ': ' + entry[0]);
            }
        }`);
});

test("importing the browser's modules in Node does nothing either: pages are rendered on servers", () => {
    const files = importable.map(
        (name) => `file://${join(PACKAGE, manifest.exports[name.replace('mini-bitcask', '.')].default)}`,
    );
    run(`for (const file of ${JSON.stringify(files)}) await import(file);
        const started = process.getActiveResourcesInfo().filter((what) => !what.endsWith('Req'));
        if (started.length > 0) throw new Error('they started ' + started);`);
});

test('the types fit programs that are compiled strictly, with all of the library checked', () => {
    const folder = mkdtempSync(join(PROJECT, 'node_modules', '.types-'));
    try {
        const lines = importable.map((name, at) => `export * as entry${at} from '${name}';`);
        writeFileSync(join(folder, 'all.ts'), `${lines.join('\n')}\n`);
        for (const [module, moduleResolution] of [
            ['node16', 'node16'],
            ['nodenext', 'nodenext'],
            ['esnext', 'bundler'],
        ]) {
            const options = {
                module,
                moduleResolution,
                target: 'es2022',
                lib: ['es2022', 'dom', 'dom.iterable', 'dom.asynciterable'],
            };
            const strict = {
                strict: true,
                exactOptionalPropertyTypes: true,
                skipLibCheck: false,
                noEmit: true,
                types: [],
            };
            writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
            writeFileSync(
                join(folder, 'tsconfig.json'),
                JSON.stringify({ compilerOptions: { ...options, ...strict }, files: ['all.ts'] }),
            );
            try {
                execFileSync(process.execPath, [join(PROJECT, 'node_modules/typescript/bin/tsc'), '-p', folder], {
                    encoding: 'utf8',
                });
            } catch (error) {
                // The libraries that adapters are for need types of Node, and of libraries of their own.
                const ours = error.stdout.split('\n').filter((line) => /^\S*(mini-bitcask\/|all\.ts)/.test(line));
                assert.deepEqual(ours, [], module);
            }
        }
    } finally {
        rmSync(folder, { recursive: true });
    }
});

/** Runs a module in a process of its own, in this project. */
function run(script) {
    try {
        execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
            cwd: PROJECT,
            encoding: 'utf8',
            stdio: 'pipe',
        });
    } catch (error) {
        assert.fail(error.stderr);
    }
}
