/**
 * What a page keeps of values: whatever is answered from it is what the engine would have answered in its place in the order of
 * calls, also where writes fail, answers are lost, and others write while the page has no worker.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cache } from '../../../wasm/npm/dist-test/cache.js';
import { openNodeHost } from '../../../wasm/npm/dist-test/node-host.js';
import { FieldReader, Op, Status } from '../../../wasm/npm/dist-test/protocol.js';
import { storeOf } from '../../../wasm/npm/dist-test/store.js';
import { forSeedsInTurn } from './random.mjs';

const LIVES = 100;
const STEPS = 400;
const CACHE_BYTES = 1 << 20;
const WRITES = [Op.put, Op.delete, Op.expire];

/** An engine behind messages that take their time and keep their order, as a worker is. */
class Messages {
    session = 0;
    ended;
    /** Every operation that reached the engine. */
    ran = [];
    /** Told of what is called, and returns what is to be told when it happens; and of writes, applied or not, in their order. */
    onCall = () => undefined;
    onWrite = () => {};
    /** What becomes of a frame: undefined is an answer, `refused` nothing and an error, `lost` an error all the same. */
    fate = () => undefined;
    #host;
    #queue = [];
    #pumping = false;

    constructor(host) {
        this.#host = host;
        this.ended = host.ended;
    }

    get opened() {
        return this.#host.opened;
    }

    get host() {
        return this.#host;
    }

    run(frame) {
        return this.#ask({ frame, work: () => this.#host.run(frame) });
    }

    call(method, ...args) {
        const done = this.onCall(method);
        const work = () => {
            done?.();
            return this.#host.call(method, ...args);
        };
        return this.#ask({ work });
    }

    onWrites() {}

    close() {
        return this.#host.close();
    }

    /** The worker ends, others write, and another worker begins: what waited is told so, or begins anew. */
    async restart(others) {
        this.session += 1;
        for (const { frame, reject } of this.#queue.splice(0)) {
            if (frame) this.#parse(frame, false);
            reject(new Error('the worker is gone'));
        }
        await others();
    }

    #ask(request) {
        return new Promise((resolve, reject) => {
            this.#queue.push({ ...request, resolve, reject });
            void this.#pump();
        });
    }

    async #pump() {
        if (this.#pumping) return;
        this.#pumping = true;
        while (this.#queue.length > 0) {
            await new Promise(setImmediate);
            const request = this.#queue.shift();
            if (!request) continue;
            const { session } = this;
            const fate = request.frame && this.fate();
            if (request.frame) this.#parse(request.frame, fate !== 'refused');
            try {
                const value = fate === 'refused' ? undefined : await request.work();
                await new Promise(setImmediate);
                if (fate || session !== this.session) request.reject(new Error(fate ?? 'the worker is gone'));
                else request.resolve(value);
            } catch (error) {
                request.reject(error);
            }
        }
        this.#pumping = false;
    }

    #parse(frame, applied) {
        const reader = new FieldReader(frame);
        while (reader.at < frame.length) {
            const [op, flags, keyLen, valueLen] = [reader.u8(), reader.u8(), reader.u16(), reader.u32()];
            reader.at += (flags & 4 ? 8 : 0) + (flags & 8 ? 8 : 0) + (flags & 32 ? 4 : 0) + keyLen + valueLen;
            this.ran.push(op);
            if (WRITES.includes(op)) this.onWrite(applied);
        }
    }
}

async function openBehindMessages(options = {}, cacheBytes = CACHE_BYTES) {
    const host = await openNodeHost(`cache-${Math.random()}`, { storage: 'memory', autoMerge: false });
    const messages = new Messages(host);
    return { messages, store: storeOf('cache', messages, options, cacheBytes) };
}

const gets = ({ ran }) => ran.filter((op) => op === Op.get).length;

