/** Measures in one browser. Stores take turns within each workload, so that all of them see the same machine. */
import { loadavg } from 'node:os';
import { launch, within, withProfile } from '../../tests/npm/harness/browser.mjs';
import { boost } from './boost.mjs';
import { median } from './report/statistics.mjs';
import { BOOST, ONLY, OPEN, PARTS, PROFILES, SLOW_ROUND_MS, WORKER_WORKLOADS, WORKLOADS } from './settings.mjs';

/** Who drives Firefox watches its pages, and for each promise of a page that is watched it notes where it was made: 1 µs and more. */
const UNWATCHED = { 'javascript.options.asyncstack': false };

/** Nothing takes longer. */
const CALL_MS_MAX = 180_000;

/**
 * Resolves to what was measured:
 * `{ version, loads, stores, page: {workload: {store: [profile: [µs a call]]}}, worker: (the same), workerStores,
 * open: {store: [ms]}, openNew: (the same) }`.
 */
export async function measure(kind, url, say) {
    const results = {
        version: '',
        loads: [],
        stores: [],
        page: {},
        worker: {},
        workerStores: [],
        open: {},
        openNew: {},
    };
    for (let profile = 0; profile < PROFILES; profile++) {
        const load = loadavg()[0];
        results.loads.push(Number(load.toFixed(1)));
        say(`${kind}, profile ${profile + 1} of ${PROFILES}, load ${load.toFixed(1)}`);
        await withBrowserPage(kind, {}, url, async (call) => {
            results.version ||= await call(() => navigator.userAgent.match(/(Chrome|Firefox)\/([\d.]+)/)[2]);
            results.stores = (await call(() => bench.stores)).filter(({ id }) => ONLY.test(id));
            if (PARTS.includes('page')) await measurePage(results, profile, call, say);
            if (PARTS.includes('worker')) await measureWorker(results, profile, call, say);
        });
    }
    if (PARTS.includes('open')) await measureOpen(kind, url, results, say);
    return results;
}

async function measurePage({ stores, page, openNew }, profile, call, say) {
    const ids = rotated(
        stores.map(({ id }) => id),
        profile,
    );
    await call(() => bench.warmUp());
    for (const id of ids) (openNew[id] ??= []).push(await call((order) => bench.open(order), { id }));
    for (const [turn, { id: workload, count, rounds }] of WORKLOADS.entries()) {
        const slow = new Set();
        for (let round = 0; round < rounds; round++) {
            for (const id of rotated(ids, turn + round)) {
                if (slow.has(id)) continue;
                const took = await call((order) => bench.measure(order), { id, workload, count });
                if (took === null) continue;
                (((page[workload] ??= {})[id] ??= [])[profile] ??= []).push(took);
                if (took * count > SLOW_ROUND_MS * 1_000) slow.add(id);
            }
        }
        const line = ids.map((id) => `${id} ${page[workload]?.[id]?.[profile]?.at(-1)?.toPrecision(3) ?? '–'}`);
        say(`  ${workload}: ${line.join(', ')}`);
    }
    for (const id of ids) await call((order) => bench.close(order), { id });
}

async function measureWorker(results, profile, call, say) {
    const inWorker = (method, argument) => call((order) => bench.inWorker(order), { method, argument });
    results.workerStores = await inWorker('stores');
    await inWorker('open', ONLY.source);
    for (const [turn, { id: workload, count, rounds }] of WORKER_WORKLOADS.entries()) {
        const samples = await inWorker('measure', { workload, count, rounds, turn: profile + turn });
        for (const [id, all] of Object.entries(samples)) ((results.worker[workload] ??= {})[id] ??= [])[profile] = all;
        const line = Object.entries(samples).map(([id, all]) => `${id} ${median(all).toPrecision(3)}`);
        say(`  worker ${workload}: ${line.join(', ')}`);
    }
}

/** A browser that was just started opens stores that are full. */
async function measureOpen(kind, url, { stores, open }, say) {
    const ids = OPEN.stores.filter((id) => stores.some((store) => store.id === id));
    await withProfile(async (profile) => {
        say(`${kind}, filling ${OPEN.keys} keys`);
        await withBrowserPage(kind, { profile }, url, async (call) => {
            for (const id of ids) {
                await call((order) => bench.open(order), { id });
                await call((order) => bench.fill(order), { id, count: OPEN.keys });
                await call((order) => bench.close(order), { id });
            }
        });
        for (let start = 0; start < OPEN.starts; start++) {
            await withBrowserPage(kind, { profile }, url, async (call) => {
                await call(() => bench.warmUp());
                for (const id of rotated(ids, start)) {
                    (open[id] ??= []).push(await call((order) => bench.open(order), { id }));
                    await call((order) => bench.close(order), { id });
                }
            });
            say(`  open: ${ids.map((id) => `${id} ${open[id].at(-1).toFixed(1)}`).join(', ')} ms`);
        }
    });
}

/** A new browser with the page in it: `work` gets what calls a function in the page. */
async function withBrowserPage(kind, options, url, work) {
    const browser = await launch(kind, { ...options, prefs: UNWATCHED });
    try {
        const page = await browser.open(url);
        if (BOOST) boost(browser.profile);
        await work((call, argument) => within(CALL_MS_MAX, page.run(call, argument)));
    } finally {
        await browser.close();
    }
}

function rotated(all, by) {
    return all.map((_, at) => all[(at + by) % all.length]);
}
