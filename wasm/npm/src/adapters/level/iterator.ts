/**
 * The iterator of entries, which those of keys and of values are made of.
 */

import { AbstractIterator } from 'abstract-level';
import type { Range } from '../../index.js';
import { type LevelRange, rangeFrom, rangeOf } from './range.js';
import { type BytesStore, Moment, type Reading } from './snapshot.js';

type Bytes = Uint8Array;
type Item = [Bytes | undefined, Bytes | undefined];

/** What an iterator is made with. */
export interface IteratorOptions extends LevelRange, Reading {
    keys: boolean;
    values: boolean;
    signal?: AbortSignal | undefined;
}

/** Walks through the snapshot that it was given, or through its own of when it was made. */
export class LevelIterator<Database, K, V> extends AbstractIterator<Database, K, V> {
    readonly #options: IteratorOptions;
    readonly #moment: Moment;
    #range: Range<Bytes> | undefined;
    #walk: AsyncIterator<Item | Bytes> | undefined;

    /** @internal */
    constructor(database: Database, store: BytesStore, options: IteratorOptions) {
        super(database, options as object);
        this.#options = options;
        this.#moment = options.snapshot?.moment ?? new Moment(store);
        this.#range = rangeOf(options);
    }

    protected async _next(): Promise<Item | undefined> {
        const { keys, values, signal } = this.#options;
        if (!this.#range) return undefined;
        this.#walk ??= await this.#begin(this.#range);
        const { done, value } = await this.#walk.next();
        if (signal?.aborted) throw aborted();
        if (done) return undefined;
        if (!values) return [value as Bytes, undefined];
        return keys ? (value as Item) : [undefined, value as Bytes];
    }

    protected _seek(target: Bytes): void {
        this.#range = rangeFrom(rangeOf(this.#options), target);
        this.#end();
    }

    protected async _close(): Promise<void> {
        this.#end();
        if (!this.#options.snapshot) await this.#moment.close();
    }

    async #begin(range: Range<Bytes>): Promise<AsyncIterator<Item | Bytes>> {
        const { keys, values } = this.#options;
        const reader = await this.#moment.reader;
        if (!values) return reader.keys(range);
        return keys ? reader.entries(range) : reader.values(range);
    }

    /** Ends the walk. What it has asked for ahead is not waited for. */
    #end(): void {
        Promise.resolve(this.#walk?.return?.()).catch(() => undefined);
        this.#walk = undefined;
    }
}

/** The error that Level has for a signal. */
function aborted(): Error {
    return Object.assign(new Error('Operation has been aborted'), { name: 'AbortError', code: 'LEVEL_ABORTED' });
}
