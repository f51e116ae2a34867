/** Test pages: bundled by esbuild against the package as it is installed, and served with it. */
import { build } from 'esbuild';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from './server.mjs';

/** The folder whose node_modules/mini-bitcask is tested. */
export const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)));
/** The package, as it was packed and installed. */
export const PACKAGE = join(PROJECT, 'node_modules', 'mini-bitcask');

/**
 * What a page does that is told nothing else: it has the package as `bitcask`, and runs what a test sends
 * ({@link Page.run}).
 */
const PAGE = "import * as bitcask from 'mini-bitcask'; globalThis.bitcask = bitcask; globalThis.ready = true;";

/**
 * Serves a page at `/` that loads `/page.js`, and the package beside it, unbundled, as a browser without any tool loads
 * it. The page's own script may import it by name, and other libraries.
 *
 * @param {object} [options]
 * @param {string} [options.page] The page's source, with its imports resolved from tests/npm.
 * @param {Record<string, string>} [options.entries] Files to bundle: `{ page: 'file', worker: 'file' }` become
 *   `/page.js` and `/worker.js`. Absolute paths, or from tests/npm.
 * @param {Record<string, string>} [options.define] As of esbuild: what free names in the sources stand for.
 * @param {Record<string, string>} [options.alias] As of esbuild: modules that take the place of others.
 * @param {string[]} [options.inject] As of esbuild: files whose exports are what free names stand for.
 * And all that {@link serve} takes.
 */
export async function serveSite({
    page = PAGE,
    entries = {},
    define = {},
    alias = {},
    inject = [],
    folders = {},
    texts = {},
    ...rest
} = {}) {
    const options = { define, alias, inject };
    const bundled = entries.page === undefined ? { '/page.js': await bundle({ source: page, ...options }) } : {};
    for (const [name, file] of Object.entries(entries)) bundled[`/${name}.js`] = await bundle({ file, ...options });
    return serve({
        folders: { '/node_modules/mini-bitcask/': PACKAGE, ...folders },
        texts: { '/': html('/page.js'), ...bundled, ...texts },
        ...rest,
    });
}

/** A page with one module script. The icon is named since browsers complain where there is none. */
export function html(script) {
    return `<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">
<script type="module" src="${script}"></script>`;
}

/** One script from a file or a source, with all its libraries but the package itself, which stays where it is. */
export async function bundle({ file, source, define = {}, alias = {}, inject = [], format = 'esm' }) {
    const result = await build({
        ...(file === undefined ? { stdin: { contents: source, resolveDir: PROJECT } } : { entryPoints: [file] }),
        absWorkingDir: PROJECT,
        alias,
        bundle: true,
        define: { __dirname: '"/"', global: 'globalThis', 'process.env.NODE_ENV': '"test"', ...define },
        format,
        inject,
        logLevel: 'error',
        platform: 'browser',
        plugins: [packageByAddress],
        sourcemap: 'inline',
        target: 'es2022',
        write: false,
    });
    return result.outputFiles[0].text;
}

/**
 * The entries of the package that load their neighbours by address (the worker, the engine) are served as they are;
 * its adapters are bundled with the libraries that they need.
 */
const packageByAddress = {
    name: 'package-by-address',
    setup({ onResolve, resolve }) {
        onResolve({ filter: /^mini-bitcask|^\.\.?\// }, async ({ path, kind, resolveDir, pluginData }) => {
            if (pluginData === 'again' || kind === 'entry-point') return undefined;
            // What other libraries import of themselves is theirs: resolved here, it loses what they say of browsers.
            if (path.startsWith('.') && relative(PACKAGE, resolveDir).startsWith('..')) return undefined;
            const found = await resolve(path, { kind, resolveDir, pluginData: 'again' });
            const inPackage = relative(join(PACKAGE, 'dist'), found.path);
            if (!['index.js', 'sync.js', 'worker.js', 'inline.js'].includes(inPackage)) return found;
            return { path: `/node_modules/mini-bitcask/dist/${inPackage.split(sep).join('/')}`, external: true };
        });
    },
};
