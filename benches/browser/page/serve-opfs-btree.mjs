import { openTree } from './opfs-btree.mjs';
import { serve } from './remote.mjs';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const FIRST = new Uint8Array([0]);
const LAST = new Uint8Array([255]);

serve(async (name) => {
    const tree = await openTree(name);
    const get = (key) => {
        const bytes = tree.get(encoder.encode(key));
        return bytes && decoder.decode(bytes);
    };
    const put = ([key, value]) => tree.put(encoder.encode(key), encoder.encode(value));
    return {
        set(key, value) {
            put([key, value]);
            tree.checkpoint();
        },
        setMany(entries) {
            entries.forEach(put);
            tree.checkpoint();
        },
        get,
        getMany: (keys) => keys.map(get),
        scan: () => rows(tree.range(FIRST, LAST, 0xffff_ffff)),
        delete(key) {
            tree.delete(encoder.encode(key));
            tree.checkpoint();
        },
        close: () => tree.free(),
    };
});

function rows(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    const text = () => {
        const len = view.getUint32(at, true);
        at += 4 + len;
        return decoder.decode(bytes.subarray(at - len, at));
    };
    const all = [];
    while (at < bytes.length) all.push([text(), text()]);
    return all;
}
