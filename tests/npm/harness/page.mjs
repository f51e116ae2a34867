/** A tab under test. */

/** A tab. Its errors are collected from the first moment. */
export class Page {
    /** Playwright's `Page`, for what is not here. */
    page;
    #kind;
    #errors = [];
    #expected = [];

    constructor(page, kind) {
        this.page = page;
        this.#kind = kind;
        page.on('pageerror', (error) => this.#errors.push(`uncaught: ${error.stack ?? error}`));
        page.on('crash', () => this.#errors.push('the page crashed'));
        page.on('console', (message) => {
            if (message.type() !== 'error') return;
            const { url, lineNumber } = message.location();
            this.#errors.push(`console: ${message.text()} (${url}:${lineNumber})`);
        });
        page.on('response', (response) => {
            if (response.status() >= 400) this.#errors.push(`${response.status()} ${response.url()}`);
        });
    }

    /** Loads an address, and waits for the page's script to set `globalThis.ready`. */
    async goto(url, { ready = true } = {}) {
        await this.page.goto(url);
        if (ready) await this.page.waitForFunction('globalThis.ready === true', undefined, { polling: 20 });
    }

    /** Loads it again, and waits as {@link Page.goto}. */
    async reload() {
        await this.page.reload();
        await this.page.waitForFunction('globalThis.ready === true', undefined, { polling: 20 });
    }

    /** Errors that match a pattern are what the test wants, before and after this call. */
    expect(pattern) {
        this.#expected.push(pattern);
    }

    /** Errors of the page that were not expected. */
    get errors() {
        return this.#errors.filter((error) => !this.#expected.some((pattern) => pattern.test(error)));
    }

    /**
     * Calls a function in the page with one argument, and returns what it returns. The function is sent as its source: it
     * sees the page's globals, not the test's. Arguments and results are what JSON takes, and bigint, Date, typed
     * arrays. An error keeps its `name`, `message` and `code`.
     */
    async run(call, argument) {
        const answer = await this.page.evaluate(
            async ({ source, argument }) => {
                try {
                    return { value: await (0, eval)(`(${source})`)(argument) };
                } catch (error) {
                    const { name, message, code, stack } = error ?? { message: String(error) };
                    return { error: { name, message, code, stack: String(stack) } };
                }
            },
            { source: String(call), argument },
        );
        if (answer.error === undefined) return answer.value;
        const { name, message, code, stack } = answer.error;
        throw Object.assign(new Error(message), {
            name,
            code,
            stack: `${name}: ${message}\n    in the page: ${stack}`,
        });
    }

    /** Chromium: a session of the DevTools protocol, for quota, clearing, freezing. */
    async devtools() {
        if (this.#kind !== 'chromium') throw new Error(`${this.#kind} has no DevTools protocol`);
        return this.page.context().newCDPSession(this.page);
    }

    /** Chromium: limits what the page's origin may store; no `bytes` lifts the limit. */
    async limitQuota(bytes) {
        const session = await this.devtools();
        const origin = new URL(this.page.url()).origin;
        await session.send(
            'Storage.overrideQuotaForOrigin',
            bytes === undefined ? { origin } : { origin, quotaSize: bytes },
        );
        // The limit lasts as long as the session.
        return session;
    }

    /** Chromium: removes what the page's origin stored, as a user who clears site data. */
    async clearStorage(storageTypes = 'all') {
        const session = await this.devtools();
        await session.send('Storage.clearDataForOrigin', { origin: new URL(this.page.url()).origin, storageTypes });
        await session.detach();
    }

    /** Chromium: stops the page as one that was long in the background; `thaw` lets it go on. */
    async freeze() {
        await this.#lifecycle('frozen');
    }

    /** Chromium: after {@link Page.freeze}. */
    async thaw() {
        await this.#lifecycle('active');
    }

    async #lifecycle(state) {
        const session = await this.devtools();
        await session.send('Page.setWebLifecycleState', { state });
        await session.detach();
    }

    /** Closes the tab. `pagehide` is sent to the page. */
    async close() {
        await this.page.close();
    }
}
