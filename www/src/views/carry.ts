/**
 * The whole store as a file: out, and in.
 */

import { byId } from '../dom.js';
import { bytes, counted, duration } from '../format.js';
import type { Session } from '../session.js';
import type { StatsFeed } from '../stats-feed.js';
import { say } from './say.js';
import { runTask } from './task.js';

/** Brings the buttons and the place to drop to life. */
export function showCarry(session: Session, stats: StatsFeed): void {
    const place = byId('carry-progress', HTMLElement);
    const said = byId('carry-said', HTMLElement);
    const input = byId('carry-in', HTMLInputElement);

    const carryOut = (): void => {
        const store = session.store;
        if (!store) return;
        void runTask(place, said, 'Packing', async ({ progress, signal }) => {
            say(said, 'Packing the store…');
            // The file is as long as what is live, nearly.
            const { liveBytes } = await store.stats();
            const counter = counting((done) => progress(done, liveBytes, `${bytes(done)} packed`));
            const blob = await new Response(store.export().pipeThrough(counter, { signal })).blob();
            download(blob, `${session.name}.bitcask`);
            say(said, `${bytes(blob.size)}. In a terminal: bitcask import --store FOLDER ${session.name}.bitcask`);
        });
    };

    const carryIn = (file: File): void => {
        const store = session.store;
        if (!store) return;
        void runTask(place, said, 'Reading the file', async ({ progress, signal }) => {
            say(said, `Reading ${file.name}…`);
            const began = performance.now();
            const counter = counting((done) => {
                progress(done, file.size, `${bytes(done)} of ${bytes(file.size)}`);
                stats.hurry();
            });
            const report = await store.import(file.stream().pipeThrough(counter), { signal });
            await store.flush();
            const took = duration(performance.now() - began);
            say(said, `${counted(report.entries, 'key')} from ${file.name}, checked and synced, in ${took}.`);
            stats.hurry();
        });
    };

    byId('carry-out', HTMLButtonElement).addEventListener('click', carryOut);
    input.addEventListener('change', () => {
        const [file] = input.files ?? [];
        if (file) carryIn(file);
        // The same file may be chosen again.
        input.value = '';
    });
    catchDrops(byId('drop', HTMLElement), carryIn);
}

/** Files may be dropped anywhere on the page: were they not caught, the browser would show them instead of the page. */
function catchDrops(place: HTMLElement, take: (file: File) => void): void {
    const over = (event: DragEvent): void => {
        event.preventDefault();
        place.classList.add('over');
    };
    const away = (): void => place.classList.remove('over');
    addEventListener('dragover', over);
    addEventListener('dragleave', away);
    addEventListener('drop', (event) => {
        event.preventDefault();
        away();
        const file = event.dataTransfer?.files[0];
        if (file) take(file);
    });
}

/** Passes bytes on and tells how many have passed. */
function counting(tell: (done: number) => void): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
    let done = 0;
    return new TransformStream({
        transform(part, out) {
            done += part.length;
            tell(done);
            out.enqueue(part);
        },
    });
}

function download(blob: Blob, name: string): void {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    // The browser reads it after this function has ended; a minute is plenty to begin.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
