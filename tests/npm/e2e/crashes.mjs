/** Browsers that are killed in the middle of writes, and what is left. */
import { launch, serveSite, withProfile } from '../harness/index.mjs';
import { randomFrom } from './steps.js';

/** How the killed writer wrote: what `always`, `interval` and `none` promise for the death of a process is the same. */
export const MODES = [
    { name: 'none', durability: 'none', flush: false },
    { name: 'interval', durability: 'interval', flush: false },
    { name: 'always', durability: 'always', flush: false },
    { name: 'none, flushed', durability: 'none', flush: true },
];

/**
 * Kills a browser so many times while its page writes, all on one store, and checks after each that what was acknowledged
 * is there, whole and in order, and nothing else but later steps. Throws at the first difference; the message has the seed.
 *
 * @param {'chromium' | 'firefox'} kind
 * @param {{ kills: number, seed: number, onKill?: (told: object) => void }} options
 */
export async function killWriters(kind, { kills, seed, onKill = () => {} }) {
    let acknowledged = 0;
    const site = await serveSite({
        entries: { page: 'e2e/steps-page.js' },
        routes: { '/acknowledged': ({ query }) => void (acknowledged = Number(query.get('steps'))) },
    });
    const random = randomFrom(seed);
    try {
        await withProfile(async (profile) => {
            let reached = 0;
            for (let kill = 1; kill <= kills; kill++) {
                const mode = MODES[kill % MODES.length];
                const about = `${kind}, seed ${seed}, kill ${kill} (${mode.name})`;
                const browser = await launch(kind, { profile });
                acknowledged = 0;
                try {
                    const page = await browser.open(site.url());
                    const order = { ...mode, name: 'crashing', seed, from: reached };
                    // It never answers; that it fails is told by the page's errors.
                    page.page.evaluate((order) => void globalThis.workAndTell(order), order).catch(() => {});
                    const until = Date.now() + 60_000;
                    while (acknowledged === 0) {
                        browser.assertNoErrors();
                        if (Date.now() > until) throw new Error('nothing was acknowledged in a minute');
                        await new Promise((resolve) => setTimeout(resolve, 5));
                    }
                    await new Promise((resolve) => setTimeout(resolve, random() % 1_000));
                    browser.assertNoErrors();
                } catch (error) {
                    throw new Error(`${about}: ${error.message}`, { cause: error });
                } finally {
                    await browser.kill();
                }
                const promised = acknowledged;
                const found = await inspect(kind, profile, site, seed, about);
                if (found.steps < promised)
                    throw new Error(`${about}: ${promised} steps were acknowledged, ${found.steps} are there`);
                reached = found.steps;
                onKill({ kill, mode: mode.name, promised, ...found });
            }
        });
    } finally {
        await site.close();
    }
}

async function inspect(kind, profile, site, seed, about) {
    const browser = await launch(kind, { profile });
    try {
        const page = await browser.open(site.url());
        return await page.run((order) => globalThis.inspect(order), { name: 'crashing', seed });
    } catch (error) {
        throw new Error(`${about}: ${error.message}`, { cause: error });
    } finally {
        await browser.close();
    }
}
