/** What the environment says: see docs/benchmarks/README.md. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { env } = process;

/** This folder, and the project's. */
export const HERE = dirname(fileURLToPath(import.meta.url));
export const PROJECT = join(HERE, '../..');

/** A few small rounds in one profile, to see that it works. */
export const QUICK = env.BENCH_QUICK === '1';

/** Fresh profiles of each browser; every one measures everything. */
export const PROFILES = Number(env.BENCH_PROFILES ?? (QUICK ? 1 : 5));

/** Whether the browser goes before all else on this machine (Linux, as root). */
export const BOOST = env.BENCH_BOOST === '1';

/** Only stores whose id matches. */
export const ONLY = new RegExp(env.BENCH_ONLY ?? '', 'i');

/** Which parts: page, open, worker. */
export const PARTS = (env.BENCH_PARTS ?? 'page open worker').split(/[\s,]+/).filter(Boolean);

/** Where the results go: the raw ones as JSON, tables, charts. */
export const RESULTS =
    env.BENCH_WRITE === '1'
        ? join(PROJECT, 'docs/benchmarks')
        : join(env.CARGO_TARGET_DIR ?? join(PROJECT, 'target'), 'tmp');

/** How often a workload is run in a profile, and its calls. */
export const WORKLOADS = [
    { id: 'setMany', title: 'setMany 10,000', count: 10_000, rounds: QUICK ? 1 : 2 },
    { id: 'set', title: 'set, awaited', count: QUICK ? 100 : 200, rounds: QUICK ? 1 : 3 },
    { id: 'setAtOnce', title: 'set × 2,000 at once', count: 2_000, rounds: QUICK ? 1 : 2 },
    { id: 'get', title: 'get, awaited', count: QUICK ? 200 : 500, rounds: QUICK ? 1 : 3 },
    { id: 'getAtOnce', title: 'get × 2,000 at once', count: 2_000, rounds: QUICK ? 2 : 3 },
    { id: 'getMany', title: 'getMany 1,000', count: 1_000, rounds: QUICK ? 2 : 5 },
    { id: 'scan', title: 'scan, a row', count: 10_000, rounds: QUICK ? 2 : 3 },
    { id: 'delete', title: 'delete, awaited', count: QUICK ? 50 : 100, rounds: QUICK ? 1 : 3 },
];

/** A round that took longer than this many milliseconds is not repeated in the same profile. */
export const SLOW_ROUND_MS = 3_000;

/** The worker's table. */
export const WORKER_WORKLOADS = [
    { id: 'put', title: 'put', count: 300, rounds: QUICK ? 4 : 20 },
    { id: 'putFlushed', title: 'put and flush', count: 20, rounds: QUICK ? 3 : 12 },
    { id: 'putMany', title: '1,000 a write, then a flush', count: 1_000, rounds: QUICK ? 3 : 10 },
    { id: 'get', title: 'get', count: 500, rounds: QUICK ? 4 : 20 },
];

/** Cold openings: keys of a store, and how often the browser is started. */
export const OPEN = {
    keys: QUICK ? 20_000 : 100_000,
    starts: QUICK ? 2 : 5,
    stores: ['ours', 'indexedDb', 'idbKeyval', 'dexie', 'browserLevel', 'sqlite', 'opfsBtree'],
};
