/** How large the package is, and may be. */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { filesBelow } from './run.mjs';

/** Bytes, gzipped: of files, and of the files that they import at once. `page-*.js` is the one of that kind. */
const LIMITS = [
    { what: 'page entry', files: ['index.js'], max: 6_000 },
    { what: 'page entry and what it loads while the worker starts', files: ['index.js', 'page-*.js'], max: 15_300 },
    // The goal is 60,000, and 75,000 with the worker. Until it is reached these only tell of growth.
    { what: 'engine', files: ['bitcask_bg.wasm'], max: 145_000 },
    { what: 'engine and worker', files: ['bitcask_bg.wasm', 'worker.js'], max: 156_500 },
    // Three migrations: who uses one has that one only, once bundled.
    { what: 'migrate', files: ['migrate.js'], alone: true, max: 2_500 },
    ...['level', 'keyv', 'unstorage', 'datastore', 'idb-keyval'].map((name) => ({
        what: name,
        files: [`${name}.js`],
        alone: true,
        max: 2_000,
    })),
];

/** The sizes of the scripts and the engine in a folder: `Map` of a name to its bytes, plain and gzipped. */
function sizes(folder) {
    const paths = filesBelow(folder, '.js', '.wasm');
    return new Map(
        paths.map((path) => {
            const bytes = readFileSync(path);
            return [relative(folder, path), { plain: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length }];
        }),
    );
}

/** What is larger than it may be, or not there, in sentences. */
export function tooLarge(folder) {
    return weigh(folder).flatMap(({ what, files, max, total }) => {
        if (files.length === 0) return [`there is no ${what} to weigh`];
        return total > max ? [`${what} (${files.join(' + ')}) has ${total} bytes gzipped, and may have ${max}`] : [];
    });
}

function weigh(folder) {
    const found = sizes(folder);
    return LIMITS.map(({ what, files, alone, max }) => {
        const named = files.map((name) => [...found.keys()].filter((file) => matches(file, name)));
        const missing = named.some((names) => names.length === 0);
        const all = missing ? [] : [...withImports(folder, named.flat(), alone)];
        return { what, max, files: all, total: all.reduce((sum, name) => sum + found.get(name).gzip, 0) };
    });
}

function matches(file, name) {
    const [start, end] = name.split('*');
    return end === undefined ? file === name : file.startsWith(start) && file.endsWith(end);
}

function withImports(folder, names, alone) {
    const found = new Set();
    const waiting = [...names];
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
        if (found.has(name)) continue;
        found.add(name);
        if (alone || !name.endsWith('.js')) continue;
        const text = readFileSync(join(folder, name), 'utf8');
        for (const [, other] of text.matchAll(/\b(?:from|import)\s*["']\.\/([^"']+)["']/g)) waiting.push(other);
    }
    return found;
}

/** For people. */
export function table(folder) {
    const row = (name, plain, gzip) => `${name.padEnd(24)}${String(plain).padStart(9)}${String(gzip).padStart(9)}`;
    const rows = [...sizes(folder)].map(([name, size]) => row(name, size.plain, size.gzip));
    const sums = weigh(folder).map(
        ({ what, max, total }) => `${String(total).padStart(8)} of ${String(max).padStart(6)}  ${what}`,
    );
    return [row('dist/', 'bytes', 'gzip'), ...rows, '', 'gzipped, of what may be', ...sums].join('\n');
}
