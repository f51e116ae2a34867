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

    /** The folder of all stores, which is no store's yet: it may be looked for while the store's lock is waited for. */
    static async ofAll(create: boolean): Promise<FileSystemDirectoryHandle> {
        if (!('FileSystemSyncAccessHandle' in globalThis)) {
            throw unsupported('this is not a dedicated worker, or the browser is too old');
        }
        if (!navigator.storage?.getDirectory) throw unsupported("the page's origin is not secure");
        const root = await navigator.storage.getDirectory();
        return root.getDirectoryHandle(FOLDER, { create });
    }

    /**
     * Opens the folder of this name, in what was found of that of all stores before the lock was had: whoever had the lock may have made
     * either, or a site's data may have been cleared, so that what is not there is looked for again. `NO_STORE`: there is none, and it was
     * not to be made.
     */
    static async open(name: string, create: boolean, before: Promise<FileSystemDirectoryHandle>): Promise<SlotFolder> {
        const within = async (all: Promise<FileSystemDirectoryHandle>): Promise<SlotFolder> =>
            new SlotFolder(await (await all).getDirectoryHandle(name, { create }));
        try {
            return await within(before).catch((error: unknown) => {
                if (!isNotFound(error)) throw error;
                return within(SlotFolder.ofAll(create));
            });
        } catch (error) {
            if (isNotFound(error)) throw new BitcaskError('NO_STORE', 'there is no store here');
            throw failure(error);
        }
    }

    /** Opens all slots that there are, and makes those that a new store begins with: all of them or none. */
    async openAll(): Promise<Slots> {
        // The first slot is locked alone, before the others: of two who open at a time, one gets all of them. Files are looked for
        // meanwhile, since every step takes its time: a millisecond or two in Chromium, 10 to 30 in Firefox.
        const [locking, looking] = await Promise.allSettled([this.#open([this.#file(0)]), this.#others()]);
        const first = locking.status === 'fulfilled' ? locking.value : [];
        try {
            if (locking.status === 'rejected') throw locking.reason;
            if (looking.status === 'rejected') throw looking.reason;
            const [numbers, files] = looking.value;
            const others = await this.#open(files);
            return { numbers: Uint32Array.of(0, ...numbers), handles: [...first, ...others] };
        } catch (error) {
            for (const handle of first) handle.close();
            throw failure(error);
        }
    }

    /** The slots but for the first one: numbers, and their files. */
    async #others(): Promise<[number[], Promise<SlotFile>[]]> {
        const files = new Map<number, Promise<SlotFile>>();
        const look = (number: number): void => {
            if (files.has(number)) return;
            const file = this.#file(number);
            // Who opens it is told.
            file.catch(() => undefined);
            files.set(number, file);
        };
        for (let number = 1; number < SLOTS_AT_FIRST; number++) look(number);
        for await (const name of this.#directory.keys()) {
            const number = Number(SLOT.exec(name)?.[1] ?? 0);
            if (number > 0) look(number);
        }
        return [[...files.keys()], [...files.values()]];
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
                return await (await this.#file(number)).createSyncAccessHandle();
            } catch (error) {
                if (tries >= TRIES || failure(error).code !== 'LOCKED') throw error;
            }
        }
    }

    /** All of them or none. */
    async #open(files: Promise<SlotFile>[]): Promise<Handle[]> {
        const tried = await Promise.allSettled(files.map(async (file) => (await file).createSyncAccessHandle()));
        const failed = tried.find((slot) => slot.status === 'rejected');
        const handles = tried.flatMap((slot) => (slot.status === 'fulfilled' ? [slot.value] : []));
        if (!failed) return handles;
        // One that arrives unseen would keep its lock until the worker ends.
        for (const handle of handles) handle.close();
        throw failure(failed.reason);
    }

    #file(number: number): Promise<SlotFile> {
        const name = `slot-${String(number).padStart(2, '0')}`;
        return this.#directory.getFileHandle(name, { create: true }) as Promise<SlotFile>;
    }
}

function isNotFound(thrown: unknown): boolean {
    return (thrown as Error).name === 'NotFoundError';
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
