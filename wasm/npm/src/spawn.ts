/**
 * Starting the worker, whatever became of its files on the way through a bundler.
 */

import { BitcaskError } from './errors.js';
import type { Opened } from './connection.js';
import type { ToPage, ToWorker } from './messages.js';
import type { OpenOptions } from './types.js';

/** A script that was found says hello within this time. */
const HELLO_WAIT_MS = 3_000;

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
        return start(typeof given === 'function' ? given() : new Worker(given, { type: 'module' }), open);
    }
    if (!inlineOnly) {
        try {
            // Bundlers look for exactly this expression.
            return await start(new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }), open);
        } catch (error) {
            if (error instanceof BitcaskError) throw error;
            inlineOnly = true;
        }
    }
    const { SOURCE } = await import('./inline.js');
    const address = URL.createObjectURL(new Blob([SOURCE], { type: 'text/javascript' }));
    try {
        return await start(new Worker(address), open);
    } catch (error) {
        throw error instanceof BitcaskError ? error : unloadable(error);
    } finally {
        URL.revokeObjectURL(address);
    }
}

function unloadable(cause: unknown): BitcaskError {
    const text =
        'the worker cannot be loaded; where a content security policy forbids it, see the options `worker` and `wasm`';
    return new BitcaskError('UNSUPPORTED', text, { cause });
}

/** Rejects with a `BitcaskError` where the store cannot be opened, with anything else where the worker does not load. */
function start(worker: Worker, open: ToWorker & { type: 'open' }): Promise<Running> {
    return new Promise((resolve, reject) => {
        const fail = (error: unknown): void => {
            clearTimeout(timer);
            worker.terminate();
            reject(error);
        };
        const timer = setTimeout(() => fail(new Error('the worker said nothing')), HELLO_WAIT_MS);
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
