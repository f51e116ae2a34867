/** The modules of dist/, by esbuild. */
import { build } from 'esbuild';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { filesBelow } from './run.mjs';

const BINDING = resolve('../pkg/bitcask_wasm.js');
const ADAPTERS = ['level', 'keyv', 'unstorage', 'datastore', 'idb-keyval'].map((name) => [
    name,
    `src/adapters/${name}.ts`,
]);
const USERS_OF_INDEX = [...ADAPTERS, ['migrate', 'src/migrate/index.ts']];
const COMMON = {
    bundle: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
    minify: true,
    sourcemap: true,
};

/** Builds all entries that have a source. Returns what is missing or wrong, in sentences. */
export async function buildModules() {
    const problems = [];
    const present = ([, source]) => existsSync(source) || void problems.push(`${source} is missing`);
    // One entry that does not build is no reason to have none.
    const attempt = (building) => building.catch((error) => void problems.push(error.message));

    // Each entry by itself: a worker must be one file, and a page that never needs an adapter never loads a shared part.
    const browser = [['worker', 'src/worker.ts'], ['sync', 'src/sync.ts'], ...USERS_OF_INDEX];
    // The page's door is small; what an open store needs is a part of its own, which it loads while the worker starts.
    if (present(['index', 'src/index.ts'])) {
        const plugins = [binding(), inlineWorker()];
        const options = { platform: 'browser', plugins, splitting: true, chunkNames: '[name]-[hash]' };
        await attempt(bundleMany([['index', 'src/index.ts']], options));
    }
    for (const [name, source] of browser.filter(present)) {
        const external = { 'src/index.ts': './index.js' };
        const plugins = [binding(), sibling(external), inlineWorker()];
        await attempt(bundle(name, source, { platform: 'browser', plugins }));
    }
    if (present(['inline', 'src/inline-worker.ts'])) await attempt(buildInline());

    // In Node both interfaces share what they are made of: a program may well use the two on one store.
    const node = [
        ['node', 'src/node.ts'],
        ['node-sync', 'src/node-sync.ts'],
    ].filter(present);
    if (node.length > 0) {
        const options = { platform: 'node', target: 'node18', splitting: true, chunkNames: 'node-[hash]' };
        await attempt(bundleMany(node, options));
    }
    for (const [name, source] of USERS_OF_INDEX.filter(([, source]) => existsSync(source))) {
        const plugins = [binding(), sibling({ 'src/index.ts': './node.js' })];
        await attempt(bundle(`node-${name}`, source, { platform: 'node', target: 'node18', plugins }));
    }
    problems.push(...strayReferences());
    return problems;
}

/** The modules of src/ one by one in dist-test/, importing one another. Nothing is in them twice, so classes stay the same. */
export async function buildTestModules() {
    const sources = filesBelow('src', '.ts').filter(
        (path) => !path.endsWith('.d.ts') && !path.endsWith('inline-worker.ts'),
    );
    if (sources.length === 0) return;
    await build({
        ...COMMON,
        entryPoints: sources,
        outbase: 'src',
        outdir: 'dist-test',
        platform: 'neutral',
        minify: false,
        packages: 'external',
        plugins: [apart()],
    });
    const glue = { contents: withoutDefaultPath(readFileSync(BINDING, 'utf8')), loader: 'js' };
    await build({ ...COMMON, stdin: glue, minify: false, outfile: 'dist-test/wasm.js' });
    for (const name of ['bitcask_bg.wasm', 'inline.js', 'worker.js'].filter((name) => existsSync(`dist/${name}`))) {
        writeFileSync(`dist-test/${name}`, readFileSync(`dist/${name}`));
    }
}

async function bundle(name, source, options) {
    await bundleMany([[name, source]], options);
}

async function bundleMany(entries, options) {
    const result = await build({
        ...COMMON,
        entryPoints: Object.fromEntries(entries),
        outdir: 'dist',
        packages: 'external',
        plugins: [binding()],
        ...options,
    });
    mustNotBundleIndex(entries, result.metafile);
}

