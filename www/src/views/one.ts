/**
 * One key: written, read, deleted.
 */

import type { Durability } from 'mini-bitcask';
import { byId } from '../dom.js';
import { bytes, duration } from '../format.js';
import type { Bytes, Session } from '../session.js';
import type { StatsFeed } from '../stats-feed.js';
import { bytesOf, preview, textOf } from '../text.js';
import { say, sayError } from './say.js';

/** A value longer than this makes a text field slow. */
const EDITED_BYTES_MAX = 200_000;

/** What others ask of this view. */
export interface OneKey {
    /** Reads a key into the form. */
    show(key: Uint8Array): Promise<void>;
}

/** Brings the form to life. */
export function showOne(session: Session, stats: StatsFeed): OneKey {
    const form = byId('one', HTMLFormElement);
    const key = byId('one-key', HTMLInputElement);
    const value = byId('one-value', HTMLTextAreaElement);
    const durability = byId('one-durability', HTMLSelectElement);
    const said = byId('one-said', HTMLElement);

    /** Runs one call of the store, and says what came of it and how long it took. */
    const ask = async (call: (store: Bytes, key: Uint8Array) => Promise<string>): Promise<void> => {
        const store = session.store;
        if (!store || !form.reportValidity()) return;
        try {
            const began = performance.now();
            const text = await call(store, bytesOf(key.value));
            say(said, `${text} (${duration(performance.now() - began)})`);
        } catch (error) {
            sayError(said, error);
        }
        stats.hurry();
    };
    const chosen = (): { durability: Durability } => ({ durability: durability.value as Durability });

    const write = (): Promise<void> =>
        ask(async (store, bytesOfKey) => {
            const written = bytesOf(value.value);
            await store.set(bytesOfKey, written, chosen());
            return `Wrote "${key.value}": ${bytes(written.length)}.`;
        });

    const read = (wanted?: Uint8Array): Promise<void> =>
        ask(async (store, bytesOfKey) => {
            const entry = await store.getEntry(wanted ?? bytesOfKey);
            if (!entry) return `There is no "${key.value}".`;
            const text = entry.value.length <= EDITED_BYTES_MAX ? textOf(entry.value) : undefined;
            if (text === undefined) {
                return `It has ${bytes(entry.value.length)}, too many or no text: ${preview(entry.value).text}`;
            }
            value.value = text;
            return `Read "${key.value}": ${bytes(entry.value.length)}, version ${entry.version}.`;
        });

    form.addEventListener('submit', (event) => {
        event.preventDefault();
        void write();
    });
    value.addEventListener('keydown', (event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    byId('one-read', HTMLButtonElement).addEventListener('click', () => void read());
    byId('one-delete', HTMLButtonElement).addEventListener('click', () => {
        void ask(async (store, bytesOfKey) => {
            const was = await store.delete(bytesOfKey, chosen());
            return was ? `Deleted "${key.value}".` : `There was no "${key.value}".`;
        });
    });

    return {
        async show(wanted) {
            key.value = textOf(wanted) ?? preview(wanted).text;
            await read(wanted);
            key.focus();
        },
    };
}
