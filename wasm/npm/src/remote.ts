/**
 * The page's end of the messages: a connection to a worker, and to the next one, when the first had to go.
 */

import type { Calls, Connection, Opened } from './connection.js';
import { BitcaskError } from './errors.js';
import type { ToPage, ToWorker } from './messages.js';
import { canBeSentAgain } from './protocol.js';
import type { Running } from './spawn.js';

type Request = Exclude<ToWorker, { type: 'open' }>;

interface Pending {
    request: Request;
    resolve(value: unknown): void;
    reject(error: unknown): void;
}

/** A connection to a store in a worker. */
export class Remote implements Connection {
    readonly ended: Promise<Error | undefined>;
    #opened: Opened;
    #end: (error: Error | undefined) => void = () => undefined;
    #spawn: () => Promise<Running>;
    #running: Running | undefined;
    #session = 0;
    #starting: Promise<void> | undefined;
    #pending = new Map<number, Pending>();
    #lastId = 0;
    #listener: ((version: bigint) => void) | undefined;
    #closed: BitcaskError | undefined;
    #hidden = false;

    /** `spawn` opens the same store again: one that is not there any more is not made. */
    constructor(running: Running, spawn: () => Promise<Running>) {
        this.#spawn = spawn;
        this.#opened = running.opened;
        this.ended = new Promise((resolve) => (this.#end = resolve));
        this.#use(running);
        globalThis.addEventListener?.('pagehide', this.#hide);
        globalThis.addEventListener?.('pageshow', this.#show);
    }

    get opened(): Opened {
        return this.#opened;
    }

    get session(): number {
        return this.#session;
    }

    run(frame: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
        return this.#request({ type: 'run', client: 0, id: ++this.#lastId, frame }) as Promise<Uint8Array>;
    }

    call<M extends keyof Calls>(method: M, ...args: Parameters<Calls[M]>): Promise<ReturnType<Calls[M]>> {
        const request: Request = { type: 'call', client: 0, id: ++this.#lastId, method, args };
        return this.#request(request) as Promise<ReturnType<Calls[M]>>;
    }

    onWrites(listener: ((version: bigint) => void) | undefined): void {
        this.#listener = listener;
        this.call('tell', listener !== undefined).catch(() => undefined);
    }

    async close(): Promise<void> {
        if (this.#closed) return void (await this.ended);
        try {
            // A page that was hidden has no worker, and its files are given back already.
            if (this.#running || this.#starting) {
                await this.#request({ type: 'close', client: 0, id: ++this.#lastId });
            }
        } finally {
            this.#finish(undefined);
        }
    }

    #request(request: Request): Promise<unknown> {
        return new Promise((resolve, reject) => {
            if (this.#closed) return reject(this.#closed);
            this.#pending.set(request.id, { request, resolve, reject });
            if (this.#running) this.#running.worker.postMessage(request);
            // A page that is hidden asks when it is shown.
            else if (!this.#starting && !this.#hidden) this.#restart();
        });
    }

    #use(running: Running): void {
        this.#running = running;
        this.#opened = running.opened;
        running.worker.onmessage = ({ data }: MessageEvent<ToPage>) => this.#hear(data);
        running.worker.onerror = (event) => {
            event.preventDefault();
            this.#stop();
            this.#giveUp(() => true, `the worker stopped: ${event.message}`);
        };
    }

    #hear(message: ToPage): void {
        if (message.type === 'writes') return this.#listener?.(message.version);
        if (message.type === 'ended') {
            if (message.error === undefined) return;
            const error = BitcaskError.from(message.error);
            if (error.code === 'NO_STORE') return this.#finish(error);
            // A trap: what was under way is not known, and the next call finds a fresh engine.
            this.#stop();
            return this.#giveUp(() => true, error.message);
        }
        if (message.type !== 'result' && message.type !== 'error') return;
        const pending = this.#pending.get(message.id);
        this.#pending.delete(message.id);
        if (message.type === 'result') pending?.resolve(message.value);
        else pending?.reject(BitcaskError.from(message.error));
    }

    /** A page that may come back from a cache gives its files to others meanwhile. */
    readonly #hide = (): void => {
        if (this.#opened.backend === 'memory') return;
        this.#hidden = true;
        this.#stop();
        this.#giveUp(
            ({ request }) => !(request.type === 'run' && canBeSentAgain(request.frame)),
            'the page was hidden',
        );
    };

    readonly #show = (): void => {
        this.#hidden = false;
        if (!this.#running && !this.#starting && !this.#closed && (this.#listener || this.#pending.size > 0))
            this.#restart();
    };

    #stop(): void {
        this.#session += 1;
        this.#running?.end();
        this.#running = undefined;
    }

    #giveUp(whom: (pending: Pending) => boolean, why: string): void {
        const text = `${why}; whether what was under way was written is not known`;
        for (const [id, pending] of this.#pending) {
            if (!whom(pending)) continue;
            this.#pending.delete(id);
            pending.reject(new BitcaskError('INTERRUPTED', text));
        }
    }

    #restart(): void {
        this.#starting = this.#spawn().then(
            (running) => {
                this.#starting = undefined;
                // A page that is hidden again, or done, wants no worker that comes late.
                if (this.#closed || this.#hidden) return running.end();
                this.#use(running);
                if (this.#listener) this.onWrites(this.#listener);
                for (const { request } of [...this.#pending.values()]) running.worker.postMessage(request);
                this.#listener?.(running.opened.version);
            },
            (error: unknown) => {
                this.#starting = undefined;
                this.#finish(BitcaskError.from(error));
            },
        );
    }

    #finish(error: BitcaskError | undefined): void {
        if (this.#closed) return;
        this.#closed = error ?? new BitcaskError('CLOSED', 'the store was closed');
        this.#stop();
        for (const { reject } of this.#pending.values()) reject(this.#closed);
        this.#pending.clear();
        globalThis.removeEventListener?.('pagehide', this.#hide);
        globalThis.removeEventListener?.('pageshow', this.#show);
        this.#end(error);
    }
}
