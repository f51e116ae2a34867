/**
 * Long work: a bar, what it says meanwhile, and a button that ends it. One at a time in each place.
 */

import { button, element } from '../dom.js';
import { sayError } from './say.js';

/** How work tells of itself. */
export interface Task {
    /** Ends it at the next good place. */
    readonly signal: AbortSignal;
    /** How far it is; `text` in a few words. */
    progress(done: number, total: number, text: string): void;
}

/** Runs work in a place, unless some runs there already. */
export async function runTask(
    place: HTMLElement,
    line: HTMLElement,
    name: string,
    work: (task: Task) => Promise<void>,
): Promise<void> {
    if (!place.hidden) return;
    const control = new AbortController();
    const bar = element('progress', '');
    bar.max = 1;
    bar.setAttribute('aria-label', name);
    const text = element('span', 'text', name);
    const stop = button('Stop', 'small', () => control.abort());
    place.replaceChildren(bar, text, stop);
    place.hidden = false;
    try {
        await work({
            signal: control.signal,
            progress(done, total, words) {
                if (total > 0) bar.value = done / total;
                text.textContent = words;
            },
        });
    } catch (error) {
        sayError(line, error);
    } finally {
        // The focus must not fall to the top of the page with the button.
        const focused = place.contains(document.activeElement);
        place.hidden = true;
        place.replaceChildren();
        if (focused) place.closest('form')?.querySelector<HTMLElement>('button:not(:disabled)')?.focus();
    }
}
