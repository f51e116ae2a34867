/**
 * What both sides of the encoding of values know: see `ENCODING.md`.
 */

/** How deep objects nest in a value. */
export const VALUE_DEPTH_MAX = 1000;

/** What the first byte of an item says. `0x40` to `0x7f` is a text of 0 to 63 bytes, `0x80` to `0xff` a number 0 to 127. */
export const Tag = {
    Undefined: 0,
    Null: 1,
    False: 2,
    True: 3,
    Int: 4,
    Float: 5,
    BigPositive: 6,
    BigNegative: 7,
    Text: 8,
    Units: 9,
    Again: 10,
    Object: 11,
    Array: 12,
    SparseArray: 13,
    Map: 14,
    Set: 15,
    Date: 16,
    RegExp: 17,
    Boxed: 18,
    Error: 19,
    Buffer: 20,
    View: 21,
    ShortText: 0x40,
    SmallInt: 0x80,
} as const;

/** Of a text whose length is in its tag, in bytes. */
export const SHORT_TEXT_MAX = 63;

/** Kinds of views by their number. Only ever added to, at the end. */
export const VIEWS =
    'DataView Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array Float32Array Float64Array BigInt64Array BigUint64Array Float16Array'.split(
        ' ',
    );
/** Kinds of errors by their number. */
export const ERRORS = 'Error EvalError RangeError ReferenceError SyntaxError TypeError URIError'.split(' ');

/** What else an error has, in the order of its bits. */
export const ERROR_PARTS = ['message', 'stack', 'cause'] as const;

/** Constructors of the platform by name. */
export const platform = globalThis as unknown as Record<string, (new (buffer?: ArrayBuffer) => object) | undefined>;
