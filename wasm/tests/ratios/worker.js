/** Runs in a worker: see run.mjs. */
import init, { Engine, Opfs } from '/pkg/bitcask_wasm.js';

const COUNT = 20_000;
const VALUE = new Uint8Array(100).fill(7);
const encoder = new TextEncoder();
const keys = Array.from({ length: COUNT }, (_, n) => encoder.encode(`key:${String(n).padStart(12, '0')}`));
const shuffled = keys.slice().sort((a, b) => ((a[14] * 7 + a[15] * 31) % 97) - ((b[14] * 7 + b[15] * 31) % 97));

/** The least that keeps values by key in a file: appends, and remembers where. */
class Bare {
    places = new Map();
    end = 0;

    constructor(file) {
        this.file = file;
        file.truncate(0);
    }

    put(key, value) {
        const bytes = new Uint8Array(key.length + value.length);
        bytes.set(key);
        bytes.set(value, key.length);
        this.file.write(bytes, { at: this.end });
        this.places.set(String.fromCharCode(...key), [this.end + key.length, value.length]);
        this.end += bytes.length;
    }

    get(key) {
        const [at, len] = this.places.get(String.fromCharCode(...key));
        const value = new Uint8Array(len);
        this.file.read(value, { at });
        return value;
    }

    sync() {
        this.file.flush();
    }
}

function microseconds(count, call) {
    const before = performance.now();
    for (let n = 0; n < count; n++) call(n);
    return ((performance.now() - before) * 1000) / count;
}

const works = {
    put: (store) => microseconds(COUNT, (n) => store.put(keys[n], VALUE, 0, 1)),
    overwrite: (store) => microseconds(COUNT / 4, (n) => store.put(shuffled[n], VALUE, 0, 1)),
    'get in order': (store) => microseconds(COUNT, (n) => store.get(keys[n])),
    'get at random': (store) => microseconds(COUNT, (n) => store.get(shuffled[n])),
    'put and flush': (store) =>
        microseconds(100, (n) => {
            store.put(keys[n], VALUE, 0, 1);
            store.sync();
        }),
};

/** An engine on eight slots: the works take fewer. */
async function openEngine(name) {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true });
    const numbers = Uint32Array.from({ length: 8 }, (_, number) => number);
    const opening = Array.from(numbers, async (number) => {
        const file = await folder.getFileHandle(`slot-0${number}`, { create: true });
        return file.createSyncAccessHandle();
    });
    return Engine.openOpfs(new Opfs(numbers, await Promise.all(opening)), { durability: 'none' });
}

async function measure() {
    await init({ module_or_path: '/pkg/bitcask_wasm_bg.wasm' });
    const root = await navigator.storage.getDirectory();
    const table = {};
    // The first round warms up.
    for (let round = 0; round < 3; round++) {
        const file = await (await root.getFileHandle(`bare-${round}`, { create: true })).createSyncAccessHandle();
        const bare = new Bare(file);
        const engine = await openEngine(`ratios-${round}`);
        for (const [name, work] of Object.entries(works)) {
            // Each goes first in turn: what comes later finds a busier or a calmer machine.
            const [first, second] = round % 2 ? [engine, bare] : [bare, engine];
            const times = new Map([first, second].map((store) => [store, work(store)]));
            if (round === 0) continue;
            const row = (table[name] ??= { bare: Infinity, engine: Infinity });
            row.bare = Math.min(row.bare, times.get(bare));
            row.engine = Math.min(row.engine, times.get(engine));
        }
        engine.close();
        file.close();
    }
    for (const row of Object.values(table)) {
        row.ratio = +(row.bare / row.engine).toFixed(2);
        row.bare = +row.bare.toFixed(2);
        row.engine = +row.engine.toFixed(2);
    }
    return table;
}

postMessage(await measure().catch((error) => String(error?.stack ?? error)));
