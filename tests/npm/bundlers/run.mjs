#!/usr/bin/env node
/**
 * Tries the packed package with every tool, or those whose names begin with a word: `node bundlers/run.mjs [vite …]`.
 * The exit code is 0 only if all work. `scripts/package` comes first.
 */
import { tryTool } from './matrix.mjs';
import { TOOLS } from './tools.mjs';

const words = process.argv.slice(2);
const chosen = TOOLS.filter(({ name }) => words.length === 0 || words.some((word) => name.startsWith(word)));
const line = (...cells) => console.log(cells.map((cell, at) => String(cell).padEnd([20, 26, 10, 14][at])).join(''));
line('tool', 'version', 'result', 'worker from', 'seconds');
let failed = 0;
for (const tool of chosen) {
    const version = Object.values(tool.install)[0] ?? '';
    try {
        const { loads, seconds } = await tryTool(tool);
        line(tool.name, version, 'works', loads, seconds);
    } catch (error) {
        failed += 1;
        line(tool.name, version, 'FAILED', '', '');
        console.log(error.message.replace(/^/gm, '    '));
    }
}
console.log(`${chosen.length - failed} of ${chosen.length} work`);
process.exitCode = failed === 0 && chosen.length > 0 ? 0 : 1;