async function life(random) {
    const { messages, store } = await openBehindMessages({}, random.pick([12_000, 30_000, CACHE_BYTES]));
    const sub = store.sub('k');
    // Whoever is asked for a key, by the store or by a part of it, is asked for the same one.
    const keys = Array.from({ length: 12 }, (_, number) => `k${number}`);
    const [failing, restarting] = [random.chance(0.5) ? 0.1 : 0, random.chance(0.5) ? 0.02 : 0];
    messages.fate = () => (random.chance(failing) ? random.pick(['refused', 'lost']) : undefined);
    // All that happened, in the order of the calls; whether a write was done is known later.
    const events = [];
    const unknown = [];
    messages.onWrite = (applied) => void (unknown.shift().applied = applied);
    messages.onCall = (method) => {
        if (method !== 'clear') return undefined;
        const event = { clear: true };
        events.push(event);
        return () => (event.applied = true);
    };
    let [value, asked] = [0, 0];
    const under = [];
    const write = (entries, work) => {
        for (const [key, value] of entries) {
            const event = { key, value };
            events.push(event);
            unknown.push(event);
        }
        under.push(work().catch(() => undefined));
    };
    const read = (key, promise) => {
        asked += 1;
        const at = events.length;
        under.push(promise.then((found) => reads.push({ key, at, found }), () => undefined));
    };
    const reads = [];
    const entry = () => [random.pick(keys), random.chance(0.7) ? `value ${++value}` : new Uint8Array([++value & 255, value >> 8])];
    for (let step = 0; step < STEPS; step += 1) {
        const key = random.pick(keys);
        const [to, own] = random.chance(0.3) ? [sub, (key) => key.slice(1)] : [store, (key) => key];
        switch (random.below(26)) {
            case 0: case 1: {
                const [key, value] = entry();
                write([[key, value]], () => to.set(own(key), value));
                break;
            }
            case 2:
                write([[key, undefined]], () => to.delete(own(key)));
                break;
            case 3: {
                const entries = Array.from({ length: 1 + random.below(4) }, entry);
                write(entries, () => to.setMany(entries.map(([key, value]) => [own(key), value])));
                break;
            }
            case 4:
                if (random.chance(0.3)) under.push(store.clear().catch(() => undefined));
                break;
            case 5:
                if (random.chance(restarting)) {
                    // What was asked for is on its way.
                    await null;
                    await messages.restart(async () => {
                        const outside = storeOf('outside', messages.host, {});
                        const [key, value] = entry();
                        await outside.set(key, value);
                        events.push({ key, value, applied: true });
                    });
                }
                break;
            case 6: {
                const some = Array.from({ length: 1 + random.below(5) }, () => random.pick(keys));
                const many = to.getMany(some.map(own));
                some.forEach((key, at) => read(key, many.then((all) => all[at])));
                break;
            }
            case 7: case 9:
                for (let turns = random.below(8); turns > 0; turns -= 1) await new Promise(setImmediate);
                break;
            case 8: case 10: case 11:
                if (random.chance(0.6)) await Promise.all(under.splice(0));
                break;
            default:
                read(key, to.get(own(key)));
        }
    }
    await Promise.all(under);
    for (const { key, at, found } of reads) {
        const last = events.slice(0, at).findLast((event) => event.applied && (event.clear || event.key === key));
        assert.deepEqual(found, last?.value, `${key} after ${at} events`);
    }
    await store.close();
    return { asked, told: gets(messages) };
}

test(`${LIVES} lives behind messages`, async () => {
    let [asked, told] = [0, 0];
    await forSeedsInTurn(LIVES, async (random) => {
        const counts = await life(random);
        asked += counts.asked;
        told += counts.told;
    });
    assert.ok(told < asked * 0.7, `${told} of ${asked} reads took a message: the cache was not tried`);
});

