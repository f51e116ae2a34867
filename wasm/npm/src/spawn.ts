/**
 * Starting the worker, whatever became of its files on the way through a bundler.
 */

import { BitcaskError } from './errors.js';
import type { Opened } from './connection.js';
import type { ToPage, ToWorker } from './messages.js';
import type { OpenOptions } from './types.js';

/** A script that was found says hello within this time, if there is another way to start a worker. */
const HELLO_WAIT_MS = 3_000;
/** Where there is none: long enough for a machine that is busy. */
const LAST_HELLO_WAIT_MS = 30_000;

/** A worker that has the store open. */
export interface Running {
    worker: Worker;
    opened: Opened;
    /** Ends it at once. */
    end(): void;
}

/** What did not load is not tried again in this page. */
let inlineOnly = false;

/**
 * Starts a worker and has it open the store: from the file beside this script or, if that cannot be loaded, from a copy
 * inside the package.
 */
export async function spawn(open: ToWorker & { type: 'open' }, options: Pick<OpenOptions, 'worker'>): Promise<Running> {
    const { worker: given } = options;
    if (given !== undefined) {
        return startLast(() => (typeof given === 'function' ? given() : new Worker(given, { type: 'module' })), open);
    }
    if (!inlineOnly) {
        try {
            // Bundlers look for exactly this expression.
            const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
            return await start(worker, open, HELLO_WAIT_MS);
        } catch (error) {
            if (error instanceof BitcaskError) throw error;
            inlineOnly = true;
        }
    }
    const { SOURCE } = await import('./inline.js');
    const address = URL.createObjectURL(new Blob([SOURCE], { type: 'text/javascript' }));
    try {
        return await startLast(() => new Worker(address), open);
    } finally {
        URL.revokeObjectURL(address);
    }
}

/** Starts the worker that is the last hope. */
async function startLast(make: () => Worker, open: ToWorker & { type: 'open' }): Promise<Running> {
    try {
        return await start(make(), open, LAST_HELLO_WAIT_MS);
    } catch (cause) {
        if (cause instanceof BitcaskError) throw cause;
        const text =
            'the worker cannot be loaded; where a content security policy forbids it, see the options `worker` and `wasm`';
        throw new BitcaskError('UNSUPPORTED', text, { cause });
    }
}

/** Rejects with a `BitcaskError` where the store cannot be opened, with anything else where the worker does not load. */
function start(worker: Worker, open: ToWorker & { type: 'open' }, wait: number): Promise<Running> {
    return new Promise((resolve, reject) => {
        const fail = (error: unknown): void => {
            clearTimeout(timer);
            worker.terminate();
            reject(error);
        };
        const timer = setTimeout(() => fail(new Error('the worker said nothing')), wait);
        worker.onerror = (event) => {
            event.preventDefault();
            fail(new Error(event.message || 'the worker did not load'));
        };
        worker.onmessage = ({ data }: MessageEvent<ToPage>) => {
            if (data.type === 'hello') {
                clearTimeout(timer);
            } else if (data.type === 'opened') {
                worker.onmessage = worker.onerror = null;
                resolve({ worker, opened: data.opened, end: () => worker.terminate() });
            } else if (data.type === 'refused') {
                const error = BitcaskError.from(data.error);
                fail(data.loading ? new Error(error.message) : error);
            }
        };
        // It waits there until the script runs.
        worker.postMessage(open);
    });
}
