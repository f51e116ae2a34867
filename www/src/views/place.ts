/**
 * Which store this is, where it is kept, and what that is worth.
 */

import { byId } from '../dom.js';
import type { Phase, Session } from '../session.js';
import { placeOf } from '../words.js';

/** Shows where the store is kept. */
export function showPlace(session: Session): void {
    const label = byId('place-label', HTMLElement);
    const text = byId('place-text', HTMLElement);
    byId('place-name', HTMLElement).textContent = session.name;
    session.phase.observe((phase) => {
        const place = phase.is === 'open' ? placeOf(phase.store) : undefined;
        label.textContent = place?.label ?? WITHOUT[phase.is];
        label.classList.toggle('warn', place?.fleeting ?? phase.is !== 'opening');
        text.textContent = place?.text ?? '';
        text.classList.toggle('warn', place?.fleeting ?? false);
        text.hidden = !place;
    });
}

const WITHOUT: { readonly [is in Phase['is']]: string } = {
    opening: 'opening…',
    open: '',
    locked: 'open in another tab',
    refused: 'not open',
    ended: 'not open any more',
};
