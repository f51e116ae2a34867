/**
 * Merging: by hand, and by itself.
 */

import type { MergeReport } from 'mini-bitcask';
import { byId } from '../dom.js';
import { bytes, counted, duration } from '../format.js';
import type { Session } from '../session.js';
import type { StatsFeed } from '../stats-feed.js';
import { say } from './say.js';
import { runTask } from './task.js';

/** Brings the form to life. */
export function showMerge(session: Session, stats: StatsFeed): void {
    const place = byId('merge-progress', HTMLElement);
    const said = byId('merge-said', HTMLElement);
    const auto = byId('merge-auto', HTMLInputElement);

    byId('merge', HTMLFormElement).addEventListener('submit', (event) => {
        event.preventDefault();
        const store = session.store;
        if (!store) return;
        void runTask(place, said, 'Merging', async ({ progress, signal }) => {
            say(said, 'Merging…');
            const began = performance.now();
            const onProgress = (done: number, total: number): void => {
                progress(done, total, `${bytes(done)} of ${bytes(total)} read`);
                stats.hurry();
            };
            const report = await store.merge({ onProgress, signal });
            say(said, told(report, performance.now() - began));
            stats.hurry();
        });
    });

    // How it merges is decided when it is opened.
    auto.addEventListener('change', () => void session.open({ ...session.choice, autoMerge: auto.checked }));
}

function told(report: MergeReport, ms: number): string {
    if (report.runs === 0) return 'There was nothing to merge: only what is dead in full segments is freed.';
    const what = `Merged ${counted(report.inputs, 'segment')} into ${counted(report.outputs, 'new one')}`;
    const how = `${bytes(report.bytesRead)} read, ${bytes(report.bytesCopied)} copied`;
    return `${what} in ${duration(ms)}: ${how}, ${bytes(report.bytesFreed)} freed.`;
}
