/**
 * The engine's side: one open engine, what it does between calls, and the calls themselves. It runs in a worker or, in
 * Node, where it is called from.
 */

import type { Engine } from '#wasm';
import type { Calls, Connection, MergeStep, Opened, VerifyStep } from './connection.js';
import { BitcaskError } from './errors.js';
import type { OpenOptions, VerifyReport } from './types.js';

/** The part of the options that the engine's side needs. */
export type HostOptions = Pick<
    OpenOptions,
    | 'durability'
    | 'syncInterval'
    | 'storage'
    | 'lockTimeout'
    | 'index'
    | 'segmentBytes'
    | 'create'
    | 'errorIfExists'
    | 'readOnly'
    | 'recovery'
    | 'autoMerge'
    | 'directory'
    | 'lock'
>;

/** What holds the files, beside the engine. */
export interface Place {
    /** For files that are opened ahead: opens those that the next calls may need. For between two calls. */
    prepare?(engine: Engine): Promise<void>;
    /** For copies of files that are kept elsewhere: makes what was written last there, before it is acknowledged. */
    commit?(strict: boolean): Promise<void>;
    /** Opens the files anew as they are elsewhere, without what could not be committed. */
    reopen?(): Promise<Engine>;
    /** For files that can be removed while they are open: whether they are still there. */
    exists?(): Promise<boolean>;
    /** Gives the place back, after the engine gave its files back. */
    release(): void | Promise<void>;
}

/** Bytes that one step of a merge reads: some milliseconds of work. */
const MERGE_STEP_BYTES = 1024 * 1024;
/** Bytes that one step of a verification reads. */
export const VERIFY_STEP_BYTES = 1024 * 1024;
/** Keys that one step of a clear deletes. */
export const CLEAR_STEP_KEYS = 1_000;
/** Bytes of keys and values that one part of a walk has at most, but for its first entry. */
export const PART_BYTES = 256 * 1024;
/** Writes of the feed that one part has at most. */
const CHANGES = 1_000;
/** Milliseconds after a write until files for the next ones are opened, segments are sealed and space is reclaimed. */
const TIDY_PAUSE_MS = 50;

/** Milliseconds after a call until it is seen that the files are gone: until then what was told to be written may be lost. */
const LOOK_PAUSE_MS = 1_000;
/** Engines whose files are gone. What is collected as garbage closes its files. */
const LOST: Engine[] = [];

/** One open engine. */
export class Host implements Connection {
    readonly opened: Opened;
    /** It has the store until it is closed. */
    readonly session = 0;
    readonly ended: Promise<Error | undefined>;
    #end: (error: Error | undefined) => void = () => undefined;
    #engine: Engine;
    #place: Place;
    #options: HostOptions;
    #version: bigint;
    #listener: ((version: bigint) => void) | undefined;
    #syncTimer: ReturnType<typeof setTimeout> | undefined;
    #tidyTimer: ReturnType<typeof setTimeout> | undefined;
    #lookTimer: ReturnType<typeof setTimeout> | undefined;
    /** Why there is no engine any more. */
    #lost: BitcaskError | undefined;
    /** What runs one after another: whatever waits in the middle. */
    #turn: Promise<unknown> = Promise.resolve();
    /** How many have not had their turn, or have it. */
    #turns = 0;
    /** A failure of work that nobody waited for: the next call is told. */
    #untold: unknown;
    /** Whether what follows writes waits for its turn. */
    #tidying = false;
    #state: 'open' | 'closing' | 'closed' = 'open';

