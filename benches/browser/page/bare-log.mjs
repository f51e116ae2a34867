/** What mini-bitcask is measured against where there is no other log. */

const encoder = new TextEncoder();

/** The least that a log on such a file can be: the ceiling that ours is measured against, no store to be used. */
export async function bareLog(name) {
    const root = await navigator.storage.getDirectory();
    const file = await root.getFileHandle(name, { create: true });
    const handle = await file.createSyncAccessHandle();
    const keydir = new Map();
    let end = handle.getSize();
    let buffer = new Uint8Array(256 * 1024);
    let view = new DataView(buffer.buffer);
    const add = (at, key, value) => {
        const { written } = encoder.encodeInto(key, buffer.subarray(at + 8));
        view.setUint32(at, written, true);
        view.setUint32(at + 4, value.length, true);
        buffer.set(value, at + 8 + written);
        keydir.set(key, { at: end + at + 8 + written, len: value.length });
        return at + 8 + written + value.length;
    };
    const append = (len) => {
        if (handle.write(buffer.subarray(0, len), { at: end }) !== len) throw new Error('a short write');
        end += len;
    };
    return {
        put: (key, value) => append(add(0, key, value)),
        putFlushed(key, value) {
            append(add(0, key, value));
            handle.flush();
        },
        putMany(entries) {
            let len = 0;
            for (const [key, value] of entries) len = add(len, key, value);
            append(len);
            handle.flush();
        },
        get(key) {
            const found = keydir.get(key);
            if (!found) return undefined;
            const { at, len } = found;
            const value = new Uint8Array(len);
            if (handle.read(value, { at }) !== len) throw new Error('a short read');
            return value;
        },
        close: () => handle.close(),
    };
}