test('what was written or read is read again without a message', async () => {
    const { messages, store } = await openBehindMessages();
    await store.set('a', { n: 1 });
    assert.deepEqual(await store.get('a'), { n: 1 });
    assert.equal(gets(messages), 0);
    await store.setMany([['b', 2], ['c', 3]]);
    assert.deepEqual(await store.getMany(['a', 'b', 'c', 'd']), [{ n: 1 }, 2, 3, undefined]);
    assert.equal(gets(messages), 1, 'that which is not there is asked for');
    const value = await store.get('a');
    value.n = 5;
    assert.deepEqual(await store.get('a'), { n: 1 }, 'each has a value of its own');
    await store.delete('a');
    assert.equal(await store.get('a'), undefined);
    await store.writeStream('b').getWriter().close();
    assert.deepEqual(await store.get('b'), new Uint8Array());
    await store.close();
    await assert.rejects(store.get('c'), { code: 'CLOSED' });
});

test('what expires is always asked for', async () => {
    const { messages, store } = await openBehindMessages();
    await store.set('a', 1, { ttl: 1_000_000 });
    await store.get('a');
    assert.equal(await store.get('a'), 1);
    assert.equal(gets(messages), 2);
    await store.set('b', 2);
    await store.expire('b', 1_000_000);
    await store.get('b');
    assert.equal(await store.get('b'), 2);
    assert.equal(gets(messages), 4);
    await store.close();
});

test('a snapshot is read as it was, and a merge or an import changes nothing that it should not', async () => {
    const { store } = await openBehindMessages();
    await store.set('a', 1);
    const snapshot = await store.snapshot();
    await store.set('a', 2);
    assert.equal(await snapshot.get('a'), 1);
    assert.equal(await store.get('a'), 2);
    const saved = await new Response(store.export()).blob();
    await store.set('a', 3);
    await store.set('b', 3);
    await snapshot.close();
    await store.merge();
    assert.deepEqual(await store.getMany(['a', 'b']), [3, 3]);
    const { store: other } = await openBehindMessages();
    await other.set('a', 9);
    assert.equal(await other.get('a'), 9);
    await other.import(saved);
    assert.equal(await other.get('a'), 2);
    await Promise.all([store.close(), other.close()]);
});

test('the oldest that was not asked for goes first, and a large value does not stay', async () => {
    const { messages, store } = await openBehindMessages({}, 64 * 700);
    for (let number = 0; number < 64; number += 1) await store.set(`key ${number}`, number);
    assert.equal(await store.get('key 0'), 0);
    await store.set('large', 'x'.repeat(10_000));
    await store.set('small', 1);
    await store.get('key 0');
    assert.equal(gets(messages), 0);
    for (let number = 0; number < 20; number += 1) await store.set(`another ${number}`, number);
    await store.get('key 0');
    assert.equal(gets(messages), 0, 'it was asked for a second time');
    await store.get('key 2');
    assert.equal(gets(messages), 1);
    await store.get('large');
    assert.equal(gets(messages), 2);
    await store.close();
});

test('what was forgotten while it was being written takes no room', () => {
    const cache = new Cache(64 * 700);
    const put = (number) => ({ op: Op.put, key: Uint8Array.of(number), value: Uint8Array.of(number) });
    const done = { status: Status.wrote };
    const noted = Array.from({ length: 100 }, (_, number) => cache.note(put(number)));
    cache.forget();
    for (const one of noted) one(done);
    const kept = Array.from({ length: 40 }, (_, number) => put(number));
    for (const one of kept) cache.note(one)(done);
    for (const { key } of kept) assert.deepEqual(cache.get({ op: Op.get, key }), key);
});

test('codecs of the caller have bytes of their own', async () => {
    const scratch = new Uint8Array(1);
    const values = { encode: (n) => ((scratch[0] = n), scratch), decode: (bytes) => bytes };
    const { store } = await openBehindMessages({ values });
    await store.set('a', 1);
    await store.set('b', 2);
    const read = await store.get('a');
    assert.deepEqual(read, Uint8Array.of(1));
    read[0] = 7;
    assert.deepEqual(await store.get('a'), Uint8Array.of(1));
    await store.close();
});

test('without bytes for it everything is asked for', async () => {
    const { messages, store } = await openBehindMessages({}, 0);
    await store.set('a', 1);
    await store.get('a');
    assert.equal(gets(messages), 1);
    await store.close();
});
