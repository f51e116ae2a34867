/**
 * The segments of the log as bars: as long as they are large, live and dead bytes in their parts.
 */

import type { SegmentStats, Stats } from 'mini-bitcask';
import { byId, element } from '../dom.js';
import { bytes, count, counted, percent } from '../format.js';
import type { StatsFeed } from '../stats-feed.js';
import { stateOf } from '../words.js';

/** Bars of a store that has only begun are not stretched over the whole width. */
const SCALE_BYTES_MIN = 64 * 1024;

/** Shows the segments and their sum. */
export function showSegments(stats: StatsFeed): void {
    const sum = byId('log-sum', HTMLElement);
    const list = byId('segments', HTMLElement);
    const bars = new Map<number, Bar>();
    stats.latest.observe((latest) => {
        sum.textContent = latest ? sumOf(latest) : '';
        draw(list, bars, latest?.segments ?? []);
    });
}

function sumOf({ segments, totalBytes, liveBytes, deadBytes }: Stats): string {
    const all = `${counted(segments.length, 'segment')}, ${bytes(totalBytes)}`;
    return `${all}: ${bytes(liveBytes)} live, ${bytes(deadBytes)} dead (${percent(deadBytes, liveBytes + deadBytes)}).`;
}

function draw(list: HTMLElement, bars: Map<number, Bar>, segments: readonly SegmentStats[]): void {
    const scale = Math.max(SCALE_BYTES_MIN, ...segments.map((segment) => segment.bytes));
    const newestFirst = [...segments].sort((left, right) => right.id - left.id);
    const there = new Set(segments.map((segment) => segment.id));
    for (const [id, bar] of bars) {
        if (there.has(id)) continue;
        bar.row.remove();
        bars.delete(id);
    }
    for (const [at, segment] of newestFirst.entries()) {
        const bar = bars.get(segment.id) ?? new Bar(segment.id);
        bars.set(segment.id, bar);
        bar.show(segment, scale);
        // A row that stays in its place keeps its animation.
        if (list.children[at] !== bar.row) list.insertBefore(bar.row, list.children[at] ?? null);
    }
}

/** One segment. */
class Bar {
    readonly row: HTMLLIElement;
    #state = element('span', 'state');
    #size = element('span', 'size');
    #live = element('span', 'live');
    #dead = element('span', 'dead');

    constructor(id: number) {
        const name = element('span', 'name', `${id}`);
        const track = element('span', 'track', this.#live, this.#dead);
        track.setAttribute('aria-hidden', 'true');
        this.row = element('li', 'segment', name, this.#state, track, this.#size);
    }

    show(segment: SegmentStats, scale: number): void {
        const { liveBytes, deadBytes } = segment;
        const { state, means } = stateOf(segment);
        this.row.dataset['state'] = state;
        this.#state.textContent = state;
        this.#live.style.width = `${(100 * liveBytes) / scale}%`;
        this.#dead.style.width = `${(100 * deadBytes) / scale}%`;
        this.#size.textContent = `${bytes(liveBytes)} live, ${bytes(deadBytes)} dead`;
        this.row.title = `Segment ${segment.id} is ${state}: ${means}. ${count(segment.records)} records, ${bytes(segment.bytes)}.`;
    }
}
