/** A few kills in every test run; many: `make crash`. */
import { test } from 'node:test';
import { BROWSERS, serveSite, withBrowser } from '../harness/index.mjs';
import { killWriters, MODES } from './crashes.mjs';
import assert from 'node:assert/strict';
import { randomFrom } from './steps.js';

const KILLS = { chromium: 4, firefox: 2 };
const TERMINATIONS = 12;
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

for (const kind of BROWSERS) {
    test(`${kind}: the browser is killed in the middle of writes (seed ${seed})`, { timeout: 400_000 }, () =>
        killWriters(kind, { kills: KILLS[kind], seed }),
    );

    test(
        `${kind}: a worker that is terminated at any moment loses nothing acknowledged (seed ${seed})`,
        { timeout: 240_000 },
        async () => {
            const site = await serveSite({ entries: { page: 'e2e/steps-page.js' } });
            try {
                await withBrowser(kind, {}, async (browser) => {
                    const page = await browser.open(site.url());
                    const random = randomFrom(seed);
                    let reached = 0;
                    for (let round = 0; round < TERMINATIONS; round++) {
                        const { name: mode, ...how } = MODES[round % MODES.length];
                        const order = { name: 'terminated', seed, from: reached, ...how, after: random() % 250 };
                        const { promised, found } = await page.run(async ({ after, ...order }) => {
                            let worker;
                            const spawn = () =>
                                (worker = new Worker('/node_modules/mini-bitcask/dist/worker.js', { type: 'module' }));
                            let promised = order.from;
                            await new Promise((resolve, reject) => {
                                let ending = false;
                                globalThis
                                    .work({ ...order, options: { worker: spawn } }, (step) => {
                                        promised = step;
                                        if (!ending) setTimeout(() => (worker.terminate(), resolve()), after);
                                        ending = true;
                                    })
                                    .catch(reject);
                            });
                            const seen = promised;
                            return { promised: seen, found: await globalThis.inspect(order) };
                        }, order);
                        const about = `round ${round} (${mode}), terminated after ${order.after} ms`;
                        assert.ok(
                            found.steps >= promised,
                            `${about}: ${promised} steps were acknowledged, ${found.steps} are there`,
                        );
                        reached = found.steps;
                    }
                });
            } finally {
                await site.close();
            }
        },
    );
}
