/**
 * Gathers the calls of one microtask into one frame.
 */

import type { Connection } from './connection.js';
import { type Answer, checked, FieldReader, FrameWriter, type Operation } from './protocol.js';

/** Frames longer than this are sent before the microtask ends. */
const FRAME_BYTES_MAX = 4 * 1024 * 1024;

interface Waiting {
    answers: number;
    resolve(answers: Answer[]): void;
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

    /** Asks one thing. Rejects where the answer tells of a failure. */
    async ask(operation: Operation): Promise<Answer> {
        const [answer] = await this.askMany([operation]);
        return checked(answer as Answer);
    }

    /** Asks many things, in one frame: as many answers come as there are operations, or one for a `group`. */
    askMany(operations: readonly Operation[], group = false): Promise<Answer[]> {
        return new Promise((resolve, reject) => {
            this.#frame.addAll(operations);
            this.#waiting.push({ answers: group ? 1 : operations.length, resolve, reject });
            if (this.#frame.len > FRAME_BYTES_MAX) {
                this.send();
            } else if (!this.#scheduled) {
                this.#scheduled = true;
                queueMicrotask(() => {
                    this.#scheduled = false;
                    this.send();
                });
            }
        });
    }

    /** Sends what was asked so far, without waiting for the microtask to end. */
    send(): void {
        void this.#send();
    }

    async #send(): Promise<void> {
        const waiting = this.#waiting;
        if (waiting.length === 0) return;
        this.#waiting = [];
        try {
            const reader = new FieldReader(await this.#connection.run(this.#frame.take()));
            for (const { answers, resolve } of waiting) {
                const mine: Answer[] = [];
                while (mine.length < answers) mine.push(reader.answer());
                resolve(mine);
            }
        } catch (error) {
            for (const { reject } of waiting) reject(error);
        }
    }
}