    constructor(engine: Engine, place: Place, options: HostOptions, opened: Omit<Opened, 'version'>) {
        this.#engine = engine;
        this.#place = place;
        this.#options = options;
        this.#version = engine.sequence();
        this.opened = { ...opened, version: this.#version };
        this.ended = new Promise((resolve) => (this.#end = resolve));
    }

    run(frame: Uint8Array): Uint8Array | Promise<Uint8Array> {
        // Where nothing is under way and nothing need be waited for, the answer is there at once.
        const atOnce = this.#turns === 0 && !this.#place.commit && this.#untold === undefined;
        if (!atOnce || this.#state !== 'open') return this.#inTurn(() => this.#runOn(frame, this.#engine.run(frame)));
        this.#lookLater();
        let reply: Uint8Array;
        try {
            reply = this.#engine.run(frame);
        } catch (error) {
            throw this.failure(error);
        }
        if (consumed(reply) < frame.length) return this.#inTurn(() => this.#runOn(frame, reply));
        this.#noteWrites();
        return reply.subarray(4);
    }

    async #runOn(frame: Uint8Array, first: Uint8Array): Promise<Uint8Array> {
        let reply = first;
        let done = consumed(reply);
        // No free slot was ready: one is, after a pause, and the rest of the frame follows.
        while (done < frame.length) {
            await this.#place.prepare?.(this.#engine);
            const more = this.#engine.run(frame.subarray(done));
            if (consumed(more) === 0) throw new BitcaskError('BUSY', 'no file is ready to go on in');
            done += consumed(more);
            reply = joined(reply, more.subarray(4));
        }
        await this.#afterWrites();
        return reply.subarray(4);
    }

    call<M extends keyof Calls>(method: M, ...args: Parameters<Calls[M]>): Promise<ReturnType<Calls[M]>> {
        return this.#inTurn(async () => {
            const call = this.#calls[method] as (...args: Parameters<Calls[M]>) => ReturnType<Calls[M]>;
            let result: ReturnType<Calls[M]>;
            try {
                result = call(...args);
            } catch (error) {
                if ((error as { code?: string }).code !== 'BUSY') throw error;
                await this.#place.prepare?.(this.#engine);
                result = call(...args);
            }
            await this.#afterWrites();
            // What a merge gave back is there for the next call.
            if (method === 'mergeStep') await this.#place.prepare?.(this.#engine);
            return result;
        });
    }

    /** The engine itself, for calls that do not wait. Whoever writes by it calls {@link Host.wrote} after that. */
    get engine(): Engine {
        if (this.#state !== 'open') throw this.#refusal();
        this.#lookLater();
        return this.#engine;
    }

    /** Whether it takes no more calls. */
    get isClosed(): boolean {
        return this.#state !== 'open';
    }

    /** Resolves when files for the next writes are ready, and what was written is where it is kept. */
    ready(): Promise<void> {
        return this.#inTurn(async () => {
            await this.#afterWrites();
            await this.#place.prepare?.(this.#engine);
        });
    }

