/**
 * Many keys: a load with its rates.
 */

import type { Durability } from 'mini-bitcask';
import { byId } from '../dom.js';
import { bytes, count, counted, duration } from '../format.js';
import { checkMany, deleteHalf, writeMany, type LoadOptions, type LoadPlan, type LoadProgress } from '../load.js';
import type { Bytes, Session } from '../session.js';
import type { StatsFeed } from '../stats-feed.js';
import { say } from './say.js';
import { runTask } from './task.js';

/** Brings the form to life. */
export function showLoad(session: Session, stats: StatsFeed): void {
    const form = byId('load', HTMLFormElement);
    const keys = byId('load-count', HTMLInputElement);
    const bytesEach = byId('load-bytes', HTMLInputElement);
    const durability = byId('load-durability', HTMLSelectElement);
    const place = byId('load-progress', HTMLElement);
    const said = byId('load-said', HTMLElement);

    const run = (name: string, work: (store: Bytes, plan: LoadPlan, options: LoadOptions) => Promise<string>): void => {
        const store = session.store;
        if (!store || !form.reportValidity()) return;
        const plan: LoadPlan = {
            keys: keys.valueAsNumber,
            bytesEach: bytesEach.valueAsNumber,
            durability: durability.value as Durability,
        };
        void runTask(place, said, name, async ({ progress, signal }) => {
            say(said, `${name}…`);
            const onProgress = (at: LoadProgress): void => {
                progress(at.keys, at.total, `${count(at.keys)} of ${count(at.total)} · ${rates(at)}`);
                stats.hurry();
            };
            say(said, await work(store, plan, { onProgress, signal }));
            stats.hurry();
        });
    };

    form.addEventListener('submit', (event) => {
        event.preventDefault();
        run('Writing', async (store, plan, options) => {
            const done = await writeMany(store, plan, options);
            const flushing = performance.now();
            // What was written until now counts only when it is durable.
            await store.flush();
            const synced = duration(performance.now() - flushing);
            return `${done.stopped ? 'Stopped: wrote' : 'Wrote'} ${told(done)}. Then all of it was synced, in ${synced}.`;
        });
    });
    byId('load-check', HTMLButtonElement).addEventListener('click', () => {
        run('Reading', async (store, plan, options) => {
            const done = await checkMany(store, plan, options);
            const wrong = done.wrong === 0 ? 'none is wrong' : `${counted(done.wrong, 'value')} WRONG`;
            return `${done.stopped ? 'Stopped: read' : 'Read'} ${told(done)}: ${wrong}, ${count(done.missing)} not there.`;
        });
    });
    byId('load-delete', HTMLButtonElement).addEventListener('click', () => {
        run('Deleting', async (store, plan, options) => {
            const done = await deleteHalf(store, plan, options);
            return `${done.stopped ? 'Stopped: deleted' : 'Deleted'} ${told(done)}.`;
        });
    });
}

function told(done: LoadProgress): string {
    return `${counted(done.keys, 'key')} in ${duration(done.ms)}, ${rates(done)}`;
}

function rates({ keys, bytes: total, ms }: LoadProgress): string {
    const seconds = Math.max(ms, 0.1) / 1000;
    return `${count(keys / seconds)} keys and ${bytes(total / seconds)} a second`;
}
