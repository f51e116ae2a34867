/**
 * A store's folder on `node:fs`: the files, names and rights that the `bitcask` command has.
 */

import {
    accessSync,
    closeSync,
    constants,
    fdatasyncSync,
    fstatSync,
    fsyncSync,
    ftruncateSync,
    lstatSync,
    mkdirSync,
    openSync,
    readdirSync,
    readSync,
    rmdirSync,
    rmSync,
    statSync,
    unlinkSync,
    writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { BitcaskError } from '../errors.js';
import { LOCK_NAME, lockNode, type LockOptions } from './node-lock.js';
import { fileError, type Folder, type Handle } from './shape.js';

/** Not followed: a link in a store's folder would be somebody else's file. Windows has no such flag. */
const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW = 0 } = constants;

/** Names that do not speak against making a store of a folder: the lock, and what a new file system has in its root. */
const HARMLESS: readonly string[] = [LOCK_NAME, 'lost+found'];

/** How many names an error lists. */
const NAMES_MAX = 5;

/** How a folder is opened. */
export interface NodeOptions extends LockOptions {
    /** Whether the folder, and what leads to it, is made where there is none. Default `true`. */
    readonly create?: boolean;
    /** Nothing is changed, and no lock is taken. Default `false`. */
    readonly readOnly?: boolean;
}

/** The name of a segment's file: names sort as ids do. */
const nameOf = (id: number): string => `${String(id).padStart(12, '0')}.segment`;

/** The segments in a folder. There is only one name for each. */
function segmentsIn(path: string): number[] {
    return readdirSync(path)
        .map((name) => ({ name, id: Number(/^(\d+)\.segment$/.exec(name)?.[1]) }))
        .filter(({ name, id }) => id > 0 && Number.isSafeInteger(id) && nameOf(id) === name)
        .map(({ id }) => id);
}

/** An open folder, and the right to use it. */
export class NodeFolder implements Folder {
    readonly #path: string;
    readonly #readOnly: boolean;
    readonly #unlock: () => void;
    /** Of the folder itself, to sync the names in it. */
    readonly #file: number | undefined;
    readonly #handles = new Set<NodeHandle>();
    #closed = false;

    /** See {@link openNode}. */
    constructor(path: string, readOnly: boolean, unlock: () => void) {
        this.#path = path;
        this.#readOnly = readOnly;
        this.#unlock = unlock;
        this.#file = openFolder(path);
    }

