/**
 * Stores in memory: for tests, and where there is nothing else. They last as long as the process or the worker.
 */

import { BitcaskError } from '../errors.js';
import { type ChunkFile, ChunkFolder } from './chunks.js';

/** All of this process or worker, so that a store that was closed opens again with what it had. */
const stores = new Map<string, { readonly files: Map<number, ChunkFile>; open: boolean }>();

/** The files of one store. */
export class MemoryFolder extends ChunkFolder {
    readonly #name: string;
    #open = true;

    constructor(name: string, files: Map<number, ChunkFile>) {
        super(files);
        this.#name = name;
    }

    /** Gives it back, so that it can be opened again. What it holds stays. */
    close(): void {
        // Once: it may be somebody else's by now.
        if (!this.#open) return;
        this.#open = false;
        const store = stores.get(this.#name);
        if (store) store.open = false;
        // Nobody misses one that was never written to.
        if (!this.files.size) stores.delete(this.#name);
    }
}

/** Opens the files of a store, or begins with none. `LOCKED`: it is open here already. */
export function openMemory(name: string): MemoryFolder {
    let store = stores.get(name);
    if (store?.open) throw new BitcaskError('LOCKED', `the store "${name}" is open here already`);
    if (!store) stores.set(name, (store = { files: new Map(), open: true }));
    store.open = true;
    return new MemoryFolder(name, store.files);
}

/** Forgets a store that is not open. */
export function destroyMemory(name: string): void {
    if (stores.get(name)?.open) throw new BitcaskError('LOCKED', `the store "${name}" is open here`);
    stores.delete(name);
}
