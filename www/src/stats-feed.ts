/**
 * The store's sizes and counts, kept fresh: often while something happens, seldom otherwise, never while nobody looks.
 */

import type { Stats } from 'mini-bitcask';
import { Observed } from './observed.js';
import type { Session } from './session.js';

/** Merges begin without being asked. */
const IDLE_MS = 1_000;
/** A picture every so often is enough to see things move. */
const BUSY_MS = 120;

/** The statistics of a session's store. */
export class StatsFeed {
    /** As they were last heard; `undefined` while no store is open. */
    readonly latest = new Observed<Stats | undefined>(undefined);
    #session: Session;
    #timer: ReturnType<typeof setTimeout> | undefined;
    #dueAt = Infinity;

    constructor(session: Session) {
        this.#session = session;
        session.phase.observe(({ is }) => {
            this.#stop();
            if (is === 'open') this.#ask(0);
            else if (is !== 'opening') this.latest.set(undefined);
        });
        document.addEventListener('visibilitychange', () => {
            this.#stop();
            if (!document.hidden && this.#session.store) this.#ask(0);
        });
    }

    /** Something was written: the numbers are old. */
    hurry(): void {
        if (this.#session.store) this.#ask(BUSY_MS);
    }

    #ask(inMs: number): void {
        const dueAt = performance.now() + inMs;
        if (document.hidden || this.#dueAt <= dueAt) return;
        this.#stop();
        this.#dueAt = dueAt;
        this.#timer = setTimeout(() => void this.#refresh(), inMs);
    }

    #stop(): void {
        clearTimeout(this.#timer);
        this.#dueAt = Infinity;
    }

    async #refresh(): Promise<void> {
        this.#dueAt = Infinity;
        const store = this.#session.store;
        try {
            const stats = await store?.stats();
            if (store && store === this.#session.store) this.latest.set(stats);
        } catch {
            // A store that is gone says so by its phase.
        }
        if (this.#session.store) this.#ask(IDLE_MS);
    }
}