/** A class that is in two modules is two classes: `instanceof BitcaskError` would fail between an adapter and its store. */
function mustNotBundleIndex(entries, metafile) {
    for (const [name, source] of entries.filter(([, source]) => /^src\/(adapters|migrate)\//.test(source))) {
        const foreign = Object.keys(metafile.inputs).filter((path) => !/^src\/(adapters|migrate)\//.test(path));
        if (foreign.length > 0) {
            throw new Error(`${name} (${source}) holds a copy of ${foreign.join(', ')}: import it from '../index.js'`);
        }
    }
}

/** The worker that needs no second file, as a string that becomes a Blob. A classic script: blobs of modules fail in places. */
async function buildInline() {
    const temporary = 'dist/inline-worker.js';
    await build({
        ...COMMON,
        entryPoints: ['src/inline-worker.ts'],
        outfile: temporary,
        format: 'iife',
        platform: 'browser',
        sourcemap: false,
        plugins: [binding(), wasmBase64()],
        // A classic script has none, and nothing in it may ask.
        define: { 'import.meta.url': 'undefined' },
    });
    writeFileSync('dist/inline.js', `export const SOURCE=${JSON.stringify(readFileSync(temporary, 'utf8'))};\n`);
    rmSync(temporary);
}

/** `#wasm` is what wasm-bindgen made, less its own idea of where the engine is: bundlers would look for it there. */
function binding() {
    return plugin('binding', ({ onResolve, onLoad }) => {
        onResolve({ filter: /^#wasm$/ }, () => ({ path: BINDING }));
        onLoad({ filter: /bitcask_wasm\.js$/ }, ({ path }) => ({
            contents: withoutDefaultPath(readFileSync(path, 'utf8')),
            loader: 'js',
        }));
    });
}

function withoutDefaultPath(glue) {
    return glue.replace(
        /module_or_path = new URL\('bitcask_wasm_bg\.wasm', import\.meta\.url\);/,
        "throw new TypeError('Say where the engine is.');",
    );
}

/** Imports of some sources become imports of the files beside the output. */
function sibling(external) {
    return plugin('sibling', ({ onResolve }) => {
        onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir, kind }) => {
            if (kind === 'entry-point') return undefined;
            const source = relative(process.cwd(), join(resolveDir, path)).replace(/\.js$/, '.ts');
            return external[source] ? { path: external[source], external: true } : undefined;
        });
    });
}

/** `import('./inline.js')` stays an import: a page loads it only where the worker's file does not load. */
function inlineWorker() {
    return plugin('inline-worker', ({ onResolve }) => {
        onResolve({ filter: /\/inline\.js$/ }, () => ({ path: './inline.js', external: true }));
    });
}

function wasmBase64() {
    return plugin('wasm-base64', ({ onResolve, onLoad }) => {
        onResolve({ filter: /^virtual:wasm-base64$/ }, ({ path }) => ({ path, namespace: 'virtual' }));
        onLoad({ filter: /.*/, namespace: 'virtual' }, () => ({
            contents: `export const WASM_BASE64 = '${readFileSync('dist/bitcask_bg.wasm').toString('base64')}';`,
        }));
    });
}

/** Every import stays one. */
function apart() {
    return plugin('apart', ({ onResolve }) => {
        onResolve({ filter: /^\.\.?\// }, ({ path, kind }) =>
            kind === 'entry-point' ? undefined : { path, external: true },
        );
        onResolve({ filter: /^#wasm$/ }, ({ importer }) => {
            const depth = relative('src', importer).split(/[/\\]/).length - 1;
            return { path: `${'../'.repeat(depth) || './'}wasm.js`, external: true };
        });
    });
}

/** What no published file may say. */
function strayReferences() {
    return filesBelow('dist', '.js')
        .filter((path) => readFileSync(path, 'utf8').includes('bitcask_wasm_bg.wasm'))
        .map((path) => `${basename(path)} names bitcask_wasm_bg.wasm, which bundlers would look for`);
}

function plugin(name, setup) {
    return { name, setup };
}

mkdirSync('dist', { recursive: true });
