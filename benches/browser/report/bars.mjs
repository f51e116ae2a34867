/** The bars: what ours has to reach, as ratios within one run. */
import { median, short, summary } from './statistics.mjs';

/** In a page: how many times faster than the best library. */
const PAGE_BARS = [
    { workload: 'set', ours: ['ours'], factor: 5 },
    { workload: 'setAtOnce', ours: ['ours', 'oursFlushed'], factor: 10 },
    { workload: 'setMany', ours: ['ours'], factor: 2 },
    { workload: 'get', ours: ['ours', 'oursAsked'], factor: 1.6 },
    { workload: 'getAtOnce', ours: ['ours', 'oursAsked'], factor: 20 },
    { workload: 'getMany', ours: ['ours', 'oursAsked'], factor: 4 },
    { workload: 'scan', ours: ['ours'], factor: 5 },
];
const STRICT_FACTOR = 2.5;

/** In a worker: parts of the ceiling's rate. */
const WORKER_BARS = [
    { workload: 'put', factor: 0.6 },
    { workload: 'putFlushed', factor: 0.8 },
    { workload: 'get', factor: 0.6 },
];

/** Milliseconds until a store of 100,000 keys is open, in a browser that was just started. */
const OPEN_MS_MAX = 60;

/** In Firefox the factors of a page are halved where one call to a file takes this many microseconds. */
const DEAR_CALL_US = 60;
/** Calls that wait for each other: nothing that sends a message for each is faster than the messages. */
const AWAITED = ['set', 'get'];
const IS_WRITE = /^set/;

/** Every bar with what was reached: `{ what, reached, bar, met, unit, note }`. */
export function bars(kind, { stores, page, worker, open }, titles) {
    const all = [];
    const nameOf = (id) => stores.find((store) => store.id === id)?.name ?? id;
    for (const { workload, ours, factor } of PAGE_BARS) {
        const best = bestLibrary(stores, page[workload]);
        const call = summary(worker[IS_WRITE.test(workload) ? 'put' : 'get']?.ceiling)?.median;
        // SQLite keeps pages in memory and is asked by messages as ours is; the others are IndexedDB's libraries.
        const next = best?.id === 'sqlite' && bestLibrary(stores, { ...page[workload], sqlite: undefined });
        const floor = summary(page[workload]?.bareLog)?.median;
        const halved = kind === 'firefox' && call >= DEAR_CALL_US;
        for (const id of ours) {
            const mine = summary(page[workload]?.[id]);
            if (!mine || !best) continue;
            all.push({
                what: `${nameOf(id)}: ${titles[workload]}, against ${nameOf(best.id)}`,
                reached: best.median / mine.median,
                bar: halved ? factor / 2 : factor,
                unit: '×',
                note: [
                    next && `${nameOf(next.id)}: ${short(next.median / mine.median)} ×`,
                    halved && `a call to a file took ${Math.round(call)} µs: half the factor`,
                    floor &&
                        AWAITED.includes(workload) &&
                        `messages and the file alone: ${short(best.median / floor)} ×`,
                ]
                    .filter(Boolean)
                    .join('; '),
            });
        }
    }
    const flushed = summary(page.set?.oursFlushed);
    const strict = summary(page.set?.indexedDbStrict);
    if (flushed && strict) {
        const what = `${nameOf('oursFlushed')}: ${titles.set}, against ${nameOf('indexedDbStrict')}`;
        all.push({ what, reached: strict.median / flushed.median, bar: STRICT_FACTOR, unit: '×', note: '' });
    }
    for (const { workload, factor } of WORKER_BARS) {
        const reached = pairedRatio(worker[workload]?.ceiling, worker[workload]?.ours);
        if (reached === undefined) continue;
        all.push({
            what: `mini-bitcask/sync: ${titles[`worker ${workload}`]}, of the ceiling's rate`,
            reached,
            bar: factor,
            unit: '',
            note: '',
        });
    }
    if (open.ours) {
        const reached = median(open.ours);
        all.push({ what: 'mini-bitcask: cold open of 100,000 keys', reached, bar: OPEN_MS_MAX, unit: 'ms', note: '' });
    }
    return all.map((bar) => ({ ...bar, met: bar.unit === 'ms' ? bar.reached <= bar.bar : bar.reached >= bar.bar }));
}

/** The fastest library of a workload: `{ id, median }`. */
export function bestLibrary(stores, samples = {}) {
    const libraries = stores.filter(({ id, kind }) => kind === 'library' && summary(samples[id]));
    const all = libraries.map(({ id }) => ({ id, median: summary(samples[id]).median }));
    return all.sort((one, other) => one.median - other.median)[0];
}

/** The median of the ratios of each profile. */
function pairedRatio(ones, others) {
    const ratios = (ones ?? []).flatMap((one, at) => (others?.[at] ? [median(one) / median(others[at])] : []));
    return ratios.length === 0 ? undefined : median(ratios);
}
