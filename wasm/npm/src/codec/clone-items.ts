/**
 * What both sides of the encoding of values know: see `ENCODING.md`.
 */

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
