/**
 * Ranges as bytes.
 */

import type { Bounds } from './codec/ranges.js';
import { BitcaskError } from './errors.js';

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
