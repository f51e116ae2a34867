/** What is in the browser before a migration, and what must be in the store after it. */

/** Values of idb-keyval and localForage: all that structuredClone takes and a store keeps. */
export const VALUES = {
    text: 'grüße \u{1f600}',
    empty: '',
    zero: 0,
    minus: -0,
    nothing: null,
    no: false,
    big: 2n ** 70n,
    date: new Date(12345),
    bytes: Uint8Array.of(0, 255, 7),
    buffer: Uint8Array.of(1, 2).buffer,
    floats: Float64Array.of(1.5, NaN),
    map: new Map([['a', new Set([1, { deep: [undefined, null] }])]]),
    expression: /a+/gi,
    error: new RangeError('too far'),
    list: [1, , 'hole'],
};

/** Values that JSON and localForage's own marks keep, for its localStorage. */
export const PLAIN = {
    text: VALUES.text,
    zero: 0,
    nothing: null,
    no: false,
    nested: { list: [1, 'b'] },
    bytes: VALUES.bytes,
    buffer: VALUES.buffer,
    floats: Float32Array.of(1.5),
};
