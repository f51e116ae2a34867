/** The declarations of dist/types/, by tsc. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { filesBelow, run } from './run.mjs';

const TYPES = 'dist/types';

/** Writes the declarations that the entries reach, and no others. Returns what is wrong, in sentences. */
export async function buildDeclarations() {
    const problems = [];
    await run(process.execPath, ['node_modules/typescript/bin/tsc']).catch(() => problems.push('the types do not fit'));
    const published = reachable();
    for (const path of filesBelow(TYPES, '.d.ts')) {
        if (!published.has(normalize(path))) rmSync(path);
    }
    for (const path of published) declareDisposable(path);
    return problems;
}

/** The files that the exports map names, and what they import. */
function reachable() {
    const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));
    const found = new Set();
    const waiting = Object.values(exports)
        .flatMap((entry) => entry.types ?? [])
        .map(normalize);
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
        if (found.has(path) || !existsSync(path)) continue;
        found.add(path);
        for (const [, specifier] of readFileSync(path, 'utf8').matchAll(/(?:from|import)[ (]*['"](\.[^'"]*)['"]/g)) {
            waiting.push(normalize(join(dirname(path), specifier.replace(/\.js$/, '.d.ts'))));
        }
    }
    return found;
}

/** Programs that are compiled without the newest library know no `Symbol.asyncDispose`: the file itself asks for it. */
function declareDisposable(path) {
    const text = readFileSync(path, 'utf8');
    if (/Symbol\.(asyncDispose|dispose)/.test(text) && !text.includes('lib="esnext.disposable"')) {
        writeFileSync(path, `/// <reference lib="esnext.disposable" />\n${text}`);
    }
}
