#!/usr/bin/env node
/**
 * Where the time of one workload goes, in Chromium, in the page and in the worker: `node profile.mjs WORKLOAD [STORE]`, or
 * `node profile.mjs worker WORKLOAD [STORE]` for the synchronous API.
 * Needs what `make bench-browser` installed and built. For names of functions in the engine, build it with them.
 */
import { launch } from '../../tests/npm/harness/browser.mjs';
import { boost } from './boost.mjs';
import { KEYS } from './page/workloads.mjs';
import { WORKER_WORKLOADS, WORKLOADS } from './settings.mjs';
import { serveSite } from './site.mjs';

const words = process.argv.slice(2);
const inWorker = words[0] === 'worker';
if (inWorker) words.shift();
const [workload = 'set', id = 'ours'] = words;
const { count } = (inWorker ? WORKER_WORKLOADS : WORKLOADS).find((known) => known.id === workload);
const CATEGORIES = ['disabled-by-default-v8.cpu_profiler', 'v8.execute', '__metadata'];
const MEASURED_MS = 3_000;
const LINES = 25;

const site = await serveSite();
const browser = await launch('chromium');
try {
    const page = await browser.open(site.url());
    const measure = inWorker ? await workerMeasure(page) : await pageMeasure(page);
    boost(browser.profile);
    const session = await page.devtools();
    const events = [];
    session.on('Tracing.dataCollected', ({ value }) => events.push(...value));
    const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
    await session.send('Tracing.start', { categories: CATEGORIES.join(','), transferMode: 'ReportEvents' });
    const samples = [];
    for (let took = 0; took < MEASURED_MS; took += (samples.at(-1) * count) / 1_000) {
        samples.push(await measure());
    }
    await session.send('Tracing.end');
    await complete;
    console.log(`${workload} of ${id}, µs a call: ${samples.map((sample) => sample.toFixed(1)).join(' ')}`);
    for (const [thread, rows] of threads(events)) print(thread, rows);
} finally {
    await browser.close();
    await site.close();
}

async function pageMeasure(page) {
    await page.run((order) => bench.open(order), { id });
    await page.run((order) => bench.measure(order), { id, workload: 'setMany', count: KEYS });
    return () => page.run((order) => bench.measure(order), { id, workload, count });
}

async function workerMeasure(page) {
    const call = (method, argument) => page.run((order) => bench.inWorker(order), { method, argument });
    await call('open', `^${id}$`);
    return async () => (await call('measure', { workload, count, rounds: 1, turn: 0 }))[id][0];
}

/** Microseconds by function, for each thread that has a profile. */
function threads(events) {
    const names = new Map();
    for (const { name, pid, tid, args } of events) if (name === 'thread_name') names.set(`${pid} ${tid}`, args.name);
    const profiles = new Map();
    for (const { name, pid, id, tid, args } of events) {
        if (name === 'Profile')
            profiles.set(`${pid} ${id}`, {
                thread: names.get(`${pid} ${tid}`) ?? `${tid}`,
                nodes: new Map(),
                self: new Map(),
            });
        if (name !== 'ProfileChunk') continue;
        const profile = profiles.get(`${pid} ${id}`);
        const { cpuProfile = {}, timeDeltas = [] } = args.data;
        for (const node of cpuProfile.nodes ?? []) profile.nodes.set(node.id, node.callFrame);
        (cpuProfile.samples ?? []).forEach((node, at) => {
            profile.self.set(node, (profile.self.get(node) ?? 0) + (timeDeltas[at] ?? 0));
        });
    }
    return [...profiles.values()].map(({ thread, nodes, self }) => {
        const rows = new Map();
        for (const [node, us] of self) {
            const { functionName, url = '', lineNumber = -1 } = nodes.get(node) ?? {};
            const where = `${functionName || '(anonymous)'} ${url.split('/').at(-1)}${lineNumber < 0 ? '' : `:${lineNumber + 1}`}`;
            rows.set(where, (rows.get(where) ?? 0) + us);
        }
        return [thread, rows];
    });
}

function print(thread, rows) {
    const total = [...rows.values()].reduce((sum, us) => sum + us, 0);
    if (total < 100_000) return;
    console.log(`\n${thread}: ${(total / 1_000).toFixed(0)} ms`);
    const sorted = [...rows].sort(([, one], [, other]) => other - one).slice(0, LINES);
    for (const [where, us] of sorted) console.log(`${((us / total) * 100).toFixed(1).padStart(6)} %  ${where}`);
}
