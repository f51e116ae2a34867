/** The results as Markdown. */
import { bars, bestLibrary } from './bars.mjs';
import { median, short, summary } from './statistics.mjs';

const NAMES = { chromium: 'Chromium', firefox: 'Firefox' };

/** The whole page. */
export function markdown(results) {
    const { settings } = results;
    const titles = Object.fromEntries([
        ...settings.workloads.map(({ id, title }) => [id, title]),
        ...settings.worker.map(({ id, title }) => [`worker ${id}`, title]),
    ]);
    const browsers = Object.entries(results.browsers);
    const lines = [
        '# In browsers',
        '',
        'Written by `make bench-browser` (with `BENCH_WRITE=1`); [README.md](README.md) says how to read it. Values of 100 bytes, 10,000 keys.',
        `${results.date}, ${results.machine}; ${settings.profiles} fresh profile${settings.profiles > 1 ? 's' : ''} of each browser;`,
        `load average before each: ${browsers.map(([kind, { loads }]) => `${NAMES[kind]} ${loads.join(', ')}`).join('; ')}.`,
        Math.max(...browsers.flatMap(([, { loads }]) => loads)) > 1.5 * parseInt(results.machine, 10)
            ? '**The machine was busy: calls that are awaited one by one mostly waited for a processor, or for the disk where they sync.**'
            : '',
        settings.quick ? '**A quick run: figures of one small round.**' : '',
    ];
    for (const [kind, browser] of browsers) lines.push(...section(kind, browser, settings, titles));
    return `${lines.join('\n')}\n`;
}

function section(kind, browser, settings, titles) {
    const { stores, page, worker, workerStores, open, openNew } = browser;
    const workloads = settings.workloads.filter(({ id }) => page[id]);
    const lines = ['', `## ${NAMES[kind]} ${browser.version}`];
    if (workloads.length > 0) {
        const best = Object.fromEntries(workloads.map(({ id }) => [id, bestLibrary(stores, page[id])?.id]));
        lines.push('', `![µs a call in ${NAMES[kind]}](browser-${kind}.svg)`);
        lines.push('', 'From a page, µs a call (least–most of the profiles); **bold**: the best library.', '');
        lines.push(
            ...table(
                ['', ...workloads.map(({ title }) => title), 'acknowledged'],
                stores.map(({ id, name, durability }) => [
                    name,
                    ...workloads.map(({ id: workload }) => cell(page[workload][id], best[workload] === id)),
                    durability,
                ]),
            ),
        );
    }
    const measured = settings.worker.filter(({ id }) => worker[id]);
    if (measured.length > 0) {
        lines.push('', 'In a worker, without messages, µs a call.', '');
        lines.push(
            ...table(
                ['', ...measured.map(({ title }) => title), 'acknowledged'],
                workerStores
                    .filter(({ id }) => measured.some(({ id: workload }) => worker[workload][id]))
                    .map(({ id, name, durability }) => [
                        name,
                        ...measured.map(({ id: workload }) => cell(worker[workload][id])),
                        durability,
                    ]),
            ),
        );
    }
    if (Object.keys(open).length > 0) {
        const { keys, starts } = settings.open;
        lines.push(
            '',
            `Until a store is open and has answered one get, ms: ${keys.toLocaleString('en-US')} keys, in a browser that was just`,
        );
        lines.push(
            `started (${starts} times); and a new store. Scripts are loaded before, engines in WebAssembly and workers are not.`,
            '',
        );
        const ids = stores.filter(({ id }) => open[id] ?? openNew[id]);
        const ms = (all) =>
            all ? `${short(median(all))} (${short(Math.min(...all))}–${short(Math.max(...all))})` : '–';
        lines.push(
            ...table(
                ['', 'cold', 'new'],
                ids.map(({ id, name }) => [name, ms(open[id]), ms(openNew[id])]),
            ),
        );
    }
    const reached = bars(kind, browser, titles);
    if (reached.length > 0) {
        lines.push('', 'The bars:', '');
        const text = ({ reached, bar, met, unit }) => {
            // What is missed by a little is not to look as if it were reached.
            const rounded =
                Number(short(reached)) === bar && !met ? String(Number(reached.toPrecision(4))) : short(reached);
            return `${rounded}${unit && ` ${unit}`}`;
        };
        const bound = ({ bar, unit }) => (unit === 'ms' ? `≤ ${bar} ms` : `≥ ${bar}${unit && ` ${unit}`}`);
        lines.push(
            ...table(
                ['', 'reached', 'bar', ''],
                reached.map((bar) => [
                    bar.what + (bar.note && ` (${bar.note})`),
                    text(bar),
                    bound(bar),
                    bar.met ? 'met' : '**not met**',
                ]),
            ),
        );
    }
    return lines;
}

function cell(samples, bold = false) {
    const all = summary(samples);
    if (!all) return '–';
    const text = bold ? `**${short(all.median)}**` : short(all.median);
    return all.least === all.most ? text : `${text} (${short(all.least)}–${short(all.most)})`;
}

function table(head, rows) {
    const line = (cells) => `| ${cells.join(' | ')} |`;
    return [line(head), `|${head.map((_, at) => (at === 0 ? '---' : '---:')).join('|')}|`, ...rows.map(line)];
}
