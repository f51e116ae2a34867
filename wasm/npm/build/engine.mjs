/** The engine: Rust to WebAssembly by wasm-pack, made smaller and faster by wasm-opt. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from './run.mjs';

const PROJECT = '../..';
const PKG = '../pkg';
const CACHE = join(process.env.CARGO_TARGET_DIR ?? join(PROJECT, 'target'), 'npm', 'wasm-opt');
/** For speed: the size limits leave room. The features are what wasm-bindgen's output uses, and every browser with OPFS has. */
const FLAGS = ['-O3', '--enable-bulk-memory', '--enable-nontrapping-float-to-int', '--enable-sign-ext'];
FLAGS.push('--enable-mutable-globals', '--enable-reference-types', '--enable-multivalue');

/**
 * Brings dist/bitcask_bg.wasm and the binding in ../pkg up to date. Cargo knows what is stale; where nothing is, it takes
 * a second.
 */
export async function buildEngine({ rebuild }) {
    const raw = join(PKG, 'bitcask_wasm_bg.wasm');
    if (rebuild || !existsSync(raw)) await wasmPack();
    const bytes = readFileSync(raw);
    const cached = join(CACHE, `${createHash('sha256').update(FLAGS.join(' ')).update(bytes).digest('hex')}.wasm`);
    if (!existsSync(cached)) {
        mkdirSync(CACHE, { recursive: true });
        // The one from npm. Debian's breaks the output of wasm-bindgen and says nothing, so the PATH is not asked.
        await run(process.execPath, ['node_modules/binaryen/bin/wasm-opt', ...FLAGS, raw, '-o', cached]);
    }
    mkdirSync('dist', { recursive: true });
    copyFileSync(cached, 'dist/bitcask_bg.wasm');
}

async function wasmPack() {
    const path = [join(process.cwd(), PROJECT, '.tools/bin'), process.env.PATH].join(delimiter);
    const flags = ['--target', 'web', '--profile', 'browser', '--no-pack', '--no-opt', '--mode', 'no-install'];
    await run('wasm-pack', ['--quiet', 'build', '..', ...flags], { ...process.env, PATH: path });
}
