/**
 * A range of keys, as it is now: what is typed shows at once, and what is written soon.
 */

import type { Range } from 'mini-bitcask';
import { button, byId, element } from '../dom.js';
import { count, counted } from '../format.js';
import type { Bytes, Session } from '../session.js';
import type { StatsFeed } from '../stats-feed.js';
import { bytesOf, preview } from '../text.js';
import { confirmed } from './ask.js';
import type { OneKey } from './one.js';
import { say, sayError } from './say.js';

/** As many rows at first, and with every "Show more". */
const ROWS = 50;
/** While much is written, once in this time is enough. */
const PAUSE_MS = 200;
/** A range is counted key by key, and other calls wait meanwhile: beyond so many it is "more". */
const COUNTED_MAX = 5_000;

type Bounds = Omit<Range<Uint8Array>, 'reverse' | 'limit'>;

/** Brings the form and the table to life. */
export function showScan(session: Session, stats: StatsFeed, one: OneKey): void {
    new ScanView(session, stats, one);
}

class ScanView {
    #session: Session;
    #stats: StatsFeed;
    #one: OneKey;
    #prefix = byId('scan-prefix', HTMLInputElement);
    #from = byId('scan-from', HTMLInputElement);
    #to = byId('scan-to', HTMLInputElement);
    #reverse = byId('scan-reverse', HTMLInputElement);
    #rows = byId('scan-rows', HTMLElement);
    /** What the range holds; it changes by itself. */
    #said = byId('scan-said', HTMLElement);
    /** What came of deleting; it stays until the next time. */
    #did = byId('scan-did', HTMLElement);
    #more = byId('scan-more', HTMLButtonElement);
    #clear = byId('scan-clear', HTMLButtonElement);
    #rowsMax = ROWS;
    #version: bigint | undefined;
    #running = false;
    #stale = false;

    constructor(session: Session, stats: StatsFeed, one: OneKey) {
        this.#session = session;
        this.#stats = stats;
        this.#one = one;
        byId('scan', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());
        for (const input of [this.#prefix, this.#from, this.#to, this.#reverse]) {
            input.addEventListener('input', () => this.#changeRange());
        }
        this.#more.addEventListener('click', () => {
            this.#rowsMax += ROWS;
            void this.#scan();
        });
        this.#clear.addEventListener('click', () => void this.#clearRange());
        session.phase.observe(() => this.#changeRange());
        stats.latest.observe((latest) => {
            if (latest && latest.version !== this.#version) void this.#scan();
        });
    }

    #bounds(): Bounds {
        return {
            ...(this.#prefix.value ? { prefix: bytesOf(this.#prefix.value) } : {}),
            ...(this.#from.value ? { gte: bytesOf(this.#from.value) } : {}),
            ...(this.#to.value ? { lt: bytesOf(this.#to.value) } : {}),
        };
    }

    #changeRange(): void {
        this.#rowsMax = ROWS;
        if (this.#session.store) return void this.#scan();
        this.#rows.replaceChildren();
        this.#more.hidden = this.#clear.hidden = true;
        say(this.#said, '');
    }

    /** Scans, and scans again if something changed meanwhile; never twice at a time. */
    async #scan(): Promise<void> {
        this.#stale = true;
        if (this.#running) return;
        this.#running = true;
        try {
            while (this.#stale && this.#session.store) {
                this.#stale = false;
                await this.#scanOnce(this.#session.store);
                if (this.#stale) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
            }
        } catch (error) {
            if (this.#session.store) sayError(this.#said, error);
        } finally {
            this.#running = false;
        }
    }

    async #scanOnce(store: Bytes): Promise<void> {
        const bounds = this.#bounds();
        const rows: HTMLTableRowElement[] = [];
        // One more than is shown tells whether there are more.
        const options = { ...bounds, reverse: this.#reverse.checked, limit: this.#rowsMax + 1 };
        const [{ total, atLeast }] = await Promise.all([
            this.#count(store, bounds),
            (async () => {
                for await (const [key, value] of store.entries(options)) rows.push(this.#row(key, value));
            })(),
        ]);
        const more = rows.splice(this.#rowsMax).length > 0;
        this.#replaceRows(rows);
        this.#more.hidden = !more;
        this.#clear.hidden = rows.length === 0;
        this.#clear.textContent = Object.keys(bounds).length > 0 ? 'Delete these…' : 'Delete all…';
        const found = rows.length === 0 ? 'No keys.' : `${atLeast ? 'More than ' : ''}${counted(total, 'key')}.`;
        // Only what is new is read aloud.
        const text = more ? `${found} ${count(rows.length)} are shown.` : found;
        if (this.#said.textContent !== text) say(this.#said, text);
    }

    /** How many keys are in a range; of all the store knows it without looking. */
    async #count(store: Bytes, bounds: Bounds): Promise<{ total: number; atLeast: boolean }> {
        const stats = await store.stats();
        this.#version = stats.version;
        if (Object.keys(bounds).length === 0) return { total: stats.keys, atLeast: false };
        const total = await store.count({ ...bounds, limit: COUNTED_MAX + 1 });
        return { total: Math.min(total, COUNTED_MAX), atLeast: total > COUNTED_MAX };
    }

    /** The keyboard's place among the rows stays. */
    #replaceRows(rows: HTMLTableRowElement[]): void {
        const focused = document.activeElement;
        const key = focused instanceof HTMLElement ? focused.dataset['focus'] : undefined;
        this.#rows.replaceChildren(...rows);
        if (key === undefined || document.activeElement === focused) return;
        for (const each of this.#rows.querySelectorAll('button')) {
            if (each.dataset['focus'] === key) return each.focus({ preventScroll: true });
        }
    }

    #row(key: Uint8Array, value: Uint8Array): HTMLTableRowElement {
        const name = preview(key, 80);
        const shown = preview(value);
        const read = button(name.text, name.isText ? 'key mono' : 'key mono hex', () => void this.#one.show(key));
        read.dataset['focus'] = `read ${name.text}`;
        read.title = 'Read it into the form';
        const remove = button('×', 'remove', () => void this.#delete(key));
        remove.dataset['focus'] = `delete ${name.text}`;
        remove.setAttribute('aria-label', `Delete ${name.text}`);
        return element(
            'tr',
            '',
            element('td', '', read),
            element('td', shown.isText ? 'value mono' : 'value mono hex', shown.text),
            element('td', 'number', count(value.length)),
            element('td', '', remove),
        );
    }

    async #delete(key: Uint8Array): Promise<void> {
        try {
            await this.#session.store?.delete(key);
        } catch (error) {
            sayError(this.#did, error);
        }
        this.#stats.hurry();
    }

    async #clearRange(): Promise<void> {
        const store = this.#session.store;
        if (!store) return;
        const bounds = this.#bounds();
        try {
            const { total, atLeast } = await this.#count(store, bounds);
            if (!(await confirmed(`Delete ${atLeast ? 'more than ' : ''}${counted(total, 'key')}?`))) return;
            say(this.#did, 'Deleting…');
            const gone = await store.clear(bounds);
            say(this.#did, `Deleted ${counted(gone, 'key')}.`);
        } catch (error) {
            sayError(this.#did, error);
        }
        this.#stats.hurry();
    }
}
