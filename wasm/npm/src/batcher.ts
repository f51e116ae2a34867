/**
 * Gathers the calls of one microtask into one frame.
 */

import type { Connection } from './connection.js';
import { type Answer, checked, FieldReader, FrameWriter, type Operation } from './protocol.js';

/** Frames longer than this are sent before the microtask ends. */
const FRAME_BYTES_MAX = 4 * 1024 * 1024;

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

    constructor(connection: Connection) {
        this.#connection = connection;
    }

    /**
     * Asks one thing, and makes of the answer what `read` does. What `operation`, the answer or `read` tell of a failure
     * rejects: a call makes no promise but this one, since thousands may be made at once.
     */
    ask<T>(operation: () => Operation, read: (answer: Answer) => T): Promise<T> {
        return new Promise((resolve, reject) => {
            this.#frame.add(operation());
            this.#wait({ settle: (reply) => resolve(read(checked(reply.answer()))), reject });
        });
    }

    /** Asks several things that happen together or not at all: one answer comes. */
    askGroup<T>(operations: readonly Operation[], read: (answer: Answer) => T): Promise<T> {
        return new Promise((resolve, reject) => {
            this.#frame.addAll(operations);
            this.#wait({ settle: (reply) => resolve(read(checked(reply.answer()))), reject });
        });
    }

    /** Asks many things, in one frame: as many answers come. */
    askMany<T>(operations: () => readonly Operation[], read: (answer: Answer) => T): Promise<T[]> {
        return new Promise((resolve, reject) => {
            const asked = operations();
            this.#frame.addAll(asked);
            // All are taken from the reply before one of them is looked at.
            const settle = (reply: FieldReader): void =>
                resolve(asked.map(() => reply.answer()).map((answer) => read(checked(answer))));
            this.#wait({ settle, reject });
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
        ended: connection.ended,
        run: (frame) => connection.run(frame),
        call: (method, ...args) => {
            batcher.send();
            return connection.call(method, ...args);
        },
        onWrites: (listener) => connection.onWrites(listener),
        close: () => {
            batcher.send();
            return connection.close();
        },
    };
}
