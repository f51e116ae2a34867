/**
 * What localStorage holds, and how localForage writes to it.
 */

import { PAGE, type Source } from './copy.js';

/** The items whose names begin with a prefix, by what follows it. */
export function storageItems(storage: Storage, prefix: string, parse: (text: string) => unknown = String): Source {
    const names = (): string[] => Object.keys(storage).filter((name) => name.startsWith(prefix));
    const copied = new Map<string, string>();
    return {
        count: async () => names().length,
        async *pages() {
            const all = names();
            while (all.length > 0) {
                const page: [string, unknown][] = [];
                for (const name of all.splice(0, PAGE)) {
                    const text = storage.getItem(name) ?? '';
                    copied.set(name, text);
                    page.push([name.slice(prefix.length), parse(text)]);
                }
                yield page;
            }
        },
        async remove(count) {
            const same = [...copied].every(([name, text]) => storage.getItem(name) === text);
            if (!same || names().length !== count) return false;
            for (const name of copied.keys()) storage.removeItem(name);
            return true;
        },
        close: () => undefined,
    };
}

const MARK = '__lfsc__:';
const BLOB_TYPE = /^~~local_forage_type~([^~]+)~/;

/** What localForage calls the kinds of values that JSON has not. */
const KINDS: { readonly [name: string]: new (buffer: ArrayBuffer) => unknown } = {
    si08: Int8Array,
    ui08: Uint8Array,
    uic8: Uint8ClampedArray,
    si16: Int16Array,
    ur16: Uint16Array,
    si32: Int32Array,
    ui32: Uint32Array,
    fl32: Float32Array,
    fl64: Float64Array,
};

/** A value of localForage's in localStorage: JSON, or bytes in base64 behind the kind of them. */
export function localForageValue(text: string): unknown {
    if (!text.startsWith(MARK)) return JSON.parse(text);
    const kind = text.slice(MARK.length, MARK.length + 4);
    const data = text.slice(MARK.length + 4);
    const { buffer } = bytesOfBase64(data.replace(BLOB_TYPE, ''));
    if (kind === 'blob') return new Blob([buffer], { type: BLOB_TYPE.exec(data)?.[1] ?? '' });
    const View = KINDS[kind];
    return View ? new View(buffer) : buffer;
}

/** A value of localForage's in IndexedDB: itself, but for null and, in some browsers, blobs. */
export function localForageObject(value: unknown): unknown {
    const { __local_forage_encoded_blob: encoded, data, type } = Object(value);
    return encoded ? new Blob([bytesOfBase64(data)], { type }) : (value ?? null);
}

function bytesOfBase64(base64: string): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
