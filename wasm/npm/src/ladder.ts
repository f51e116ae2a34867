/**
 * Where a browser keeps a store: the first place that works.
 */

import { Engine, Opfs } from '#wasm';
import { engineOptions } from './engine-options.js';
import { BitcaskError } from './errors.js';
import { openIndexedDb } from './folder/indexeddb.js';
import { openMemory } from './folder/memory.js';
import { SlotFolder, type Slots } from './folder/opfs.js';
import { Host, type HostOptions, type Place } from './host.js';
import { lockStore } from './lock.js';
import { FOLDER } from './names.js';
import type { Backend, RecoveryReport } from './types.js';

/** Smaller than natively: what a merge needs beside the store counts against the quota. */
const SEGMENT_BYTES = 16 * 1024 * 1024;
/** After a page or a worker has ended, its browser may take this long to give its files back. */
const HANDLES_WAIT_MS = 5_000;

const LADDER: readonly Backend[] = ['opfs', 'indexeddb', 'memory'];

interface Found {
    engine: Engine;
    place: Place;
    durable: boolean;
}

/** What is to be opened. */
interface Wanted {
    name: string;
    options: HostOptions;
    /** Says when the engine is there. */
    loaded: Promise<unknown>;
    /** The folder of all stores, where files are allowed. */
    files: Promise<FileSystemDirectoryHandle> | undefined;
}

/** Opens a store in a worker, where the options allow it. The files open while the engine loads: `loaded` says when it is there. */
export async function openHost(
    name: string,
    options: HostOptions,
    loaded: Promise<unknown>,
    signal?: AbortSignal,
): Promise<Host> {
    // Whoever fails before does not wait for it.
    loaded.catch(() => undefined);
    if (!/^[a-z0-9-]{1,128}$/.test(name)) {
        throw new BitcaskError(
            'INVALID',
            `"${name}" is no name of a store: 1 to 128 of the characters a-z, 0-9 and - are`,
        );
    }
    const allowed = [options.storage ?? LADDER].flat();
    // Both take their time, and neither needs the other.
    const files = allowed.includes('opfs') ? SlotFolder.ofAll(options.create ?? true) : undefined;
    files?.catch(() => undefined);
    const release = await lockStore(name, options.lockTimeout, signal);
    try {
        let refusal: unknown = new BitcaskError('UNSUPPORTED', 'the options name no storage that browsers have');
        let hidden = false;
        for (const backend of allowed) {
            try {
                const began = performance.now();
                const { engine, place, durable } = await open(backend, { name, options, loaded, files }, hidden);
                const recovery = engine.recovery as unknown as RecoveryReport;
                if (options.errorIfExists && !recovery.created) {
                    engine.abandon();
                    await place.release();
                    throw new BitcaskError('EXISTS', `the store "${name}" is there already`);
                }
                const opened = { backend, durable, recovery: { ...recovery, took: performance.now() - began } };
                const both = { ...place, release: async () => (await place.release(), release()) };
                return new Host(engine, both, options, opened);
            } catch (thrown) {
                const error = BitcaskError.from(thrown);
                // Only a place that is not there is passed over: a store that is there and cannot be opened is not.
                if (error.code !== 'UNSUPPORTED') throw error;
                hidden ||= /SecurityError/.test(error.message);
                refusal = error;
            }
        }
        throw refusal;
    } catch (error) {
        release();
        throw error;
    }
}

/** `hidden`: files were refused for the sake of privacy, so that all else is thrown away too. */
async function open(backend: Backend, wanted: Wanted, hidden: boolean): Promise<Found> {
    if (backend === 'opfs') return openOpfs(wanted);
    const { name, options, loaded } = wanted;
    await loaded;
    if (backend === 'indexeddb') return openCopy(name, options, hidden);
    if (backend === 'memory') return openInMemory(name, options);
    throw new BitcaskError('UNSUPPORTED', `browsers have no storage "${backend}"`);
}

async function openOpfs({ name, options, loaded, files }: Wanted): Promise<Found> {
    const create = options.create ?? true;
    const folder = await SlotFolder.open(name, create, files ?? SlotFolder.ofAll(create));
    const { numbers, handles } = await openSlots(folder);
    try {
        await loaded;
    } catch (error) {
        for (const handle of handles) handle.close();
        throw error;
    }
    const slots = new Opfs(numbers, handles);
    try {
        await folder.prepare(slots);
    } catch (error) {
        slots.free();
        throw error;
    }
    const engine = Engine.openOpfs(slots, engineOptions(options, SEGMENT_BYTES));
    const place: Place = {
        prepare: (engine) => folder.prepare(engine),
        exists: () => slotExists(name),
        release: () => undefined,
    };
    // Opening may have taken slots. Where this fails, the next one says so.
    await place.prepare?.(engine).catch(() => undefined);
    return { engine, place, durable: true };
}

/** The lock is ours: who had the files before is gone, and the browser gives them back soon. */
async function openSlots(folder: SlotFolder): Promise<Slots> {
    const until = performance.now() + HANDLES_WAIT_MS;
    for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
        try {
            return await folder.openAll();
        } catch (error) {
            if ((error as BitcaskError).code !== 'LOCKED' || until < performance.now()) throw error;
            await new Promise((resolve) => setTimeout(resolve, pause));
        }
    }
}

function openInMemory(name: string, options: HostOptions): Found {
    const folder = openMemory(name);
    try {
        const engine = Engine.openFolder(folder, engineOptions(options, SEGMENT_BYTES));
        return { engine, place: { release: () => folder.close() }, durable: false };
    } catch (error) {
        folder.close();
        throw error;
    }
}

async function slotExists(name: string): Promise<boolean> {
    try {
        const root = await navigator.storage.getDirectory();
        const folder = await (await root.getDirectoryHandle(FOLDER)).getDirectoryHandle(name);
        await folder.getFileHandle('slot-00');
        return true;
    } catch (error) {
        return (error as Error).name !== 'NotFoundError';
    }
}

async function openCopy(name: string, options: HostOptions, hidden: boolean): Promise<Found> {
    const { create = true, readOnly = false } = options;
    const strict = options.durability === 'always';
    let folder = await openIndexedDb(name, { create, readOnly });
    const openEngine = async (): Promise<Engine> => {
        try {
            const engine = Engine.openFolder(folder, engineOptions(options, SEGMENT_BYTES));
            // What opening itself wrote is there before the first call is answered.
            await folder.commit({ strict: true });
            return engine;
        } catch (error) {
            folder.close();
            throw error;
        }
    };
    const engine = await openEngine();
    const place = {
        // Also where nothing was changed: what was committed before is to be durable, if it is not yet.
        commit: (now: boolean) => folder.commit({ strict: now || strict }),
        reopen: async () => {
            folder.close();
            folder = await openIndexedDb(name, { create: false, readOnly });
            return openEngine();
        },
        release: () => folder.close(),
    };
    return { engine, place, durable: !hidden };
}
