/** Bars of one browser's figures, as SVG: a panel for each workload, each on its own scale of tens. */
import { short, summary } from './statistics.mjs';

const PANEL_WIDTH = 430;
const NAME_WIDTH = 165;
const FIGURE_WIDTH = 52;
const ROW_HEIGHT = 17;
const TITLE_HEIGHT = 30;
const COLUMNS = 2;
const MARGIN = 16;

const STYLE = `text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.figure{fill:#57606a}
.ours{fill:#0969da}.library{fill:#b8c0c9}.crate,.raw,.ceiling{fill:#d8dde3}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.figure{fill:#9198a1}.ours{fill:#4493f8}.library{fill:#59626c}.crate,.raw,.ceiling{fill:#3d444d}}`;

/** The chart. `browser` is as it was measured. */
export function chart(title, { stores, page }, workloads) {
    const panels = workloads.filter(({ id }) => page[id]).map(({ id, title }) => panel(title, stores, page[id]));
    const rows = Math.ceil(panels.length / COLUMNS);
    const height = TITLE_HEIGHT + stores.length * ROW_HEIGHT + MARGIN;
    const placed = panels.map((content, at) => {
        const [x, y] = [MARGIN + (at % COLUMNS) * (PANEL_WIDTH + MARGIN), 40 + Math.floor(at / COLUMNS) * height];
        return `<g transform="translate(${x},${y})">${content}</g>`;
    });
    const size = [COLUMNS * (PANEL_WIDTH + MARGIN) + MARGIN, 40 + rows * height];
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.join(' ')}" width="${size[0]}" height="${size[1]}" role="img">
<title>${escape(title)}</title><style>${STYLE}</style>
<text class="title" x="${MARGIN}" y="22">${escape(title)}: µs a call, shorter is better; scales of tens</text>
${placed.join('\n')}
</svg>
`;
}

function panel(title, stores, samples) {
    const rows = stores
        .map((store) => ({ ...store, median: summary(samples[store.id])?.median }))
        .filter(({ median }) => median);
    const least = Math.floor(Math.log10(Math.min(...rows.map(({ median }) => median))) - 0.1);
    const most = Math.log10(Math.max(...rows.map(({ median }) => median)));
    const width = (value) => ((Math.log10(value) - least) / (most - least)) * (PANEL_WIDTH - NAME_WIDTH - FIGURE_WIDTH);
    const lines = rows.map(({ name, kind, median }, at) => {
        const y = TITLE_HEIGHT + at * ROW_HEIGHT;
        const end = NAME_WIDTH + width(median);
        return `<text x="${NAME_WIDTH - 6}" y="${y}" text-anchor="end">${escape(name)}</text>\
<rect class="${kind}" x="${NAME_WIDTH}" y="${y - 10}" width="${width(median).toFixed(1)}" height="12" rx="2"/>\
<text class="figure" x="${(end + 5).toFixed(1)}" y="${y}">${short(median)}</text>`;
    });
    return `<text class="title" x="0" y="8">${escape(title)}</text>${lines.join('')}`;
}

function escape(text) {
    return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
