/**
 * Values as bytes, in the ways that an option names.
 */

import { BitcaskError } from '../errors.js';
import type { ValueCodec } from '../types.js';
import { copyOf, isBytes, kindOf, textOf, written } from './bytes.js';
import { decodeClone, encodeClone } from './clone.js';
import { refuseValue } from './clone-write.js';
import { VALUE_BYTES } from './marks.js';

/** What {@link valueCodec} takes. */
export type ValuesOption<V> = 'clone' | 'json' | 'utf8' | 'bytes' | ValueCodec<V>;

const textValues: ValueCodec<string> = {
    encode(value) {
        if (typeof value !== 'string') refuseValue(`a value of this store is a string, not ${kindOf(value)}`);
        return written((out) => {
            if (!out.text(value)) refuseValue('a value has half of a surrogate pair');
        });
    },
    decode(bytes) {
        try {
            return textOf(bytes);
        } catch (cause) {
            return refuseValue("a value of this store is no text; `values: 'bytes'` reads it", cause);
        }
    },
};

const jsonValues: ValueCodec<unknown> = {
    encode(value) {
        let json: string | undefined;
        try {
            json = JSON.stringify(value);
        } catch (cause) {
            return refuseValue('a value has no JSON', cause);
        }
        if (json === undefined) refuseValue(`${kindOf(value)} has no JSON`);
        return textValues.encode(json);
    },
    decode(bytes) {
        try {
            return JSON.parse(textOf(bytes));
        } catch (cause) {
            return refuseValue("a value of this store is no JSON; `values: 'bytes'` reads it", cause);
        }
    },
};

const bytesValues: ValueCodec<Uint8Array> = {
    encode(value) {
        if (!isBytes(value)) refuseValue(`a value of this store is a Uint8Array, not ${kindOf(value)}`);
        return copyOf(value);
    },
    decode: (bytes) => copyOf(bytes),
};

const cloneValues: ValueCodec<unknown> = { encode: encodeClone, decode: decodeClone };

/**
 * The codec that an option asks for. What its `encode` and `decode` give is the caller's: it has no memory in common with
 * what they were given. They throw `INVALID_VALUE`; one of the caller's own throws what it throws.
 */
export function valueCodec<V>(values: ValuesOption<V> = 'clone'): ValueCodec<V> {
    if (typeof values === 'object') {
        return {
            encode(value) {
                const bytes = values.encode(value);
                if (!isBytes(bytes)) refuseValue('the codec of this store made no Uint8Array');
                // Whoever made them may go on using them, and whoever gets them may change them.
                return copyOf(bytes);
            },
            decode: (bytes) => values.decode(copyOf(bytes)),
        };
    }
    const codec = { clone: cloneValues, json: jsonValues, utf8: textValues, bytes: bytesValues }[values] as
        ValueCodec<unknown> | undefined;
    if (!codec) throw new BitcaskError('INVALID', `there are no values of the kind ${String(values)}`);
    return codec as ValueCodec<V>;
}

/** What is in front of the bytes of a value, so that `decode` gives back a `Uint8Array` of them. */
export function streamPrefix<V>(values: ValuesOption<V> = 'clone'): Uint8Array {
    return values === 'clone' ? Uint8Array.of(VALUE_BYTES) : new Uint8Array();
}
