/** The page in www/, as a person uses it: by its labels. For page.test.mjs, and for what `make demo` tries. */
import { readFile } from 'node:fs/promises';

/** Slow machines, and seconds of waiting for a lock. */
const WAIT_MS = 60_000;

/** A tab with the page. */
export class PageDriver {
    /** The harness's tab. */
    tab;
    /** Playwright's page. */
    page;
    #kind;

    constructor(tab, kind) {
        this.tab = tab;
        this.#kind = kind;
        this.page = tab.page;
        this.page.setDefaultTimeout(WAIT_MS);
    }

    /** Opens a tab; resolves when it stands so with the store: `open`, or another phase of the page's session. */
    static async open(browser, address, phase = 'open') {
        const driver = new PageDriver(await browser.open(address, { ready: false }), browser.kind);
        await driver.phase(phase);
        return driver;
    }

    /** Waits for how it stands with the store. */
    async phase(phase) {
        await this.page.locator(`html[data-store="${phase}"]`).waitFor({ state: 'attached' });
    }

    async reload() {
        await this.page.reload();
        await this.phase('open');
    }

    /** Writes a key; resolves with what the page says. */
    async write(key, value) {
        const form = this.card('One key');
        await form.getByLabel('Key').fill(key);
        await form.getByLabel('Value').fill(value);
        return this.does(
            'one',
            form.getByRole('button', { name: 'Write' }),
            new RegExp(`^Wrote "${key}"|^[A-Z_]{2,} `),
        );
    }

    /** Reads a key: its value, or `undefined`. */
    async read(key) {
        const form = this.card('One key');
        await form.getByLabel('Key').fill(key);
        const button = form.getByRole('button', { name: 'Read' });
        const said = await this.does('one', button, new RegExp(`^(Read|There is no) "${key}"`));
        return said.startsWith('Read') ? form.getByLabel('Value').inputValue() : undefined;
    }

    async delete(key) {
        const form = this.card('One key');
        await form.getByLabel('Key').fill(key);
        return this.does(
            'one',
            form.getByRole('button', { name: 'Delete' }),
            new RegExp(`(Deleted|There was no) "${key}"`),
        );
    }

    /** Types a range, and resolves with the keys that show once the page says that there are so many. */
    async scan({ prefix = '', from = '', to = '', reverse = false }, count) {
        const form = this.card('Scan');
        await form.getByLabel('Keys that begin with').fill(prefix);
        await form.getByLabel('from').fill(from);
        await form.getByLabel('to before').fill(to);
        await form.getByLabel('last first').setChecked(reverse);
        await this.said('scan', new RegExp(`^${count === 0 ? 'No keys' : `${count.toLocaleString('en')} keys?`}\\.`));
        return this.page.locator('#scan-rows button.key').allTextContents();
    }

    /** The keys of the range that show, when they are these. */
    async shows(keys) {
        await this.page.waitForFunction((keys) => {
            const shown = [...document.querySelectorAll('#scan-rows button.key')].map((each) => each.textContent);
            return JSON.stringify(shown) === JSON.stringify(keys);
        }, keys);
    }

    /** Starts the work of a button beside the load; resolves with what the page says when that matches. */
    async load(button, { keys, bytes, until = /keys? in|^[A-Z_]{2,} / } = {}) {
        const form = this.card('Many keys');
        if (keys !== undefined) await this.#type(form.getByLabel('Keys'), keys);
        if (bytes !== undefined) await this.#type(form.getByLabel('Bytes of each value'), bytes);
        return this.does('load', form.getByRole('button', { name: button }), until);
    }

