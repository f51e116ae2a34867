/**
 * The walk through a range at the engine's side.
 */

import type { Connection } from './connection.js';
import { FieldReader } from './protocol.js';
import type { Walk as Walked } from './types.js';

/** Entries of the first part of a walk: few, since many walks end early. Later parts are larger. */
const FIRST_PART = 100;
const LATER_PART = 2_000;

/** What a walk goes through, and what it makes of it. */
export interface Path<T> {
    connection: Connection;
    bounds: Uint8Array;
    /** The snapshot to read from; 0 is now. */
    snapshot: number;
    entry(key: Uint8Array, value: Uint8Array): T;
    signal?: AbortSignal | undefined;
}

/**
 * Goes on a part at a time, the next one asked for while one is used. It begins with the first call.
 *
 * No generator: an entry that is there already costs one promise, a third of what a `yield` costs.
 */
export class Walk<T> implements Walked<T> {
    readonly #path: Path<T>;
    #state: 'new' | 'open' | 'ended' = 'new';
    /** The part that is used, and how many of its entries are left. */
    #part: FieldReader | undefined;
    #left = 0;
    /** Its name at the engine's side, until that has come to the end. */
    #id: number | undefined;
    #ahead: Promise<Uint8Array> | undefined;
    /** Calls that wait take turns. */
    #turn: Promise<unknown> = Promise.resolve();
    #waiting = 0;

    constructor(path: Path<T>) {
        this.#path = path;
    }

    next(): Promise<IteratorResult<T, undefined>> {
        if (this.#left === 0 || this.#waiting > 0) return this.#inTurn(() => this.#advance());
        try {
            return Promise.resolve(this.#take());
        } catch (error) {
            this.#end();
            return Promise.reject(error);
        }
    }

    toArray(): Promise<T[]> {
        return this.#inTurn(async () => {
            const all: T[] = [];
            for (let next = await this.#advance(); !next.done; next = await this.#advance()) {
                all.push(next.value);
                while (this.#left > 0) all.push(this.#take().value);
            }
            return all;
        });
    }

    return(): Promise<IteratorResult<T, undefined>> {
        return this.#inTurn(async () => {
            this.#end();
            return { done: true, value: undefined };
        });
    }

    [Symbol.asyncIterator](): this {
        return this;
    }

    #inTurn<R>(work: () => Promise<R>): Promise<R> {
        this.#waiting += 1;
        const turn = this.#turn.then(async () => {
            try {
                return await work();
            } catch (error) {
                this.#end();
                throw error;
            } finally {
                this.#waiting -= 1;
            }
        });
        this.#turn = turn.catch(() => undefined);
        return turn;
    }

    async #advance(): Promise<IteratorResult<T, undefined>> {
        while (this.#left === 0) {
            if (this.#state === 'ended') return { done: true, value: undefined };
            this.#path.signal?.throwIfAborted();
            await this.#more();
        }
        return this.#take();
    }

    async #more(): Promise<void> {
        const { connection, bounds, snapshot } = this.#path;
        if (this.#state === 'new') {
            const { id, part } = await connection.call('scan', bounds, snapshot, FIRST_PART);
            this.#state = 'open';
            this.#use(id, part);
        } else if (this.#id !== undefined && this.#ahead) {
            this.#use(this.#id, await this.#ahead);
        } else {
            this.#state = 'ended';
        }
    }

    #use(id: number, bytes: Uint8Array): void {
        const part = new FieldReader(bytes);
        this.#part = part;
        this.#left = part.u32();
        const last = part.u8() === 1;
        this.#id = last ? undefined : id;
        if (last) return;
        this.#ahead = this.#path.connection.call('scanNext', id, LATER_PART);
        // Whoever stops here does not want to hear of it.
        this.#ahead.catch(() => undefined);
    }

    /** The next entry of the part. */
    #take(): IteratorYieldResult<T> {
        const { entry, signal } = this.#path;
        signal?.throwIfAborted();
        const part = this.#part as FieldReader;
        this.#left -= 1;
        const keyLen = part.u16();
        const valueLen = part.u32();
        return { done: false, value: entry(part.take(keyLen), part.take(valueLen)) };
    }

    #end(): void {
        // What was asked for may come after the close, and is not known there any more: nobody waits for it.
        if (this.#id !== undefined) this.#path.connection.call('scanClose', this.#id).catch(() => undefined);
        this.#id = this.#part = undefined;
        this.#left = 0;
        this.#state = 'ended';
    }
}
