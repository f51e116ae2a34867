/**
 * The one store of this page: opened, waited for, lost, opened again.
 */

import { BitcaskError, open, type Backend, type OpenOptions, type Store } from 'mini-bitcask';
import { Observed } from './observed.js';

/** The store as this page uses it: bytes to bytes, as the command `bitcask` does. */
export type Bytes = Store<Uint8Array, Uint8Array>;

/** How it stands with the store. */
export type Phase =
    | { readonly is: 'opening' }
    | { readonly is: 'open'; readonly store: Bytes }
    /** Another tab has it; this page goes on trying. */
    | { readonly is: 'locked'; readonly error: BitcaskError; readonly attempts: number }
    | { readonly is: 'refused'; readonly error: unknown }
    /** It was open, and is not any more. */
    | { readonly is: 'ended'; readonly error: unknown };

/** What of the opening people may choose. */
export interface Choice {
    readonly autoMerge?: boolean;
    readonly recovery?: 'strict' | 'salvage';
}

/** Before the first word about it: another tab may just be closing. */
const FIRST_WAIT_MS = 1_500;
/** Every attempt after that: the store comes as soon as the other tab lets go of it. */
const WAIT_MS = 10_000;
/** Small, so that a load of a few megabytes shows how a log becomes segments. The default would be 16 MiB. */
const SEGMENT_BYTES = 2 * 1024 * 1024;

/** A page's connection to its store. */
export class Session {
    /** How it stands now. */
    readonly phase = new Observed<Phase>({ is: 'opening' });
    readonly name: string;
    #storage: Backend | undefined;
    #choice: Choice = {};
    #attempt = 0;

    constructor(name: string, storage: Backend | undefined) {
        this.name = name;
        this.#storage = storage;
    }

    /** The open store, or `undefined`. */
    get store(): Bytes | undefined {
        return this.phase.value.is === 'open' ? this.phase.value.store : undefined;
    }

    /** What was chosen at the last opening. */
    get choice(): Choice {
        return this.#choice;
    }

    /** Opens the store, again if it is open. Ends only when it is open, or cannot be. */
    async open(choice: Choice = this.#choice): Promise<void> {
        const attempt = ++this.#attempt;
        const open = this.store;
        this.#choice = choice;
        this.phase.set({ is: 'opening' });
        // What closing complains of does not matter: opening finds out.
        await open?.close().catch(() => undefined);
        for (let attempts = 1; attempt === this.#attempt; attempts += 1) {
            const phase = await this.#try(attempts);
            // Another call of this method has taken over meanwhile.
            if (attempt !== this.#attempt) {
                if (phase.is === 'open') await phase.store.close();
                return;
            }
            this.phase.set(phase);
            if (phase.is === 'open') void this.#watchEnd(phase.store);
            if (phase.is !== 'locked') return;
        }
    }

    async #try(attempts: number): Promise<Phase> {
        const { autoMerge = true, recovery = 'strict' } = this.#choice;
        const options: OpenOptions<Uint8Array, Uint8Array> = {
            keys: 'bytes',
            values: 'bytes',
            segmentBytes: SEGMENT_BYTES,
            lockTimeout: attempts === 1 ? FIRST_WAIT_MS : WAIT_MS,
            autoMerge,
            recovery,
            ...(recovery === 'salvage' ? { readOnly: true } : {}),
            ...(this.#storage ? { storage: this.#storage } : {}),
        };
        try {
            return { is: 'open', store: await open(this.name, options) };
        } catch (error) {
            if (error instanceof BitcaskError && error.code === 'LOCKED') return { is: 'locked', error, attempts };
            return { is: 'refused', error };
        }
    }

    /** A store that ends by itself was lost: cleared by the person or the browser, or taken by another tab. */
    async #watchEnd(store: Bytes): Promise<void> {
        const error = await store.ended;
        if (this.store === store) this.phase.set({ is: 'ended', error });
    }
}

/** Which store the address asks for: `?store=NAME`, and `?storage=opfs|indexeddb|memory` to refuse the other places. */
export function sessionOf(query: URLSearchParams): Session {
    const storage = query.get('storage');
    return new Session(query.get('store') ?? 'demo', (storage ?? undefined) as Backend | undefined);
}
