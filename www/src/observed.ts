/**
 * A value that others look at: all the state management that this page needs.
 */

/** A value with listeners. */
export class Observed<T> {
    #value: T;
    #listeners = new Set<(value: T) => void>();

    constructor(value: T) {
        this.#value = value;
    }

    /** What it is now. */
    get value(): T {
        return this.#value;
    }

    /** Changes it and tells everybody. */
    set(value: T): void {
        this.#value = value;
        for (const listener of [...this.#listeners]) listener(value);
    }

    /** Calls the listener now and after every change. Returns what ends it. */
    observe(listener: (value: T) => void): () => void {
        this.#listeners.add(listener);
        listener(this.#value);
        return () => this.#listeners.delete(listener);
    }
}
