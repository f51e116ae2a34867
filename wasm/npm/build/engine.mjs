/** The engine: Rust to WebAssembly by wasm-pack, made smaller and faster by wasm-opt. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { run } from './run.mjs';

const PROJECT = '../..';
const PKG = '../pkg';
const CACHE = join(process.env.CARGO_TARGET_DIR ?? join(PROJECT, 'target'), 'npm', 'wasm-opt');
/** `-Oz` saves 0.2 % more. The features are what wasm-bindgen's output uses, and every browser with OPFS has. */
const FLAGS = ['-O3', '--strip-producers', '--enable-bulk-memory', '--enable-nontrapping-float-to-int'];
FLAGS.push('--enable-sign-ext', '--enable-mutable-globals', '--enable-reference-types', '--enable-multivalue');

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
    const env = { ...process.env, PATH: path, CARGO_ENCODED_RUSTFLAGS: rustFlags() };
    await run('wasm-pack', ['--quiet', 'build', '..', ...flags], env);
}

/**
 * How far functions are copied into their callers, in LLVM's measure, whose own choice is 225: the engine becomes a thirteenth
 * smaller (167 to 155 kB gzipped), and what is called a thousand times takes 8 to 18 % more of a processor (sets, gets, scans, merges on
 * files in memory), the first calls no more. Half of that is had back where the engine's small hot functions say `#[inline]`, which this
 * does not limit, and it is no larger for it.
 */
const INLINED_MAX = 25;

function rustFlags() {
    return [`-Cllvm-args=-inline-threshold=${INLINED_MAX}`, ...withoutPaths()].join('\x1f');
}

/** Panics name source files: nobody shall load, or learn, where they were when the engine was built. */
function withoutPaths() {
    const sysroot = execFileSync('rustc', ['--print', 'sysroot'], { encoding: 'utf8', cwd: PROJECT }).trim();
    const cargo = process.env.CARGO_HOME ?? join(homedir(), '.cargo');
    const folders = [join(sysroot, 'lib/rustlib/src/rust/library'), join(cargo, 'registry/src'), resolve(PROJECT)];
    return folders.map((folder) => `--remap-path-prefix=${folder}=`);
}
