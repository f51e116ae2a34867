/**
 * The engine in Node: in this process, on files.
 */

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import init, { Engine } from '#wasm';
import { BitcaskError } from './errors.js';
import { openMemory } from './folder/memory.js';
import { openNode } from './folder/node.js';
import { Host, type HostOptions } from './host.js';
import { engineOptions } from './engine-options.js';
import { LOCK_TIMEOUT_MS } from './names.js';
import type { Backend, OpenOptions, RecoveryReport } from './types.js';

/** What other processes are told about who has a store open. */
export const PROGRAM = 'mini-bitcask in Node';
/** Where stores are that have a name and no path. */
const DIRECTORY = '.mini-bitcask';

/** The folder of a store. A name with a slash, or one that begins with a dot, is a path by itself. */
export function pathOf(name: string, { directory = DIRECTORY }: Pick<OpenOptions, 'directory'>): string {
    return /[/\\]/.test(name) || name.startsWith('.') ? resolve(name) : resolve(join(directory, name));
}

/** Opens a store in this process. */
export async function openNodeHost(
    name: string,
    options: HostOptions & Pick<OpenOptions, 'signal' | 'wasm'>,
): Promise<Host> {
    if (name === '') throw new BitcaskError('INVALID', 'the name of the store is empty');
    options.signal?.throwIfAborted();
    await load(options.wasm);
    let refusal = new BitcaskError('UNSUPPORTED', 'the options name no storage that Node has');
    for (const backend of [options.storage ?? 'node'].flat()) {
        if (backend === 'node') return openFiles(pathOf(name, options), options);
        if (backend === 'memory') return openInMemory(name, options);
        refusal = new BitcaskError('UNSUPPORTED', `Node has no storage "${backend}"`);
    }
    throw refusal;
}

async function openFiles(path: string, options: HostOptions & Pick<OpenOptions, 'signal'>): Promise<Host> {
    const { create = true, readOnly = false, lock = true, signal, errorIfExists } = options;
    const { lockTimeout = LOCK_TIMEOUT_MS } = options;
    const began = performance.now();
    const folder = await openNode(path, {
        create,
        readOnly,
        lock,
        lockTimeout,
        program: PROGRAM,
        ...(signal ? { signal } : {}),
    });
    try {
        if (errorIfExists && folder.list().length > 0) throw new BitcaskError('EXISTS', `there is a store in ${path}`);
        const engine = Engine.openFolder(folder, engineOptions(options));
        return hostOf('node', engine, () => folder.close(), options, began);
    } catch (error) {
        folder.close();
        throw BitcaskError.from(error);
    }
}

function openInMemory(name: string, options: HostOptions): Host {
    const began = performance.now();
    const folder = openMemory(name);
    try {
        if (options.errorIfExists && folder.list().length > 0)
            throw new BitcaskError('EXISTS', 'the store is there already');
        const engine = Engine.openFolder(folder, engineOptions(options));
        return hostOf('memory', engine, () => folder.close(), options, began);
    } catch (error) {
        folder.close();
        throw BitcaskError.from(error);
    }
}

function hostOf(backend: Backend, engine: Engine, release: () => void, options: HostOptions, began: number): Host {
    const recovery = { ...(engine.recovery as unknown as RecoveryReport), took: performance.now() - began };
    return new Host(engine, { release }, options, { backend, durable: backend === 'node', recovery });
}

/** Loaded once for all stores of the process. */
let loaded: Promise<unknown> | undefined;

async function load(wasm: OpenOptions['wasm']): Promise<void> {
    loaded ??= (async () => init({ module_or_path: await moduleOf(wasm) }))();
    try {
        await loaded;
    } catch (error) {
        loaded = undefined;
        throw new BitcaskError('UNSUPPORTED', 'the engine cannot be loaded', { cause: error });
    }
}

async function moduleOf(wasm: OpenOptions['wasm']): Promise<BufferSource | WebAssembly.Module> {
    if (wasm !== undefined && typeof wasm !== 'string' && !(wasm instanceof URL)) return wasm;
    return readFile(wasm ?? new URL('./bitcask_bg.wasm', import.meta.url));
}
