#!/usr/bin/env node
/** `make bench-browser`: ours beside other stores, in real browsers. See docs/benchmarks/README.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { BROWSERS } from '../../tests/npm/harness/browser.mjs';
import { measure } from './measure.mjs';
import { writeReport } from './report/index.mjs';
import { OPEN, PROFILES, QUICK, RESULTS, WORKER_WORKLOADS, WORKLOADS } from './settings.mjs';
import { serveSite } from './site.mjs';

const site = await serveSite();
const results = {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, ${process.platform}`,
    settings: { quick: QUICK, profiles: PROFILES, workloads: WORKLOADS, worker: WORKER_WORKLOADS, open: OPEN },
    browsers: {},
};
try {
    for (const kind of BROWSERS) {
        results.browsers[kind] = await measure(kind, site.url(), console.log);
        mkdirSync(RESULTS, { recursive: true });
        writeFileSync(join(RESULTS, 'browser.json'), JSON.stringify(results));
    }
} finally {
    await site.close();
}
writeReport(results, RESULTS);
