/**
 * What opening found, and what the store counts.
 */

import type { Stats } from 'mini-bitcask';
import { byId, element } from '../dom.js';
import { bytes, count } from '../format.js';
import type { Session } from '../session.js';
import type { StatsFeed } from '../stats-feed.js';
import { recoveryOf } from '../words.js';

/** Shows the report of the opening and the counts. */
export function showNumbers(session: Session, stats: StatsFeed): void {
    const recovery = byId('recovery', HTMLElement);
    session.phase.observe((phase) => {
        const sentences = phase.is === 'open' ? recoveryOf(phase.store.recovery) : [];
        recovery.replaceChildren(...sentences.map((text) => element('p', '', text)));
    });

    const list = byId('numbers', HTMLElement);
    const cells = new Map<string, HTMLElement>();
    stats.latest.observe((latest) => {
        list.hidden = !latest;
        for (const [name, text] of latest ? linesOf(latest) : []) {
            let cell = cells.get(name);
            if (!cell) {
                cell = element('dd', '');
                cells.set(name, cell);
                list.append(element('div', '', element('dt', '', name), cell));
            }
            cell.textContent = text;
        }
    });
}

function linesOf(stats: Stats): [string, string][] {
    return [
        ['keys', count(stats.keys)],
        ['memory for them', bytes(stats.keydirBytes)],
        ['last version', count(stats.version)],
        ['reads', `${count(stats.gets)}, ${count(stats.misses)} in vain`],
        ['writes', count(stats.puts)],
        ['deletes', count(stats.deletes)],
        ['syncs', count(stats.syncs)],
        ['merges', count(stats.merges)],
        ['freed by merging', bytes(stats.mergeBytesFreed)],
        ['open snapshots', count(stats.snapshots)],
        ['open files', count(stats.handles)],
    ];
}
