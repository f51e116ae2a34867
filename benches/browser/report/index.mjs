#!/usr/bin/env node
/** Tables and charts of what was measured. By itself: `node report/index.mjs FOLDER` makes them anew from its browser.json. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chart } from './chart.mjs';
import { markdown } from './markdown.mjs';

/** Writes browser.md and a chart for each browser into a folder. */
export function writeReport(results, folder) {
    writeFileSync(join(folder, 'browser.md'), markdown(results));
    for (const [kind, browser] of Object.entries(results.browsers)) {
        const title = `mini-bitcask and others in ${kind === 'firefox' ? 'Firefox' : 'Chromium'} ${browser.version}`;
        writeFileSync(join(folder, `browser-${kind}.svg`), chart(title, browser, results.settings.workloads));
    }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const folder = process.argv[2] ?? '.';
    writeReport(JSON.parse(readFileSync(join(folder, 'browser.json'), 'utf8')), folder);
}
