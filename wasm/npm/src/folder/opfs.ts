/**
 * A store's folder in the Origin Private File System, and the opening of its files, the slots. What slots are for is said in
 * `wasm/src/lib.rs`; the engine reads and writes them, but whatever waits is here, so that it goes on while the engine loads.
 */

import type { Handle } from '#wasm';
import { BitcaskError, type ErrorCode } from '../errors.js';
import { FOLDER } from '../names.js';

/** Slots of a new store: two segments of its beginning, an output and a few to spare. */
const SLOTS_AT_FIRST = 8;
/** How often a slot is tried that may have been closed just now: a handle is let go some milliseconds later. */
const TRIES = 100;
const SLOT = /^slot-(\d\d|[1-9]\d\d)$/;

/** Numbers of slots, and as many open handles. */
export interface Slots {
    readonly numbers: Uint32Array;
    readonly handles: Handle[];
}

/** Whoever takes slots: the engine, or its pool before there is one. */
export interface Taker {
    slotsWanted(): Uint32Array;
    addSlots(asked: number, numbers: Uint32Array, handles: Handle[]): void;
}

/** What only a dedicated worker has. */
type SlotFile = FileSystemFileHandle & { createSyncAccessHandle(): Promise<Handle> };

/** An open folder. Its files are not, before they are asked for. */
export class SlotFolder {
    readonly #directory: FileSystemDirectoryHandle;

    private constructor(directory: FileSystemDirectoryHandle) {
        this.#directory = directory;
    }

    /** Opens the folder of this name. `NO_STORE`: there is none, and it was not to be made. */
    static async open(name: string, create: boolean): Promise<SlotFolder> {
        if (!('FileSystemSyncAccessHandle' in globalThis)) {
            throw unsupported('this is not a dedicated worker, or the browser is too old');
        }
        if (!navigator.storage?.getDirectory) throw unsupported("the page's origin is not secure");
        try {
            const root = await navigator.storage.getDirectory();
            const all = await root.getDirectoryHandle(FOLDER, { create });
            return new SlotFolder(await all.getDirectoryHandle(name, { create }));
        } catch (error) {
            if ((error as Error).name === 'NotFoundError') throw new BitcaskError('NO_STORE', 'there is no store here');
            throw failure(error);
        }
    }

    /** Opens all slots that there are, and makes those that a new store begins with: all of them or none. */
    async openAll(): Promise<Slots> {
        // The first slot alone before the others: of two who open at a time, one gets all of them.
        const first = await this.#open([0]);
        try {
            const numbers = new Set(Array.from({ length: SLOTS_AT_FIRST }, (_, number) => number));
            for await (const name of this.#directory.keys()) {
                const number = SLOT.exec(name)?.[1];
                if (number) numbers.add(Number(number));
            }
            numbers.delete(0);
            const others = await this.#open([...numbers]);
            return { numbers: Uint32Array.of(0, ...numbers), handles: [...first, ...others] };
        } catch (error) {
            for (const handle of first) handle.close();
            throw failure(error);
        }
    }

    /** Opens what is wanted and hands it over: for between two calls. What does not open is told afterwards. */
    async prepare(taker: Taker): Promise<void> {
        const wanted = taker.slotsWanted();
        if (wanted.length === 0) return taker.addSlots(0, wanted, []);
        const tried = await Promise.allSettled(Array.from(wanted, (number) => this.#reopen(number)));
        const handles = tried.flatMap((slot) => (slot.status === 'fulfilled' ? [slot.value] : []));
        const opened = wanted.filter((_, at) => tried[at]?.status === 'fulfilled');
        taker.addSlots(wanted.length, opened, handles);
        for (const slot of tried) if (slot.status === 'rejected') throw failure(slot.reason);
    }

    async #reopen(number: number): Promise<Handle> {
        for (let tries = 1; ; tries += 1) {
            try {
                return await this.#slot(number);
            } catch (error) {
                if (tries >= TRIES || failure(error).code !== 'LOCKED') throw error;
            }
        }
    }

    async #open(numbers: number[]): Promise<Handle[]> {
        // All are asked for before the first is waited for: Firefox takes 10 to 30 ms for each step.
        const tried = await Promise.allSettled(numbers.map((number) => this.#slot(number)));
        const failed = tried.find((slot) => slot.status === 'rejected');
        const handles = tried.flatMap((slot) => (slot.status === 'fulfilled' ? [slot.value] : []));
        if (!failed) return handles;
        // One that arrives unseen would keep its lock until the worker ends.
        for (const handle of handles) handle.close();
        throw failure(failed.reason);
    }

    async #slot(number: number): Promise<Handle> {
        const name = `slot-${String(number).padStart(2, '0')}`;
        const file = (await this.#directory.getFileHandle(name, { create: true })) as SlotFile;
        return file.createSyncAccessHandle();
    }
}

/** WebKit says the second for what the others call the first. */
const LOCKED = ['NoModificationAllowedError', 'InvalidStateError'];
const REFUSED = ['SecurityError', 'NotSupportedError', 'NotAllowedError'];

/** What the opening of a file says. */
function failure(thrown: unknown): BitcaskError {
    if (thrown instanceof BitcaskError) return thrown;
    const { name, message } = thrown as Error;
    if (LOCKED.includes(name)) {
        const advice = 'close it there, or wait for it';
        return new BitcaskError('LOCKED', 'the store is open in another tab or worker', { advice });
    }
    const said = message ? `${name}: ${message}` : name;
    if (REFUSED.includes(name)) return unsupported(said);
    const code: ErrorCode = BitcaskError.from(thrown).code;
    return new BitcaskError(code, `opening the store's folder failed: ${said}`, { cause: thrown });
}

function unsupported(why: string): BitcaskError {
    return new BitcaskError('UNSUPPORTED', `there are no synchronous files here: ${why}`);
}
