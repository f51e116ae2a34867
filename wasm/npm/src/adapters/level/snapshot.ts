/**
 * Snapshots, and reads that answer at once.
 */

import { AbstractSnapshot } from 'abstract-level';
import type { Snapshot, Store } from '../../index.js';
import type { SyncReader, SyncStore } from '../../sync.js';

/** A store of what Level has turned into bytes. */
export type BytesStore = Store<Uint8Array, Uint8Array>;
/** One whose calls answer at once. */
export type BytesSyncStore = SyncStore<Uint8Array, Uint8Array>;

/** In Node a store has another with calls that answer at once, by this name. */
const SYNC = Symbol.for('mini-bitcask.sync');

/** The store with calls that answer at once, where the engine is in this thread. */
export function syncOf(store: BytesStore | BytesSyncStore): BytesSyncStore | undefined {
    if ('ready' in store) return store;
    return (store as { [SYNC]?: BytesSyncStore })[SYNC];
}

/** The store as it is when this is made. */
export class Moment {
    /** What reads from it at once, where that can be. */
    readonly now: SyncReader<Uint8Array, Uint8Array> | undefined;
    /** What reads from it. */
    readonly reader: Promise<Snapshot<Uint8Array, Uint8Array>>;

    constructor(store: BytesStore) {
        const now = syncOf(store)?.snapshot();
        this.now = now;
        // To those who await, calls that answer at once are like those that do not.
        this.reader = now ? Promise.resolve(now as never) : store.snapshot();
        // Whoever reads is told what went wrong, and it may be that nobody does.
        this.reader.catch(() => undefined);
    }

    /** Lets it go. Of a store that was lost there is nothing to let go. */
    async close(): Promise<void> {
        await this.reader.then((snapshot) => snapshot.close()).catch(() => undefined);
    }
}

/** An explicit snapshot. */
export class LevelSnapshot extends AbstractSnapshot {
    /** @internal */
    readonly moment: Moment;

    /** @internal */
    constructor(store: BytesStore, options: object) {
        // The class's declaration knows no parameters, since nobody but a database makes one.
        super(...([options] as unknown as []));
        this.moment = new Moment(store);
    }

    protected _close(): Promise<void> {
        return this.moment.close();
    }
}

/** What calls to a database have in common that read. */
export interface Reading {
    snapshot?: LevelSnapshot | undefined;
}