    list(): number[] {
        return segmentsIn(this.#path);
    }

    /** The new file and its name are synced when this returns. */
    create(id: number): Handle {
        this.#checkWrite();
        const path = join(this.#path, nameOf(id));
        const file = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
        try {
            fsyncSync(file);
            this.#sync();
        } catch (error) {
            closeSync(file);
            // The name must be free for another try.
            unlinkSync(path);
            throw error;
        }
        return this.#handle(file);
    }

    open(id: number): Handle {
        this.#checkOpen();
        return this.#handle(openPlain(join(this.#path, nameOf(id)), this.#readOnly ? O_RDONLY : O_RDWR));
    }

    /** That the name is gone is synced when this returns. */
    remove(id: number): void {
        this.#checkWrite();
        unlinkSync(join(this.#path, nameOf(id)));
        this.#sync();
    }

    /** Closes all files and gives the lock back. Nothing is synced. */
    close(): void {
        if (this.#closed) return;
        this.#closed = true;
        // Before the lock goes: nobody writes to files that may be another process's.
        for (const handle of this.#handles) handle.close();
        if (this.#file !== undefined) closeSync(this.#file);
        this.#unlock();
    }

    #handle(file: number): Handle {
        const handle = new NodeHandle(file, this.#readOnly, () => this.#handles.delete(handle));
        this.#handles.add(handle);
        return handle;
    }

    #sync(): void {
        if (this.#file !== undefined) fsyncSync(this.#file);
    }

    #checkOpen(): void {
        if (this.#closed) throw new BitcaskError('CLOSED', 'the folder of the store was closed');
    }

    #checkWrite(): void {
        this.#checkOpen();
        checkWrite(this.#readOnly);
    }
}

/** An open segment. */
class NodeHandle implements Handle {
    #file: number | undefined;
    readonly #readOnly: boolean;
    readonly #gone: () => void;
    #syncFailed = false;

    constructor(file: number, readOnly: boolean, gone: () => void) {
        this.#file = file;
        this.#readOnly = readOnly;
        this.#gone = gone;
    }

    getSize(): number {
        return fstatSync(this.#open()).size;
    }

    read(into: Uint8Array, { at }: { at: number }): number {
        const file = this.#open();
        let done = 0;
        while (done < into.length) {
            const count = readSync(file, into, done, into.length - done, at + done);
            if (count === 0) break;
            done += count;
        }
        return done;
    }

    write(from: Uint8Array, { at }: { at: number }): number {
        const file = this.#change();
        let done = 0;
        // A short count is gone on from, and never taken for a success.
        while (done < from.length) {
            const count = writeSync(file, from, done, from.length - done, at + done);
            if (count === 0) throw fileError('EIO', 'nothing of a write was written');
            done += count;
        }
        return done;
    }

    truncate(len: number): void {
        ftruncateSync(this.#change(), len);
    }

    /**
     * By `fdatasync`, which leaves out the times of the file and no more: its length is made durable with its bytes. On
     * Apple's systems Node makes `F_FULLFSYNC` of it.
     */
    flush(): void {
        const file = this.#open();
        // The kernel forgets what it could not write; a second try would call that a success.
        if (this.#syncFailed) throw new Error('an earlier sync of this segment failed');
        try {
            fdatasyncSync(file);
        } catch (error) {
            this.#syncFailed = true;
            throw error;
        }
    }

    close(): void {
        if (this.#file === undefined) return;
        closeSync(this.#file);
        this.#file = undefined;
        this.#gone();
    }

    #open(): number {
        if (this.#file === undefined) throw new BitcaskError('CLOSED', 'the segment was closed');
        return this.#file;
    }

    #change(): number {
        checkWrite(this.#readOnly);
        return this.#open();
    }
}

function checkWrite(readOnly: boolean): void {
    if (readOnly) throw fileError('EACCES', 'the folder is open for reading only');
}

/** Opens a file that is no link, device or folder. */
function openPlain(path: string, flags: number): number {
    // Asked before opening as well, since opening a pipe waits for the other end.
    if (lstatSync(path).isFile()) {
        const file = openSync(path, flags | O_NOFOLLOW);
        if (fstatSync(file).isFile()) return file;
        closeSync(file);
    }
    throw fileError('EINVAL', `${path} is not a plain file (symbolic links are not followed)`);
}

/** Windows does not open folders as files: it writes names to its journal by itself. */
function openFolder(path: string): number | undefined {
    return process.platform === 'win32' ? undefined : openSync(path, O_RDONLY);
}

/** Returns once the names that were made in a folder survive a power cut. */
function syncFolder(path: string): void {
    const file = openFolder(path);
    if (file === undefined) return;
    try {
        fsyncSync(file);
    } finally {
        closeSync(file);
    }
}

/**
 * Opens the folder of a store, made for its user alone, and takes its lock unless it is only read.
 *
 * @throws {@link BitcaskError} `NO_STORE` where there is none, and none is to be made or other things are in the way;
 * `LOCKED` and `UNSUPPORTED` as {@link lockNode} says.
 */
export async function openNode(path: string, options: NodeOptions): Promise<NodeFolder> {
    const { readOnly = false } = options;
    const create = !readOnly && options.create !== false;
    try {
        const made = findOrMake(path, create);
        const fresh = checkContents(path, create);
        const unlock = readOnly ? () => undefined : await lock(path, options);
        try {
            if (fresh) syncParents(path, made);
            return new NodeFolder(path, readOnly, unlock);
        } catch (error) {
            unlock();
            throw error;
        }
    } catch (error) {
        // The caller's own reason.
        if (options.signal?.aborted && error === options.signal.reason) throw error;
        throw withAdvice(error);
    }
}

/**
 * Removes a store's files, and the folder if nothing else is in it. A store that is not there is no error.
 *
 * @throws {@link BitcaskError} `LOCKED` where it is open.
 */
export async function destroyNode(path: string, options: LockOptions): Promise<void> {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found?.isDirectory() || (!segmentsIn(path).length && !readdirSync(path).includes(LOCK_NAME))) return;
    const unlock = await lock(path, options);
    try {
        // The oldest first: what a crash leaves must not be an older state of the store that looks whole.
        for (const id of segmentsIn(path).sort((a, b) => a - b)) unlinkSync(join(path, nameOf(id)));
        rmSync(join(path, LOCK_NAME), { force: true });
    } catch (error) {
        throw withAdvice(error);
    } finally {
        unlock();
    }
    try {
        rmdirSync(path);
    } catch (error) {
        // Somebody else's files are in it.
        if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? ''))
            throw BitcaskError.from(error);
    }
    syncParents(path, undefined);
}

function lock(path: string, options: LockOptions): Promise<() => void> {
    accessSync(path, constants.W_OK | constants.X_OK);
    return lockNode(path, options);
}

/** The first folder that had to be made, on the way to this one. */
function findOrMake(path: string, create: boolean): string | undefined {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) return undefined;
    if (found) throw new BitcaskError('INVALID', `${path} is a file, and a store is a folder`);
    if (!create) throw new BitcaskError('NO_STORE', `there is nothing at ${path}`);
    return mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** Whether the store is yet to be made here. */
function checkContents(path: string, create: boolean): boolean {
    if (segmentsIn(path).length) return false;
    const holds = readdirSync(path)
        .filter((name) => !HARMLESS.includes(name))
        .sort();
    if (create && !holds.length) return true;
    if (holds.length > NAMES_MAX) holds.splice(NAMES_MAX - 1, Infinity, `${holds.length - NAMES_MAX + 1} more`);
    const what = holds.length
        ? `${path} is not a store: it holds ${holds.join(', ')}`
        : `${path} is empty: there is no store in it`;
    throw new BitcaskError('NO_STORE', what, {
        advice: 'check the path; a new store needs an empty folder, or a name that is not taken',
    });
}

/** Makes the folders themselves durable, also where an earlier process made them and was ended before it had. */
function syncParents(path: string, first: string | undefined): void {
    const last = first === undefined ? resolve(path) : resolve(first);
    for (let folder = resolve(path); ; folder = dirname(folder)) {
        try {
            syncFolder(dirname(folder));
        } catch (error) {
            // A folder that was there may lie in one that this user cannot even list; its name is not ours.
            if (first !== undefined || (error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
        }
        if (folder === last || folder === dirname(folder)) return;
    }
}

function withAdvice(error: unknown): BitcaskError {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof BitcaskError || !['EACCES', 'EPERM', 'EROFS'].includes(code ?? ''))
        return BitcaskError.from(error);
    return new BitcaskError('IO', (error as Error).message, {
        advice: 'change the permissions, or open the store for reading only',
        cause: error,
    });
}
