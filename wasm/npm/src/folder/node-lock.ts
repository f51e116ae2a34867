/**
 * One writer at a time, in all processes: the operating system's lock on the file `LOCK`, which the `bitcask` command takes
 * too. The system gives it back when the process ends, however it ends. What the file says is for people.
 */

import { spawn } from 'node:child_process';
import {
    closeSync,
    constants,
    fstatSync,
    ftruncateSync,
    lstatSync,
    openSync,
    readSync,
    realpathSync,
    writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BitcaskError } from '../errors.js';

/** Removed only together with the store: see `isSame`. */
export const LOCK_NAME = 'LOCK';

/** Milliseconds between two tries, at most. */
const PAUSE_MS_MAX = 250;

/** How a lock is taken. */
export interface LockOptions {
    /** `false`: without the system's lock. This process still opens a folder once at a time. Default `true`. */
    readonly lock?: boolean;
    /** Milliseconds to wait for who has it. Default 0. */
    readonly lockTimeout?: number;
    /** Ends the waiting. */
    readonly signal?: AbortSignal;
    /** What others are told about who has it. */
    readonly program: string;
}

/** Real paths of folders that this process has. */
const held = new Set<string>();

/**
 * Takes the lock of a folder; returns what gives it back, at once.
 *
 * @throws {@link BitcaskError} `LOCKED` where another has it for longer than `lockTimeout`, `UNSUPPORTED` where this system
 * has no way to take it.
 */
export async function lockNode(folder: string, options: LockOptions): Promise<() => void> {
    const { lockTimeout = 0, signal } = options;
    const until = performance.now() + lockTimeout;
    for (let pause = 10; ; pause = Math.min(pause * 2, PAUSE_MS_MAX)) {
        signal?.throwIfAborted();
        const taken = await takeHere(realpathSync(folder), options);
        if (typeof taken !== 'string') return taken;
        if (performance.now() >= until) {
            throw new BitcaskError('LOCKED', `${folder} is locked by ${taken}`, {
                advice: 'wait until it is done, or open the store for reading only, which needs no lock',
            });
        }
        await sleep(pause, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
}

/** What gives the lock back; or, in words, who has it. */
async function takeHere(path: string, { lock = true, program }: LockOptions): Promise<(() => void) | string> {
    if (held.has(path)) return `this process (${process.pid})`;
    held.add(path);
    let file: number | string | undefined;
    try {
        file = lock ? await take(join(path, LOCK_NAME), program) : undefined;
    } catch (error) {
        held.delete(path);
        throw error;
    }
    if (typeof file === 'string') {
        held.delete(path);
        return file;
    }
    let given = false;
    return () => {
        // Once: it may be somebody else's by now.
        if (given) return;
        given = true;
        if (file !== undefined) giveBack(file);
        held.delete(path);
    };
}

/** The locked file; or, in words, who has it. */
async function take(path: string, program: string): Promise<number | string> {
    let file: number;
    try {
        file = openLock(path);
    } catch (error) {
        // What the systems say whose `open` takes the lock.
        if (byOpening && ['EAGAIN', 'EWOULDBLOCK', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? ''))
            return holder(path);
        throw error;
    }
    try {
        if (!byOpening && !(await flock(file))) return release(file, holder(path));
        if (!isSame(file, path)) return release(file, 'a process that has replaced the lock file');
        say(file, program);
        return file;
    } catch (error) {
        closeSync(file);
        throw error;
    }
}

function release(file: number, by: string): string {
    closeSync(file);
    return by;
}

function giveBack(file: number): void {
    try {
        ftruncateSync(file);
    } catch {
        // It is for people only.
    }
    closeSync(file);
}

/**
 * On systems whose `open` locks the file as it opens it: macOS and the BSDs by `O_EXLOCK`, which is the lock of `flock`;
 * Windows by opening it for this process alone. Node has no names for the former. Not tested on any of them.
 */
const byOpening = { darwin: 0x20, freebsd: 0x20, openbsd: 0x20, netbsd: 0x20, win32: 0x1000_0000 }[
    process.platform as string
];

function openLock(path: string): number {
    const { O_CREAT, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
    const file = openSync(path, O_CREAT | O_RDWR | O_NOFOLLOW | O_NONBLOCK | (byOpening ?? 0), 0o600);
    if (fstatSync(file).isFile()) return file;
    closeSync(file);
    throw new BitcaskError('INVALID', `${path} is not a plain file`);
}

/**
 * Takes the lock by the program of that name, since Node has no call for it. The program gets the open file and locks it; the
 * lock stays for as long as this process has the file open, not for as long as the program runs.
 */
function flock(file: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
        const program = spawn('flock', ['-x', '-n', '3'], { stdio: ['ignore', 'ignore', 'pipe', file] });
        let said = '';
        program.stderr!.on('data', (text: Buffer) => (said += text.toString()));
        program.on('error', (cause) => {
            const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
            const why = missing ? 'there is no program `flock` here' : 'the program `flock` cannot be started';
            const advice =
                'install it (it is part of util-linux), or open the store with `lock: false` if nobody else opens it';
            reject(new BitcaskError('UNSUPPORTED', `${why}, which takes the lock of a store`, { advice, cause }));
        });
        program.on('close', (status) => {
            // 1 is "somebody else has it": of util-linux, and by its manual of BusyBox, which has no option to change it.
            if (status === 0 || status === 1) return resolve(status === 0);
            reject(new BitcaskError('IO', `flock failed with status ${status}: ${said.trim()}`));
        });
    });
}

/** Whether the file still has its name: else somebody removed it meanwhile, and another may have locked a new one. */
function isSame(file: number, path: string): boolean {
    if (process.platform === 'win32') return true;
    const named = lstatSync(path, { throwIfNoEntry: false });
    const { dev, ino } = fstatSync(file);
    return named?.dev === dev && named.ino === ino;
}

function say(file: number, program: string): void {
    try {
        ftruncateSync(file);
        writeSync(file, `process ${process.pid} (${program})\n`, 0);
    } catch {
        // For people only, so that a full disk must not be in the way of opening.
    }
}

/** Who has the lock, as far as the file says, and since when. */
function holder(path: string): string {
    let who = '';
    let age = '';
    try {
        const file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
        try {
            const bytes = Buffer.alloc(200);
            const text = bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, 0));
            who = (text.split('\n')[0] ?? '').replace(/\p{Control}/gu, '');
            age = `, for ${inWords(Math.max(0, Date.now() - fstatSync(file).mtimeMs) / 1000)}`;
        } finally {
            closeSync(file);
        }
    } catch {
        // A file that cannot be read is not worth an error.
    }
    return (who || 'another process') + age;
}

function inWords(seconds: number): string {
    if (seconds < 120) return `${Math.floor(seconds)} s`;
    if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
    return `${Math.floor(seconds / 86_400)} days`;
}
