/**
 * Looking after the store: sync, verify, ask the browser to keep it.
 */

import { byId } from '../dom.js';
import { bytes, counted, duration, percent } from '../format.js';
import type { Bytes, Session } from '../session.js';
import type { StatsFeed } from '../stats-feed.js';
import { say } from './say.js';
import { runTask, type Task } from './task.js';

/** Brings the buttons to life. */
export function showCare(session: Session, stats: StatsFeed): void {
    const place = byId('care-progress', HTMLElement);
    const said = byId('care-said', HTMLElement);
    const onClick = (id: string, name: string, work: (store: Bytes, task: Task) => Promise<string>): void => {
        byId(id, HTMLButtonElement).addEventListener('click', () => {
            const store = session.store;
            if (!store) return;
            void runTask(place, said, name, async (task) => {
                say(said, await work(store, task));
                stats.hurry();
            });
        });
    };

    onClick('care-sync', 'Syncing', async (store) => {
        const began = performance.now();
        await store.flush();
        return `All that was written is durable (${duration(performance.now() - began)}).`;
    });
    onClick('care-verify', 'Verifying', async (store, { progress, signal }) => {
        const onProgress = (done: number, total: number): void =>
            progress(done, total, `${bytes(done)} of ${bytes(total)} read`);
        const report = await store.verify({ onProgress, signal });
        const read = `${counted(report.segments, 'segment')}, ${counted(report.records, 'record')}, ${bytes(report.bytes)}`;
        if (report.problems.length === 0) return `All is sound: ${read}.`;
        const found = report.problems.map(({ segment, offset, what }) => `segment ${segment} at ${offset}: ${what}`);
        return `Damaged: ${found.join('; ')}. (${read})`;
    });
    onClick('care-persist', 'Asking', async (store) => {
        const kept = await store.persist();
        const answer = kept ? 'The browser keeps it' : 'The browser may still delete it';
        return `${answer} when space is short.${await spaceOf()}`;
    });
}

/** How much space this site has used, where browsers tell. */
async function spaceOf(): Promise<string> {
    const { usage, quota } = (await navigator.storage?.estimate?.().catch(() => undefined)) ?? {};
    if (usage === undefined || !quota) return '';
    return ` This site uses ${bytes(usage)} of ${bytes(quota)} (${percent(usage, quota)}).`;
}
