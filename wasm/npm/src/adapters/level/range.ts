/**
 * Level's keys and ranges as the store has them.
 */

import type { KeyCodec, Range } from '../../index.js';

type Bytes = Uint8Array;

/** What Level says of a range: a negative limit is none. */
export interface LevelRange {
    gt?: Bytes;
    gte?: Bytes;
    lt?: Bytes;
    lte?: Bytes;
    reverse: boolean;
    limit: number;
}

/**
 * Level has an empty key, and the store has none: it is one zero byte, and a key that begins with a zero has one more. All
 * others are as they are, and the order stays.
 */
export const levelKeys: KeyCodec<Bytes> = {
    encode: (key) => (key[0] ? key : Uint8Array.of(0, ...key)),
    decode: (bytes) => bytes.slice(bytes[0] ? 0 : 1),
};

/** The range, for the store. Of two bounds on one side Level takes the one that includes its key. */
export function rangeOf({ gt, gte, lt, lte, reverse, limit }: LevelRange): Range<Bytes> {
    const range: Range<Bytes> = { reverse, limit: limit < 0 ? Infinity : limit };
    if (gte) range.gte = gte;
    else if (gt) range.gt = gt;
    if (lte) range.lte = lte;
    else if (lt) range.lt = lt;
    return range;
}

/** The part of a range that begins at a key; `undefined` where that key is outside. */
export function rangeFrom({ gt, gte, lt, lte, ...range }: Range<Bytes>, key: Bytes): Range<Bytes> | undefined {
    if (gt && compare(key, gt) <= 0) return undefined;
    if (gte && compare(key, gte) < 0) return undefined;
    if (lt && compare(key, lt) >= 0) return undefined;
    if (lte && compare(key, lte) > 0) return undefined;
    const { reverse } = range;
    const end = reverse ? ((gt && { gt }) ?? (gte && { gte })) : ((lt && { lt }) ?? (lte && { lte }));
    return { ...range, ...end, ...(reverse ? { lte: key } : { gte: key }) };
}

/** Below 0, 0 or above 0, in the order of the bytes. */
function compare(one: Bytes, other: Bytes): number {
    const at = one.findIndex((byte, at) => byte !== other[at]);
    return at < 0 || at >= other.length ? one.length - other.length : one[at]! - other[at]!;
}
