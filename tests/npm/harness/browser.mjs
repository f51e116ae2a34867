/** Real browsers, with real profiles, that a test starts, kills and starts again. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, firefox } from 'playwright-core';
import { Page } from './page.mjs';

const CHROMIUM = {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
    ].concat(['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage']),
};
const FIREFOX = {
    channel: 'moz-firefox',
    executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
    firefoxUserPrefs: {
        'app.update.enabled': false,
        'browser.shell.checkDefaultBrowser': false,
        'network.captive-portal-service.enabled': false,
        'network.connectivity-service.enabled': false,
    },
};
/** A busy machine starts a browser slowly. */
const START_MS_MAX = 90_000;

/** The browsers that tests run in: both, or those that the environment's BROWSERS names. */
export const BROWSERS = (process.env.BROWSERS ?? 'chromium firefox').split(/[\s,]+/).filter(Boolean);

/**
 * Starts a browser on a profile of its own: what is stored in it lasts as long as the folder.
 *
 * @param {'chromium' | 'firefox'} kind
 * @param {object} [options]
 * @param {string} [options.profile] A folder to use, or to use again. Default: a new one, gone with `close`.
 * @param {Record<string, unknown>} [options.prefs] Firefox: preferences.
 * @param {string[]} [options.args] Chromium: switches.
 */
export async function launch(kind, { profile, prefs = {}, args = [] } = {}) {
    const folder = profile ?? mkdtempSync(join(tmpdir(), `mini-bitcask-${kind}-`));
    const context = await (kind === 'firefox'
        ? firefox.launchPersistentContext(folder, {
              ...FIREFOX,
              firefoxUserPrefs: { ...FIREFOX.firefoxUserPrefs, ...prefs },
              headless: true,
              timeout: START_MS_MAX,
          })
        : chromium.launchPersistentContext(folder, {
              ...CHROMIUM,
              args: [...CHROMIUM.args, ...args],
              headless: true,
              timeout: START_MS_MAX,
          }));
    return new Browser(kind, folder, context, profile === undefined);
}

/** A running browser. */
class Browser {
    /** `chromium` or `firefox`. */
    kind;
    /** The folder of its profile. */
    profile;
    /** Playwright's `BrowserContext`, for what is not here. */
    context;
    #temporary;
    #pages = [];

    constructor(kind, profile, context, temporary) {
        this.kind = kind;
        this.profile = profile;
        this.context = context;
        this.#temporary = temporary;
    }

    /**
     * Opens a tab and loads an address in it. Resolves when the page's script ran (it sets `globalThis.ready`), or at
     * once after the load event where `ready` is false.
     */
    async open(url, { ready = true } = {}) {
        const page = new Page(await this.context.newPage(), this.kind);
        this.#pages.push(page);
        await page.goto(url, { ready });
        return page;
    }

    /** Errors of all tabs that were not expected. */
    get errors() {
        return this.#pages.flatMap((page) => page.errors);
    }

    /**
     * Ends it in order, and removes a profile that it made. Throws where a page had an error that the test did not
     * expect ({@link Page.expect}).
     */
    async close() {
        await within(20_000, this.context.close()).catch(() => this.kill());
        this.#remove();
        this.assertNoErrors();
    }

    /** Throws where a page had an error that the test did not expect. */
    assertNoErrors() {
        if (this.errors.length > 0)
            throw new Error(`${this.kind}: errors in the console:\n  ${this.errors.join('\n  ')}`);
    }

    /** SIGKILL to all its processes, as a crash; resolves when they are gone. The profile stays: launch on it again. */
    async kill() {
        const leader = leaderOf(this.profile);
        if (leader !== undefined) {
            process.kill(-leader, 'SIGKILL');
            while (groupIsAlive(leader)) await new Promise((resolve) => setTimeout(resolve, 5));
        }
        // A dead browser's mark of being alone keeps the next one from starting.
        for (const name of readdirSync(this.profile).filter((name) => name.startsWith('Singleton'))) {
            rmSync(join(this.profile, name), { force: true });
        }
        await within(5_000, this.context.close()).catch(() => {});
    }

    /** Removes the profile of a browser that was killed and is not needed again. */
    #remove() {
        if (this.#temporary) rmSync(this.profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
}

/**
 * Runs a test in a browser with a new profile, and ends both, whatever happens.
 *
 * @param {'chromium' | 'firefox'} kind
 * @param {object} options As of {@link launch}.
 * @param {(browser: Browser) => Promise<void>} test
 */
export async function withBrowser(kind, options, test) {
    const browser = await launch(kind, options);
    let failed = true;
    try {
        await test(browser);
        failed = false;
    } finally {
        // The first failure is the one to tell of.
        await browser.close().catch((error) => {
            if (!failed) throw error;
            console.error(error.message);
        });
    }
}

/** A folder for a profile that outlives a browser, and is removed after the test. */
export async function withProfile(test) {
    const folder = mkdtempSync(join(tmpdir(), 'mini-bitcask-profile-'));
    try {
        await test(folder);
    } finally {
        rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
}

/** The process that leads the group of a browser: the one that was started, as it names the profile and is a leader. */
function leaderOf(profile) {
    return processes().find((id) => {
        const words = read(`/proc/${id}/cmdline`).split('\0');
        return words.some((word) => word === profile || word === `--user-data-dir=${profile}`) && groupOf(id) === id;
    });
}

function groupIsAlive(leader) {
    return processes().some((id) => groupOf(id) === leader && !read(`/proc/${id}/stat`).includes(') Z '));
}

function processes() {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

function groupOf(id) {
    return Number(read(`/proc/${id}/stat`).split(') ').at(-1).split(' ')[2]);
}

/** The process may be gone by now. */
function read(path) {
    try {
        return readFileSync(path, 'utf8');
    } catch {
        return '';
    }
}

/** Rejects where a promise takes too long. */
export function within(ms, promise) {
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms)));
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
