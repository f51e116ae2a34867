/**
 * Keys and values are bytes here, as the command `bitcask` has them: what is typed is UTF-8, and what is no UTF-8 is
 * shown in hexadecimal.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What was typed, as bytes. */
export function bytesOf(text: string): Uint8Array {
    return encoder.encode(text);
}

/** The text that bytes are, or `undefined` where they are none. */
export function textOf(bytes: Uint8Array): string | undefined {
    try {
        return decoder.decode(bytes);
    } catch {
        return undefined;
    }
}

/** Bytes for a place with little room: their beginning, as text or in hexadecimal. */
export interface Preview {
    readonly text: string;
    readonly isText: boolean;
}

/** The beginning of bytes, at most so many of them. */
export function preview(bytes: Uint8Array, bytesMax = 160): Preview {
    const cut = bytes.length > bytesMax;
    // A character may be cut in the middle: one takes up to four bytes.
    for (let less = 0; less < (cut ? 4 : 1); less += 1) {
        const text = textOf(bytes.subarray(0, bytesMax - less));
        if (text !== undefined) return { text: visible(text) + (cut ? '…' : ''), isText: true };
    }
    const digits = Array.from(bytes.subarray(0, 24), (byte) => byte.toString(16).padStart(2, '0'));
    return { text: digits.join(' ') + (bytes.length > 24 ? ' …' : ''), isText: false };
}

/** Control characters as the signs that stand for them: a key that is a line break can be seen. */
function visible(text: string): string {
    return text.replace(/[\u0000-\u001f]/g, (found) => String.fromCharCode(0x2400 + found.charCodeAt(0)));
}
