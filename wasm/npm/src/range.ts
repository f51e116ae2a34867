/**
 * Ranges as bytes, and the walk through one.
 */

import type { Bounds } from './codec/ranges.js';
import type { Connection } from './connection.js';
import { BitcaskError } from './errors.js';
import { FieldReader } from './protocol.js';

const LOWER = 1;
const LOWER_EXCLUSIVE = 2;
const UPPER = 4;
const UPPER_EXCLUSIVE = 8;
const REVERSE = 32;
const KEYS_ONLY = 64;
const VALUES_ONLY = 128;

const NO_LIMIT = 0xffff_ffff;

/** What of the entries is wanted. */
export type Wanted = 'entries' | 'keys' | 'values';

/** How bounds go over the wire: flags, the limit, then each bound that there is with its length before it. */
export function boundsBytes(
    bounds: Bounds,
    { reverse, limit = Infinity }: { reverse?: boolean; limit?: number } = {},
    wanted: Wanted = 'entries',
): Uint8Array {
    if (Number.isNaN(limit) || limit < 0) throw new BitcaskError('INVALID', `${limit} is no limit`);
    let flags = reverse ? REVERSE : 0;
    if (wanted === 'keys') flags |= KEYS_ONLY;
    if (wanted === 'values') flags |= VALUES_ONLY;
    const parts: Uint8Array[] = [];
    const part = (bytes: Uint8Array | undefined, flag: number): void => {
        if (!bytes) return;
        flags |= flag;
        parts.push(bytes);
    };
    part(bounds.lower, bounds.lowerExclusive ? LOWER | LOWER_EXCLUSIVE : LOWER);
    part(bounds.upper, bounds.upperExclusive ? UPPER | UPPER_EXCLUSIVE : UPPER);
    const bytes = new Uint8Array(parts.reduce((len, { length }) => len + 2 + length, 5));
    const view = new DataView(bytes.buffer);
    view.setUint8(0, flags);
    view.setUint32(1, Math.min(Math.floor(limit), NO_LIMIT), true);
    let at = 5;
    for (const part of parts) {
        view.setUint16(at, part.length, true);
        bytes.set(part, at + 2);
        at += 2 + part.length;
    }
    return bytes;
}

/** Entries of the first part of a walk: few, since many walks end early. Later parts are larger. */
const FIRST_PART = 100;
const LATER_PART = 2_000;

/** Walks through a range at the engine's side, a part at a time, the next one asked for while one is used. */
export async function* walk<T>(
    connection: Connection,
    bounds: Uint8Array,
    snapshot: number,
    entry: (key: Uint8Array, value: Uint8Array) => T,
    signal?: AbortSignal,
): AsyncGenerator<T, undefined, undefined> {
    signal?.throwIfAborted();
    const { id, part } = await connection.call('scan', bounds, snapshot, FIRST_PART);
    let next: Promise<Uint8Array> | undefined;
    let done = false;
    try {
        for (let bytes = part; ; bytes = await next) {
            const reader = new FieldReader(bytes);
            const count = reader.u32();
            done = reader.u8() === 1;
            if (!done) {
                next = connection.call('scanNext', id, LATER_PART);
                // Whoever stops here does not want to hear of it.
                next.catch(() => undefined);
            }
            for (let number = 0; number < count; number++) {
                signal?.throwIfAborted();
                const keyLen = reader.u16();
                const valueLen = reader.u32();
                yield entry(reader.take(keyLen), reader.take(valueLen));
            }
            if (done || !next) return;
        }
    } finally {
        // What was asked for may come after the close, and is not known there any more: nobody waits for it.
        if (!done) connection.call('scanClose', id).catch(() => undefined);
    }
}
