/**
 * The tools, each with what its documentation says is the least configuration. `script` runs in the app's folder, where the
 * tool is installed; it makes a folder to be served, or serves by itself and prints the address.
 */

const VITE_BUILD = "const { build } = await import('vite'); await build({ logLevel: 'error' });";
const VITE_DEV = `const { createServer } = await import('vite');
    const server = await createServer({ logLevel: 'error', server: { host: 'localhost', port: 0 } });
    await server.listen();
    console.log(server.resolvedUrls.local[0]);`;
/** Advice on the size of files is not about the package: every engine in WebAssembly gets it. */
const REFUSE_WARNINGS = `const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
            const told = [...errors, ...warnings.filter(({ message }) => !/size limit|code splitting|lazy load/i.test(message))];
            if (told.length > 0) throw new Error(stats.toString());`;
const WITH_HTML = "const { copyFileSync } = await import('node:fs'); copyFileSync('index.html', 'dist/index.html');";

/** In the order of the table. `page`: what replaces the page of the app. */
export const TOOLS = [
    {
        name: 'none (import map)',
        install: {},
        serves: '.',
        page: (html) =>
            html.replace(
                '<script',
                '<script type="importmap">{ "imports": { "mini-bitcask": "./node_modules/mini-bitcask/dist/index.js" } }</script>\n<script',
            ),
    },
    ...[
        ['vite 8', '8.3.8'],
        ['vite 7', '7.3.8'],
        ['vite 6', '6.4.6'],
    ].flatMap(([name, vite]) => [
        { name: `${name} dev`, install: { vite }, script: VITE_DEV, stays: true },
        { name: `${name} build`, install: { vite }, script: VITE_BUILD, serves: 'dist' },
    ]),
    {
        name: 'webpack',
        install: { webpack: '5.112.2' },
        script: `const { default: webpack } = await import('webpack');
            const options = { mode: 'production', entry: './main.js', output: { path: process.cwd() + '/dist', filename: 'main.js' } };
            const stats = await new Promise((resolve, reject) => webpack(options, (error, stats) => (error ? reject(error) : resolve(stats))));
            ${REFUSE_WARNINGS}
            ${WITH_HTML}`,
        serves: 'dist',
    },
    {
        name: 'rspack',
        install: { '@rspack/core': '2.3.2' },
        script: `const { rspack } = await import('@rspack/core');
            const options = { mode: 'production', entry: './main.js', output: { path: process.cwd() + '/dist', filename: 'main.js' } };
            const stats = await new Promise((resolve, reject) => rspack(options, (error, stats) => (error ? reject(error) : resolve(stats))));
            ${REFUSE_WARNINGS}
            ${WITH_HTML}`,
        serves: 'dist',
    },
    {
        name: 'rollup',
        install: { rollup: '4.68.7', '@rollup/plugin-node-resolve': '16.0.3' },
        script: `const { rollup } = await import('rollup');
            const { default: nodeResolve } = await import('@rollup/plugin-node-resolve');
            const built = await rollup({ input: 'main.js', plugins: [nodeResolve({ browser: true })] });
            await built.write({ dir: 'dist', format: 'es' });
            ${WITH_HTML}`,
        serves: 'dist',
    },
    {
        name: 'esbuild',
        install: { esbuild: '0.28.2' },
        script: `const { build } = await import('esbuild');
            await build({ entryPoints: ['main.js'], bundle: true, format: 'esm', splitting: true, minify: true, outdir: 'dist' });
            ${WITH_HTML}`,
        serves: 'dist',
    },
    {
        name: 'esbuild iife',
        install: { esbuild: '0.28.2' },
        script: `const { build } = await import('esbuild');
            await build({ entryPoints: ['main.js'], bundle: true, format: 'iife', outfile: 'dist/main.js', logOverride: { 'empty-import-meta': 'silent' } });
            ${WITH_HTML}`,
        serves: 'dist',
    },
    {
        name: 'parcel',
        install: { parcel: '2.16.4' },
        script: `const { Parcel } = await import('@parcel/core');
            const options = { entries: 'index.html', defaultConfig: '@parcel/config-default', mode: 'production', cacheDir: '.parcel-cache' };
            await new Parcel({ ...options, defaultTargetOptions: { distDir: 'dist', publicUrl: './' } }).run();`,
        serves: 'dist',
    },
];
