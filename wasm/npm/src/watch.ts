/**
 * The change feed: writes in their order, from the log.
 */

import { abortable } from './abort.js';
import { type Bounds, inBounds, type Keys } from './codec/ranges.js';
import type { Connection } from './connection.js';
import type { BitcaskError } from './errors.js';
import { FieldReader } from './protocol.js';
import type { Change, Changed, ValueCodec } from './types.js';

const DELETED = 1;
const EXPIRES = 4;

/** A write, as bytes. */
interface RawChange {
    version: bigint;
    deleted: boolean;
    expiresAt?: number;
    key: Uint8Array;
    value: Uint8Array;
}

/** A part of the feed. */
interface Part {
    /** Whether no delete is missing. */
    complete: boolean;
    /** Whether the feed had no more when it was asked. */
    done: boolean;
    /** What to ask for next. */
    next: bigint;
    changes: RawChange[];
}

/** Who waits for writes to one store: the connection has one listener, this has many. */
export class Writes {
    #connection: Connection;
    #version: bigint;
    #listeners = new Set<() => void>();

    constructor(connection: Connection) {
        this.#connection = connection;
        this.#version = connection.opened.version;
    }

    /** The last write that this has heard of. */
    get version(): bigint {
        return this.#version;
    }

    /** Calls the listener after writes, until what it returns is called. */
    listen(listener: () => void): () => void {
        this.#listeners.add(listener);
        if (this.#listeners.size === 1) {
            this.#connection.onWrites((version) => {
                this.#version = version;
                for (const each of this.#listeners) each();
            });
        }
        return () => {
            this.#listeners.delete(listener);
            if (this.#listeners.size === 0) this.#connection.onWrites(undefined);
        };
    }
}

/** All changes within bounds after `since`, for ever; without `since`, those after the call. */
export async function* changes<V, K>(
    connection: Connection,
    writes: Writes,
    keys: Keys<K>,
    values: ValueCodec<V>,
    bounds: Bounds,
    since: bigint | undefined,
    signal: AbortSignal | undefined,
): AsyncGenerator<Change<V, K>, undefined, undefined> {
    const bell = new Bell();
    const unlisten = writes.listen(() => bell.ring());
    const ended = connection.ended.then((error) => bell.break(error));
    void ended;
    const abort = (): void => bell.break(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
        signal?.throwIfAborted();
        let at = since ?? writes.version;
        if (since === undefined) at = (await connection.call('version').catch(nothingAfterClose)) ?? at;
        for (;;) {
            const part = await abortable(signal, () => pull(connection, at, false).catch(nothingAfterClose));
            if (!part) return;
            if (!part.complete) {
                // Whoever reads everything from here on has all that this version stands for.
                at = await connection.call('version');
                yield { type: 'reset', version: at };
                continue;
            }
            at = part.next;
            for (const change of part.changes) {
                if (inBounds(bounds, change.key)) yield decoded(change, keys, values);
            }
            if (part.done && !(await bell.heard())) return;
        }
    } finally {
        unlisten();
        signal?.removeEventListener('abort', abort);
    }
}

/** That a store was closed is how watching it ends. */
function nothingAfterClose(error: unknown): undefined {
    if ((error as BitcaskError).code !== 'CLOSED') throw error;
}

function decoded<V, K>(change: RawChange, keys: Keys<K>, values: ValueCodec<V>): Change<V, K> {
    const key = keys.decode(change.key);
    const { version, expiresAt } = change;
    if (change.deleted || (expiresAt && expiresAt <= Date.now())) return { type: 'delete', key, version };
    const value = values.decode(change.value);
    return { type: 'set', key, value, version, ...(expiresAt ? { expiresAt } : {}) };
}

/** Calls the listener with the keys within bounds that were written. Returns what ends it. */
export function subscribe<K>(
    connection: Connection,
    writes: Writes,
    keys: Keys<K>,
    bounds: Bounds,
    listener: (changed: Changed<K>) => void,
): () => void {
    let at = connection.call('version');
    let ended = false;
    let pulling = false;
    let again = false;

    const pump = async (): Promise<void> => {
        again = true;
        if (pulling) return;
        pulling = true;
        try {
            while (again && !ended) {
                again = false;
                const part = await pull(connection, await at, true);
                at = Promise.resolve(part.next);
                again ||= !part.done;
                tell(part);
            }
        } catch {
            // The store was closed or lost: `ended` tells, and there is nothing to listen to any more.
        } finally {
            pulling = false;
        }
    };
    const tell = (part: Part): void => {
        const changed = new Map<string, K>();
        // Each byte is a character of its own.
        const latin = new TextDecoder('latin1');
        for (const { key } of part.changes) {
            if (!inBounds(bounds, key)) continue;
            try {
                changed.set(latin.decode(key), keys.decode(key));
            } catch {
                // Another program's key, of no kind that this store's keys are: nobody here can read it either.
            }
        }
        if (ended || changed.size === 0) return;
        try {
            listener({ keys: [...changed.values()], version: part.next });
        } catch (error) {
            // A listener's mistake is its own: it is told like any that nobody catches, and the others go on.
            queueMicrotask(() => {
                throw error;
            });
        }
    };
    at.catch(() => undefined);
    const unlisten = writes.listen(() => void pump());
    return () => {
        ended = true;
        unlisten();
    };
}

async function pull(connection: Connection, since: bigint, keysOnly: boolean): Promise<Part> {
    const reader = new FieldReader(await connection.call('changes', since, keysOnly));
    const complete = reader.u8() === 1;
    const done = reader.u8() === 1;
    const next = reader.u64();
    const count = reader.u32();
    const changes: RawChange[] = [];
    while (changes.length < count) {
        const version = reader.u64();
        const flags = reader.u8();
        const expiresAt = flags & EXPIRES ? Number(reader.u64()) : undefined;
        const keyLen = reader.u16();
        const valueLen = reader.u32();
        const [key, value] = [reader.take(keyLen), reader.take(valueLen)];
        changes.push({ version, deleted: (flags & DELETED) !== 0, key, value, ...(expiresAt ? { expiresAt } : {}) });
    }
    return { complete, done, next, changes };
}

/** Wakes one who waits; a ring that comes before is kept. */
class Bell {
    #rung = false;
    #broken = false;
    #error: unknown;
    #wake: () => void = () => undefined;

    ring(): void {
        this.#rung = true;
        this.#wake();
    }

    break(error: unknown): void {
        this.#broken = true;
        this.#error = error;
        this.#wake();
    }

    /** Waits for a ring; `false`: there will be none any more. Throws the reason, if there is one. */
    async heard(): Promise<boolean> {
        if (!this.#rung && !this.#broken) await new Promise<void>((wake) => (this.#wake = wake));
        if (this.#broken) {
            if (this.#error !== undefined) throw this.#error;
            return false;
        }
        this.#rung = false;
        return true;
    }
}