    /** In Firefox, Playwright's `fill` leaves in a number field what was there. */
    async #type(field, number) {
        await field.press('ControlOrMeta+a');
        await field.pressSequentially(String(number));
    }

    merge() {
        const button = this.card('The log').getByRole('button', { name: 'Merge' });
        return this.does('merge', button, /^Merged|^There was nothing|^[A-Z_]{2,} /);
    }

    /** Merges happen when they are asked for only: the store is opened anew. */
    async mergeByHand() {
        await this.page.getByLabel('by itself').uncheck();
        await this.phase('open');
    }

    verify() {
        const button = this.card('Numbers').getByRole('button', { name: 'Verify' });
        return this.does('care', button, /^All is sound|^Damaged|^[A-Z_]{2,} /);
    }

    /** Deletes all that there is, and says yes to the question. */
    async deleteAll() {
        await this.page.getByRole('button', { name: 'Delete all…' }).click();
        const button = this.page.getByRole('dialog').getByRole('button', { name: 'Delete' });
        return this.does('scan', button, /^Deleted|^[A-Z_]{2,} /, 'did');
    }

    /** Downloads the store: the file's name and bytes. */
    async download() {
        const button = this.card('Carry it away').getByRole('button', { name: 'Download' });
        if (this.#kind === 'firefox') return this.#caught(button);
        const [download] = await Promise.all([this.page.waitForEvent('download'), button.click()]);
        return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
    }

    /** In Firefox, Playwright neither tells of downloads nor lets them happen: what the page gives away is caught in it. */
    async #caught(button) {
        await this.page.evaluate(() => {
            globalThis.caught = new Promise((resolve) => {
                const { createObjectURL } = URL;
                let blob;
                URL.createObjectURL = (given) => createObjectURL.call(URL, (blob = given));
                HTMLAnchorElement.prototype.click = function () {
                    resolve({ name: this.download, blob });
                };
            });
        });
        await button.click();
        const { name, text } = await this.page.evaluate(async () => {
            const { name, blob } = await globalThis.caught;
            let text = '';
            for (const byte of new Uint8Array(await blob.arrayBuffer())) text += String.fromCharCode(byte);
            return { name, text: btoa(text) };
        });
        return { name, bytes: Buffer.from(text, 'base64') };
    }

    /** Chooses a file; resolves with what the page says at the end. */
    async carryIn(name, bytes) {
        const input = this.card('Carry it away').getByLabel('Drop such a file');
        await input.setInputFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(bytes) });
        return this.said('carry', new RegExp(`from ${name}|^[A-Z_]{2,} `));
    }

    /** Drops a file on the page, as a person would from a folder. */
    async drop(name, bytes) {
        await this.page.evaluate(
            ({ name, text }) => {
                const dataTransfer = new DataTransfer();
                dataTransfer.items.add(new File([Uint8Array.from(atob(text), (char) => char.charCodeAt(0))], name));
                for (const type of ['dragover', 'drop']) {
                    document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
                }
            },
            { name, text: Buffer.from(bytes).toString('base64') },
        );
        return this.said('carry', new RegExp(`from ${name}|^[A-Z_]{2,} `));
    }

    /** The segments that are drawn, the newest first: state, and the widths of their live and dead parts in percent. */
    async segments() {
        return this.page.locator('#segments li').evaluateAll((rows) =>
            rows.map((row) => ({
                state: row.dataset.state,
                live: Number.parseFloat(row.querySelector('.live').style.width),
                dead: Number.parseFloat(row.querySelector('.dead').style.width),
            })),
        );
    }

    /** Clicks, and resolves with what the line under a form says of it: not with what it said before. */
    async does(form, button, pattern, line = 'said') {
        await this.page.locator(`#${form}-${line}`).evaluate((line) => (line.textContent = ''));
        await button.click();
        return this.said(form, pattern, line);
    }

    /** The line under a form, when it says what is waited for. */
    async said(form, pattern, line = 'said') {
        const found = this.page.locator(`#${form}-${line}`).filter({ hasText: pattern });
        await found.waitFor();
        return found.textContent();
    }

    /** A part of the page by its heading. */
    card(title) {
        return this.page.getByRole('region', { name: title, exact: true });
    }

    text(id) {
        return this.page.locator(`#${id}`).textContent();
    }
}
