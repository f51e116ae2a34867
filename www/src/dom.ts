/**
 * The few things that every view does with the document.
 */

/** The element of an id, which index.html has. A mistake in either is found at the first start. */
export function byId<E extends HTMLElement>(id: string, type: new () => E): E {
    const found = document.getElementById(id);
    if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} with the id "${id}"`);
    return found;
}

/** A new element with a class, and text or children in it. Text is never read as markup. */
export function element<T extends keyof HTMLElementTagNameMap>(
    tag: T,
    className: string,
    ...content: (string | Node)[]
): HTMLElementTagNameMap[T] {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...content);
    return made;
}

/** A button that does something. */
export function button(text: string, className: string, act: () => void): HTMLButtonElement {
    const made = element('button', className, text);
    made.type = 'button';
    made.addEventListener('click', act);
    return made;
}

/** Runs at most once per picture, however often it is called between two of them. */
export function perFrame(run: () => void): () => void {
    let asked = false;
    return () => {
        if (asked) return;
        asked = true;
        requestAnimationFrame(() => {
            asked = false;
            run();
        });
    };
}
