/**
 * What keeps the store from being open, on top of everything: why, and what can be done.
 */

import { destroy } from 'mini-bitcask';
import { button, byId, element } from '../dom.js';
import type { Phase, Session } from '../session.js';
import { explained } from '../words.js';
import { confirmed } from './ask.js';
import { errorLine } from './say.js';

/** Shows a notice while the store is not open. */
export function showNotice(session: Session): void {
    const notice = byId('notice', HTMLElement);
    session.phase.observe((phase) => {
        if (phase.is === 'locked' && phase.attempts > 1) {
            // Said once: a screen reader would read it aloud again with every attempt.
            const tries = notice.querySelector('.tries');
            if (tries) tries.textContent = triedText(phase.attempts);
            return;
        }
        const parts = partsOf(phase, session);
        notice.hidden = parts.length === 0;
        notice.replaceChildren(...parts);
    });
}

function partsOf(phase: Phase, session: Session): Node[] {
    switch (phase.is) {
        case 'opening':
        case 'open':
            return [];
        case 'locked':
            return locked(phase.error, session);
        case 'refused':
            return [
                element('h2', '', 'The store cannot be opened'),
                element('p', '', ...errorLine(phase.error)),
                element('div', 'buttons', again(session), ...remedies(phase.error, session)),
            ];
        case 'ended':
            return [
                element('h2', '', phase.error ? 'The store was lost' : 'The store was closed'),
                element('p', '', ...(phase.error ? errorLine(phase.error) : [])),
                element('div', 'buttons', again(session)),
            ];
    }
}

function locked(error: unknown, session: Session): Node[] {
    const other = new URL(location.href);
    other.searchParams.set('store', session.name === 'second' ? 'third' : 'second');
    const link = element('a', '', 'Use another store in this tab');
    link.href = other.href;
    const tries = element('span', 'tries', triedText(1));
    return [
        element('h2', '', 'The store is open in another tab'),
        element('p', '', ...errorLine(error)),
        element('p', '', 'This page waits, and opens it as soon as the other tab is closed. ', tries),
        element('div', 'buttons', again(session), link),
    ];
}

function triedText(attempts: number): string {
    return `Tried ${attempts === 1 ? 'once' : `${attempts} times`}.`;
}

function again(session: Session): HTMLButtonElement {
    return button('Try now', 'main', () => void session.open());
}

/** What helps with damage: to read what is left, or to begin anew. */
function remedies(error: unknown, session: Session): Node[] {
    if (explained(error).code !== 'DAMAGED') return [];
    const salvage = button('Open for reading', '', () => void session.open({ recovery: 'salvage' }));
    const anew = button('Delete it and begin anew…', 'danger', () => {
        void confirmed(`Delete the store "${session.name}" with all that can still be read of it?`).then(
            async (yes) => {
                if (!yes) return;
                await destroy(session.name).catch(() => undefined);
                await session.open({});
            },
        );
    });
    return [salvage, anew];
}