    /** Sees to what writes made by {@link Host.engine} leave to do: files for the next ones, syncs, merges. */
    wrote(): void {
        if (this.#tidying) return;
        this.#tidying = true;
        this.#meanwhile(async () => {
            this.#tidying = false;
            await this.#afterWrites();
            await this.#place.prepare?.(this.#engine);
        });
    }

    onWrites(listener: ((version: bigint) => void) | undefined): void {
        this.#listener = listener;
    }

    async close(): Promise<void> {
        if (this.#state !== 'open') return void (await this.ended);
        // What was called before is done first, and nothing comes after.
        await this.#inTurn(async () => {
            // In Chromium the closing of a file that was removed never ends.
            await this.#look();
            if (this.#lost) throw this.#lost;
            this.#state = 'closing';
            let failure: unknown;
            try {
                this.#engine.close();
                await this.#place.commit?.(true);
            } catch (error) {
                failure = error;
            }
            await this.#finish(undefined);
            if (failure !== undefined) throw failure;
        });
    }

    /** Gives the files back at once, for those who cannot wait: what was acknowledged is in them. */
    abandon(error?: Error): void {
        if (this.#state === 'closed') return;
        try {
            this.#engine.abandon();
        } catch {
            // A broken engine cannot; its files go back with its worker.
        }
        void this.#finish(error);
    }

    async #finish(error: Error | undefined): Promise<void> {
        this.#state = 'closed';
        clearTimeout(this.#syncTimer);
        clearTimeout(this.#tidyTimer);
        clearTimeout(this.#lookTimer);
        await this.#place.release();
        this.#end(error);
    }

    /** Calls one after another, also those that wait in the middle. */
    #inTurn<T>(work: () => Promise<T>): Promise<T> {
        const turn = this.#turn.then(async () => {
            if (this.#state === 'closed') throw this.#refusal();
            this.#lookLater();
            if (this.#untold !== undefined) {
                const error = this.#untold;
                this.#untold = undefined;
                throw error;
            }
            try {
                return await work();
            } catch (error) {
                throw this.failure(error);
            }
        });
        this.#turns += 1;
        this.#turn = turn.then(this.#turnEnded, this.#turnEnded);
        return turn;
    }

    readonly #turnEnded = (): void => void (this.#turns -= 1);

    #refusal(): BitcaskError {
        return this.#lost ?? new BitcaskError('CLOSED', 'the store was closed');
    }

    /** A store that is used is looked for now and then: who clears a site's data removes files that are open. */
    #lookLater(): void {
        if (this.#lookTimer !== undefined || !this.#place.exists) return;
        this.#lookTimer = setTimeout(() => {
            this.#lookTimer = undefined;
            void this.#look();
        }, LOOK_PAUSE_MS);
        unref(this.#lookTimer);
    }

    async #look(): Promise<void> {
        if (!this.#place.exists || (await this.#place.exists()) || this.#state !== 'open') return;
        const text = "the browser removed the store's files: the site's data was cleared. What was in it is gone";
        this.#lost = new BitcaskError('NO_STORE', text);
        // Its files are not closed, which might never end, nor may anything close them later.
        LOST.push(this.#engine);
        await this.#finish(this.#lost);
    }

    /**
     * What the engine threw, as an error of the package. After a trap the engine is not to be called again: what it was doing
     * is half done in its memory.
     */
    failure(error: unknown): BitcaskError {
        if (error instanceof WebAssembly.RuntimeError) {
            const lost = new BitcaskError('INTERRUPTED', `the engine stopped: ${error.message}`);
            this.abandon(lost);
            return lost;
        }
        return BitcaskError.from(error);
    }

    async #afterWrites(): Promise<void> {
        if (this.#place.commit) await this.#commit(false);
        this.#noteWrites();
    }

    #noteWrites(): void {
        const version = this.#engine.sequence();
        if (version === this.#version) return;
        this.#version = version;
        this.#listener?.(version);
        this.#syncLater();
        this.#tidyLater(TIDY_PAUSE_MS);
    }

    /** Nobody is told of what could not be committed: the engine goes back to what is there, snapshots and walks end. */
    async #commit(strict: boolean): Promise<void> {
        try {
            await this.#place.commit?.(strict);
        } catch (error) {
            if (this.#place.reopen) {
                this.#engine.abandon();
                try {
                    this.#engine = await this.#place.reopen();
                    this.#version = this.#engine.sequence();
                } catch (lost) {
                    this.abandon(BitcaskError.from(lost));
                }
            }
            throw error;
        }
    }

    /** Also in a store that asks for no durability: one of its writes may have. */
    #syncLater(): void {
        if (this.#syncTimer !== undefined) return;
        this.#syncTimer = setTimeout(() => {
            this.#syncTimer = undefined;
            this.#meanwhile(async () => {
                this.#engine.sync();
                await this.#commit(true);
            });
        }, this.#options.syncInterval ?? 1_000);
        unref(this.#syncTimer);
    }

    /** Not at once, so that nobody waits for it, and also while writes go on without a pause. */
    #tidyLater(pause: number): void {
        if (this.#tidyTimer !== undefined || this.#options.readOnly) return;
        this.#tidyTimer = setTimeout(() => {
            this.#tidyTimer = undefined;
            this.#meanwhile(async () => {
                const sealed = this.#engine.sealPending();
                const merging = this.#options.autoMerge !== false;
                const step = merging
                    ? (this.#engine.mergeStep(false, MERGE_STEP_BYTES) as MergeStep)
                    : { state: 'idle' };
                await this.#place.prepare?.(this.#engine);
                await this.#commit(false);
                if (sealed > 0 || step.state !== 'idle') this.#tidyLater(0);
            });
        }, pause);
        unref(this.#tidyTimer);
    }

    /** Work that nobody waits for. That there is no room for it is no failure: it is tried again after the next write. */
    #meanwhile(work: () => Promise<void>): void {
        this.#inTurn(work).catch((error: BitcaskError) => {
            const harmless = ['CLOSED', 'QUOTA', 'BUSY', 'READ_ONLY', 'INTERRUPTED'];
            if (!harmless.includes(error.code)) this.#untold ??= error;
        });
    }

    readonly #calls: Calls = {
        scan: (bounds, snapshot, maxEntries) => {
            const id = this.#engine.scanOpen(bounds, snapshot);
            try {
                return { id, part: this.#engine.scanNext(id, maxEntries, PART_BYTES) };
            } catch (error) {
                // Whoever asked does not know its name, and could not close it.
                this.#engine.scanClose(id);
                throw error;
            }
        },
        scanNext: (id, maxEntries) => this.#engine.scanNext(id, maxEntries, PART_BYTES),
        scanClose: (id) => this.#engine.scanClose(id),
        count: (bounds, snapshot) => this.#engine.count(bounds, snapshot),
        clear: (bounds, durability) => this.#engine.clear(bounds, CLEAR_STEP_KEYS, durability),
        snapshot: () => {
            const id = this.#engine.snapshotOpen();
            return { id, version: this.#engine.snapshotSequence(id) };
        },
        snapshotClose: (id) => {
            this.#engine.snapshotClose(id);
            this.#tidyLater(TIDY_PAUSE_MS);
        },
        version: () => this.#engine.sequence(),
        changes: (since, keysOnly) => this.#engine.changes(since, keysOnly, CHANGES, PART_BYTES),
        tell: () => undefined,
        valueOpen: (key, snapshot) => this.#engine.valueOpen(key, snapshot),
        valueNext: (id, max) => this.#engine.valueNext(id, max),
        valueClose: (id) => this.#engine.valueClose(id),
        valueBegin: () => this.#engine.valueBegin(),
        valuePush: (id, bytes) => this.#engine.valuePush(id, bytes),
        valueCommit: (id, key, expiresAt, durability) => void this.#engine.valueCommit(id, key, expiresAt, durability),
        valueAbort: (id) => this.#engine.valueAbort(id),
        export: () => this.#engine.exportOpen(0),
        exportNext: (id) => this.#engine.exportNext(id),
        exportClose: (id) => this.#engine.exportClose(id),
        import: () => this.#engine.importOpen(false),
        importPush: (id, bytes) => this.#engine.importPush(id, bytes),
        importFinish: (id) => this.#engine.importFinish(id),
        importClose: (id) => this.#engine.importClose(id),
        mergeStep: (full, first) => {
            // A small store stands in its active segment as a whole, and only sealed ones are merged.
            if (full && first) this.#engine.rollForMerge();
            this.#engine.sealPending();
            return this.#engine.mergeStep(full, MERGE_STEP_BYTES) as MergeStep;
        },
        verify: () => this.#engine.verifyOpen(),
        verifyNext: (id) => this.#engine.verifyNext(id, VERIFY_STEP_BYTES) as VerifyStep | VerifyReport,
        verifyClose: (id) => this.#engine.verifyClose(id),
        stats: () => this.#engine.stats(),
    };
}

/** How many bytes of a request a reply says were consumed. */
function consumed(reply: Uint8Array): number {
    return new DataView(reply.buffer, reply.byteOffset).getUint32(0, true);
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
    const both = new Uint8Array(one.length + other.length);
    both.set(one);
    both.set(other, one.length);
    return both;
}

/** In Node a timer keeps the process alive unless it is told not to. */
function unref(timer: unknown): void {
    (timer as { unref?: () => void }).unref?.();
}
