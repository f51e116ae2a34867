/**
 * A question before something that cannot be undone.
 */

import { byId } from '../dom.js';

/** Whether the answer was yes. Escape is a no. */
export function confirmed(question: string): Promise<boolean> {
    const dialog = byId('ask', HTMLDialogElement);
    byId('ask-text', HTMLElement).textContent = question;
    dialog.returnValue = 'no';
    dialog.showModal();
    return new Promise((resolve) => {
        dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
    });
}
