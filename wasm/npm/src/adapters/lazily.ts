/**
 * A store that was given, or one that is opened when it is needed.
 */

import { type Key, open, type OpenOptions, type Store } from '../index.js';

/** How to come to a store. */
export interface Lazily<V, K extends Key> {
    /** The open store. Where opening failed, the next call tries again. */
    (): Promise<Store<V, K>>;
    /** Closes it, if it was opened here. */
    close(): Promise<void>;
}

/** Makes the way to a store that is open, or to one by its name. */
export function lazily<V, K extends Key>(source: string | Store<V, K>, options?: OpenOptions<V, K>): Lazily<V, K> {
    let opening: Promise<Store<V, K>> | undefined;
    const forget = (): void => void (opening = undefined);
    const store = (): Promise<Store<V, K>> => {
        if (typeof source !== 'string') return Promise.resolve(source);
        if (!opening) {
            opening = open<V, K>(source, options);
            // A store that was lost is opened anew.
            opening.then((store) => store.ended).then(forget, forget);
        }
        return opening;
    };
    const close = async (): Promise<void> => {
        const closing = opening;
        forget();
        await (await closing)?.close();
    };
    return Object.assign(store, { close });
}
