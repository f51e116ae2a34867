/**
 * The line under a form that says what became of it: read aloud to those who do not see it.
 */

import { element } from '../dom.js';
import { explained } from '../words.js';

/** Says a sentence. */
export function say(line: HTMLElement, text: string): void {
    line.className = 'said';
    line.textContent = text;
}

/** Says an error: its code, what happened, and what can be done. */
export function sayError(line: HTMLElement, error: unknown): void {
    line.className = 'said error';
    line.replaceChildren(...errorLine(error));
}

/** An error as parts of a paragraph. */
export function errorLine(error: unknown): Node[] {
    const { code, text, advice } = explained(error);
    const parts: Node[] = [element('code', 'code', code), document.createTextNode(` ${text}`)];
    if (advice) parts.push(document.createTextNode(` ${advice}`));
    return parts;
}
