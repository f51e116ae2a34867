/** The page with its workers: bundled by esbuild, but for our package, which is served as it was packed. */
import { build } from 'esbuild';
import { join } from 'node:path';
import { serve } from '../../tests/npm/harness/server.mjs';
import { HERE, PROJECT } from './settings.mjs';

const PACKAGE = process.env.BENCH_PACKAGE ?? join(PROJECT, 'tests/npm/node_modules/mini-bitcask/dist');

const ENTRIES = ['page', 'worker', 'serve-bare-log', 'serve-sqlite', 'serve-opfs-btree'];

/** Serves until `close`. */
export async function serveSite() {
    const { outputFiles } = await build({
        entryPoints: ENTRIES.map((name) => join(HERE, 'page', `${name}.mjs`)),
        bundle: true,
        define: { global: 'globalThis' },
        format: 'esm',
        logLevel: 'error',
        minify: true,
        outdir: '/',
        platform: 'browser',
        plugins: [packageByAddress],
        target: 'es2022',
        write: false,
    });
    return serve({
        folders: {
            '/mini-bitcask/': PACKAGE,
            '/sqlite/': join(HERE, 'node_modules/@sqlite.org/sqlite-wasm/dist'),
            '/opfs-btree/': join(HERE, 'opfs-btree/pkg'),
        },
        texts: {
            '/': PAGE,
            ...Object.fromEntries(outputFiles.map(({ path, text }) => [path, text])),
        },
        // Only such a page has a clock of microseconds. None of the stores needs these headers.
        headers: { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' },
    });
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>mini-bitcask: benchmark</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>`;

const packageByAddress = {
    name: 'package-by-address',
    setup({ onResolve }) {
        onResolve({ filter: /^mini-bitcask/ }, ({ path }) => {
            const entry = path === 'mini-bitcask' ? 'index' : path.slice('mini-bitcask/'.length);
            return { path: `/mini-bitcask/${entry}.js`, external: true };
        });
    },
};
