/** How large the package is, and may be. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { filesBelow } from './run.mjs';

/** Bytes, gzipped. */
const LIMITS = [
    { what: 'page entry', files: ['index.js'], max: 6_000 },
    { what: 'engine', files: ['bitcask_bg.wasm'], max: 60_000 },
    { what: 'engine and worker', files: ['bitcask_bg.wasm', 'worker.js'], max: 75_000 },
    ...['level', 'keyv', 'unstorage', 'datastore', 'idb-keyval', 'migrate'].map((name) => ({
        what: name,
        files: [`${name}.js`],
        max: 2_000,
    })),
];

/** The sizes of the scripts and the engine in a folder: `Map` of a name to its bytes, plain and gzipped. */
export function sizes(folder) {
    const paths = filesBelow(folder, '.js', '.wasm');
    return new Map(
        paths.map((path) => {
            const bytes = readFileSync(path);
            return [relative(folder, path), { plain: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length }];
        }),
    );
}

/** What is larger than it may be, or not there, in sentences. */
export function tooLarge(found) {
    return LIMITS.flatMap(({ what, files, max }) => {
        if (!files.every((name) => found.has(name))) return [`there is no ${files.join(' or ')} to weigh`];
        const total = files.reduce((sum, name) => sum + found.get(name).gzip, 0);
        return total > max ? [`${what} (${files.join(' + ')}) has ${total} bytes gzipped, and may have ${max}`] : [];
    });
}

/** For people. */
export function table(found) {
    const line = (name, plain, gzip) => `${name.padEnd(24)}${String(plain).padStart(9)}${String(gzip).padStart(9)}`;
    return [
        line('dist/', 'bytes', 'gzip'),
        ...[...found].map(([name, size]) => line(name, size.plain, size.gzip)),
    ].join('\n');
}
