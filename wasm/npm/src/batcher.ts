/**
 * Gathers the calls of one microtask into one frame.
 */

import type { Cache, Noted } from './cache.js';
import type { Calls, Connection } from './connection.js';
import { type Answer, checked, FieldReader, FrameWriter, type Operation, Status } from './protocol.js';

/** Frames longer than this are sent before the microtask ends. */
const FRAME_BYTES_MAX = 4 * 1024 * 1024;

/** The calls that change keys which their words do not name. */
const CHANGES: readonly (keyof Calls)[] = ['clear', 'importPush', 'importFinish', 'valueCommit'];

interface Waiting {
    /** Takes its answers from a reply, which has them in the order of the calls. */
    settle(reply: FieldReader): void;
    reject(error: unknown): void;
}

/** Sends operations, as few frames as can be. */
export class Batcher {
    #connection: Connection;
    #frame = new FrameWriter();
    #waiting: Waiting[] = [];
    #scheduled = false;
    #cache: Cache | undefined;
    #session: number;

    /** `cache`: where values are kept that need not be asked for again. */
    constructor(connection: Connection, cache?: Cache) {
        this.#connection = connection;
        this.#cache = cache;
        this.#session = connection.session;
    }

    /** What is known, if anything is: of what was before the connection was made anew nothing is. */
    get cache(): Cache | undefined {
        if (this.#session !== this.#connection.session) {
            this.#session = this.#connection.session;
            this.#cache?.forget();
        }
        return this.#cache;
    }

    /** From here on everything is asked for. */
    forget(): void {
        this.#cache = undefined;
    }

    /**
     * Asks one thing, and makes of the answer what `read` does. What `operation`, the answer or `read` tell of a failure
     * rejects: a call makes no promise but this one, since thousands may be made at once.
     */
    ask<T>(operation: () => Operation, read: (answer: Answer) => T): Promise<T> {
        return new Promise((resolve, reject) => {
            const asked = operation();
            const { cache } = this;
            const known = answerOf(cache, asked);
            if (known) return resolve(read(known));
            this.#frame.add(asked);
            this.#wait(waitingFor(cache?.note(asked), read, resolve, reject));
        });
    }

    /** Asks for values, in one frame, but for those that are known. */
    askMany<T>(operations: () => readonly Operation[], read: (answer: Answer) => T): Promise<T[]> {
        return new Promise((resolve, reject) => {
            const asked = operations();
            const { cache } = this;
            const answers = asked.map((operation) => answerOf(cache, operation));
            const missing = asked.flatMap((operation, at) => (answers[at] ? [] : [{ operation, at }]));
            const give = (): void => resolve(answers.map((answer) => read(checked(answer as Answer))));
            if (missing.length === 0) return give();
            this.#frame.addAll(missing.map(({ operation }) => operation));
            const noted = missing.map(({ operation }) => cache?.note(operation));
            this.#wait({
                settle: (reply) => {
                    // All are taken from the reply before one of them is looked at.
                    missing.forEach(({ at }, number) => {
                        const answer = (answers[at] = reply.answer());
                        noted[number]?.(answer);
                    });
                    give();
                },
                reject: (error) => {
                    for (const one of noted) one?.(undefined);
                    reject(error);
                },
            });
        });
    }

    /** Asks several things that happen together or not at all: one answer comes. */
    askGroup<T>(operations: readonly Operation[], read: (answer: Answer) => T): Promise<T> {
        return new Promise((resolve, reject) => {
            this.#frame.addAll(operations);
            this.#wait(waitingFor(this.cache?.noteAll(operations), read, resolve, reject));
        });
    }

    #wait(waiting: Waiting): void {
        this.#waiting.push(waiting);
        if (this.#frame.len > FRAME_BYTES_MAX) {
            this.send();
        } else if (!this.#scheduled) {
            this.#scheduled = true;
            queueMicrotask(() => {
                this.#scheduled = false;
                this.send();
            });
        }
    }

    /** Sends what was asked so far, without waiting for the microtask to end. */
    send(): void {
        const waiting = this.#waiting;
        if (waiting.length === 0) return;
        this.#waiting = [];
        const fail = (error: unknown): void => {
            for (const { reject } of waiting) reject(error);
        };
        try {
            const reply = this.#connection.run(this.#frame.take());
            if (reply instanceof Promise) reply.then((bytes) => settle(waiting, bytes)).catch(fail);
            else settle(waiting, reply);
        } catch (error) {
            fail(error);
        }
    }
}

/** The answer that is known without asking. */
function answerOf(cache: Cache | undefined, operation: Operation): Answer | undefined {
    const bytes = cache?.get(operation);
    return bytes && { status: Status.value, bytes };
}

/** For one answer. */
function waitingFor<T>(
    noted: Noted | undefined,
    read: (answer: Answer) => T,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
): Waiting {
    return {
        settle: (reply) => {
            const answer = reply.answer();
            noted?.(answer);
            resolve(read(checked(answer)));
        },
        reject: (error) => {
            noted?.(undefined);
            reject(error);
        },
    };
}

function settle(waiting: readonly Waiting[], bytes: Uint8Array): void {
    const reply = new FieldReader(bytes);
    for (const call of waiting) {
        try {
            call.settle(reply);
        } catch (error) {
            call.reject(error);
        }
    }
}

/** The same connection, whose calls come after the operations that were asked before them: nothing overtakes. */
export function inOrder(connection: Connection, batcher: Batcher): Connection {
    return {
        get opened() {
            return connection.opened;
        },
        get session() {
            return connection.session;
        },
        ended: connection.ended,
        run: (frame) => connection.run(frame),
        call: (method, ...args) => {
            batcher.send();
            const called = connection.call(method, ...args);
            return (CHANGES.includes(method) && batcher.cache?.during(called)) || called;
        },
        onWrites: (listener) => connection.onWrites(listener),
        close: () => {
            batcher.send();
            return connection.close();
        },
    };
}
