#!/usr/bin/env node
/**
 * `make crash`: many kills, with a line for each and the sums.
 *
 *     node e2e/crash.mjs --chromium 50 --firefox 20 [--seed N]
 */
import { parseArgs } from 'node:util';
import { killWriters } from './crashes.mjs';

const { values } = parseArgs({
    options: {
        chromium: { type: 'string', default: '50' },
        firefox: { type: 'string', default: '20' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    },
});
const seed = Number(values.seed);
for (const kind of ['chromium', 'firefox']) {
    const kills = Number(values[kind]);
    if (kills === 0) continue;
    console.log(`${kind}: ${kills} kills, seed ${seed}`);
    const told = [];
    try {
        await killWriters(kind, {
            kills,
            seed,
            onKill: (one) => {
                told.push(one);
                const { kill, mode, promised, steps, bytesCut } = one;
                console.log(
                    `${String(kill).padStart(4)}  ${mode.padEnd(14)} acknowledged ${promised}, found ${steps}, cut ${bytesCut} bytes`,
                );
            },
        });
    } catch (error) {
        console.error(error);
        process.exitCode = 1;
    }
    const torn = told.filter(({ bytesCut }) => bytesCut > 0).length;
    console.log(
        `${kind}: killed ${told.length} times, up to ${told.at(-1)?.steps ?? 0} steps; acknowledged and lost: ${process.exitCode ? 'SEE ABOVE' : 0}; torn tails cut: ${torn}`,
    );
}
