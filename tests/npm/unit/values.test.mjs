import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';
import { streamPrefix, valueCodec } from '../../../wasm/npm/dist-test/codec/values.js';
import { forSeeds } from './random.mjs';

const clone = valueCodec();
const invalidValue = { name: 'BitcaskError', code: 'INVALID_VALUE', retry: false };
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const back = (value) => clone.decode(clone.encode(value));

/** A random value of what `structuredClone` takes. `seen` gives what came before again. */
function someValue(source, depth = 0, seen = []) {
    const { below, pick, next, bytes, chance } = source;
    if (seen.length && chance(0.08)) return pick(seen);
    const text = () =>
        Array.from({ length: below(6) * (chance(0.1) ? 30 : 1) }, () =>
            pick(['a', 'key', '\0', 'é', '€', '😀', '\ud800', '\udc00', '\ufeff', 'x'.repeat(20)]),
        ).join('');
    const number = () =>
        pick([
            0,
            -0,
            1,
            -1,
            63,
            64,
            127,
            128,
            -128,
            255,
            2 ** 31 - 1,
            2 ** 31,
            -(2 ** 31),
            -(2 ** 31) - 1,
            2 ** 53,
            NaN,
            Infinity,
            -Infinity,
            0.5,
            next(),
            (next() - 0.5) * 1e12,
            below(1e6),
        ]);
    const big = () =>
        pick([0n, 1n, -1n, 255n, 256n, -(2n ** 63n), 2n ** 64n, BigInt(below(2 ** 32)) ** BigInt(below(40))]) *
        (chance(0.5) ? 1n : -1n);
    const leaf = [() => undefined, () => null, () => chance(0.5), number, big, text];
    if (depth > 3 || chance(0.3)) return pick(leaf)();
    const keep = (object) => (seen.push(object), object);
    const inner = () => someValue(source, depth + 1, seen);
    const many = (count = 5) => Array.from({ length: below(count) });
    const view = () => {
        const type = pick([
            Int8Array,
            Uint8Array,
            Uint8ClampedArray,
            Int16Array,
            Uint16Array,
            Int32Array,
            Uint32Array,
            Float32Array,
            Float64Array,
            BigInt64Array,
            BigUint64Array,
            DataView,
        ]);
        const buffer = keep(bytes(64).buffer);
        return chance(0.5) ? new type(buffer) : new type(buffer, 8 * below(3), below(5));
    };
    return pick([
        () => {
            const object = keep(chance(0.9) ? {} : Object.create(null));
            for (const _ of many()) object[text()] = inner();
            if (chance(0.1))
                Object.defineProperty(object, '__proto__', {
                    value: inner(),
                    enumerable: true,
                    writable: true,
                    configurable: true,
                });
            return object;
        },
        () => {
            const array = keep([]);
            for (const _ of many()) chance(0.1) ? (array.length += 1) : array.push(inner());
            if (chance(0.1)) array[text()] = inner();
            if (chance(0.05)) array.length += 5000;
            return array;
        },
        () => {
            const map = keep(new Map());
            for (const _ of many()) map.set(inner(), inner());
            return map;
        },
        () => {
            const set = keep(new Set());
            for (const _ of many()) set.add(inner());
            return set;
        },
        () => keep(new Date(pick([0, 1.7e12, -1, 8.64e15]))),
        () => keep(new RegExp(pick(['a+', '', '[/]\\/', '\n', 'é']), pick(['', 'g', 'gi', 'su', 'dy']))),
        () => keep(Object(pick([true, number(), text(), big()]))),
        () => {
            const error = keep(
                new (pick([Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]))(
                    text(),
                    chance(0.5) ? { cause: inner() } : {},
                ),
            );
            return error;
        },
        () => keep(bytes(below(10)).buffer),
        () => keep(view()),
    ])();
}

/** Errors are compared by what of them is stored: `deepEqual` leaves their stack and cause out. */
function assertSame(actual, expected, seen = new Map()) {
    assert.deepStrictEqual(actual, expected);
    // deepStrictEqual does not see which objects are the same one.
    if (typeof expected !== 'object' || expected === null || ArrayBuffer.isView(expected)) return;
    if (seen.has(expected)) return assert.equal(seen.get(expected), actual, 'the same object twice');
    seen.set(expected, actual);
    if (expected instanceof Error) {
        assert.equal(actual.stack, expected.stack);
        if (expected.cause !== undefined) assertSame(actual.cause, expected.cause, seen);
    }
    if (expected instanceof Map || expected instanceof Set) {
        const [of, from] = [[...actual].flat(), [...expected].flat()];
        from.forEach((item, index) => assertSame(of[index], item, seen));
    }
    for (const name of Object.keys(expected)) assertSame(actual[name], expected[name], seen);
}

test('values come back as structuredClone gives them', () => {
    forSeeds(4000, (source) => {
        const value = someValue(source);
        assertSame(back(value), structuredClone(value));
    });
});

test('an invalid date stays one', () => assert.ok(Number.isNaN(back(new Date(NaN)).getTime())));

test('cycles and shared objects', () => {
    const self = { list: [] };
    self.self = self;
    self.list.push(self.list, self);
    self.map = new Map([[self, new Set([self.list])]]);
    const error = new Error('round');
    error.cause = error;
    self.error = error;
    const copy = back(self);
    assert.equal(copy.self, copy);
    assert.equal(copy.list[0], copy.list);
    assert.equal(copy.list[1], copy);
    assert.equal([...copy.map.keys()][0], copy);
    assert.equal([...copy.map.get(copy)][0], copy.list);
    assert.equal(copy.error.cause, copy.error);
    const buffer = new ArrayBuffer(8);
    const shared = back({ a: new Uint8Array(buffer), b: new Uint16Array(buffer), buffer });
    assert.equal(shared.a.buffer, shared.b.buffer);
    assert.equal(shared.buffer, shared.b.buffer);
});

test('a view of a part takes no more with it', () => {
    const secret = Buffer.from('a secret beside it');
    const bytes = clone.encode({ view: secret.subarray(2, 4) });
    assert.ok(!Buffer.from(bytes).includes('secret'));
    assert.deepStrictEqual(clone.decode(bytes), { view: Uint8Array.of(...Buffer.from('se')) });
});

test('class instances become plain objects, accessors what they return', () => {
    class Point {
        x = 1;
        #y = 2;
        get y() {
            return this.#y;
        }
    }
    const value = {
        point: new Point(),
        get now() {
            return 5;
        },
    };
    assert.deepStrictEqual(back(value), structuredClone(value));
    class Rows extends Array {}
    class Index extends Map {}
    class Fault extends RangeError {
        name = 'Fault';
    }
    assertSame(back([Rows.of(1, 2), new Index([[1, 2]])]), structuredClone([Rows.of(1, 2), new Index([[1, 2]])]));
    const fault = new Fault('f');
    assert.equal(back(fault).constructor, Error);
    assert.equal(back(fault).message, 'f');
});

test('objects of another realm are what they are', () => {
    const value = vm.runInNewContext(
        '({ map: new Map([[1, [2]]]), date: new Date(5), bytes: new Uint8Array([1]), error: new TypeError("t") })',
    );
    const copy = back(value);
    assert.ok(
        copy.map instanceof Map &&
            copy.date instanceof Date &&
            copy.bytes instanceof Uint8Array &&
            copy.error instanceof TypeError,
    );
    assert.equal(hex(clone.encode(value.bytes)), 'f901');
});

test('a name of the prototype is a name like others', () => {
    const value = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}');
    const copy = back(value);
    assert.equal(Object.getPrototypeOf(copy), Object.prototype);
    assert.equal({}.polluted, undefined);
    assert.deepStrictEqual(copy, value);
});

test('what cannot be stored is refused by its name', () => {
    const cases = [
        [() => 1, /function/],
        [Symbol('s'), /symbol/],
        [{ a: [() => 1] }, /function/],
        [new Blob(['x']), /Blob/],
        [Promise.resolve(), /Promise/],
        [new WeakMap(), /WeakMap/],
        [new SharedArrayBuffer(1), /SharedArrayBuffer/],
        [new URL('http://localhost'), /URL/],
        [Object(Symbol('s')), /Symbol/],
        [
            {
                get bad() {
                    throw new Error('mine');
                },
            },
            /cannot be read/,
        ],
        [{ [Symbol.toStringTag]: 'Map', __proto__: {} }, /cannot be read/],
    ];
    for (const [value, message] of cases) assert.throws(() => clone.encode(value), { ...invalidValue, message });
    assert.deepStrictEqual(back({ [Symbol('s')]: 1, a: 1 }), { a: 1 });
});

test('nesting has a limit, both ways', () => {
    let value = null;
    for (let depth = 0; depth < 1000; depth += 1) value = depth % 2 ? [value] : { of: value };
    assert.deepStrictEqual(back(value), value);
    assert.throws(() => clone.encode([value]), { ...invalidValue, message: /1000/ });
    assert.throws(() => clone.decode(Uint8Array.of(0xfa, 1, ...Array(2000).fill([12, 1]).flat(), 0)), invalidValue);
});

test('texts and bytes at the top are what other programs write', () => {
    for (const text of ['', 'plain', 'é€😀', '\0', '\ufeffx', 'x'.repeat(100_000), 'é'.repeat(50_000)]) {
        assert.equal(Buffer.from(clone.encode(text)).toString(), text);
        assert.equal(back(text), text);
    }
    assert.equal(back('\ud800 alone'), '\ud800 alone');
    assert.equal(hex(clone.encode(Uint8Array.of(1, 2))), 'f90102');
    assert.equal(hex(clone.encode(Buffer.from([1, 2]))), 'f90102');
    assert.equal(clone.decode(Buffer.from('by the command line')), 'by the command line');
});

test('the bytes of values are what they ever were', () => {
    const error = new RangeError('m');
    error.stack = 's';
    const shared = { a: 1 };
    const vectors = [
        [undefined, '00'],
        [null, '01'],
        [false, '02'],
        [true, '03'],
        [0, '80'],
        [127, 'ff'],
        [128, '048002'],
        [-1, '0401'],
        [-(2 ** 31), '04ffffffff0f'],
        [0.5, '05000000000000e03f'],
        [-0, '050000000000000080'],
        [2 ** 31, '05000000000000e041'],
        [0n, '060100'],
        [256n, '06020001'],
        [-255n, '0701ff'],
        [['a'], '0c014161'],
        [['x'.repeat(64)], '0c0108' + '40' + '78'.repeat(64)],
        ['\ud800', '090100d8'],
        [{ a: 1, b: shared, c: shared }, '0b034161814162' + '0b014161814163' + '0a01'],
        [[, 1], '0d0201413181'],
        [new Map([[1, 'x']]), '0e01814178'],
        [new Set([1]), '0f0181'],
        [new Date(0), '100000000000000000'],
        [/a/g, '1141614167'],
        [Object(true), '1203'],
        [Object('s'), '124173'],
        [error, '13020341' + '6d4173'],
        [new Uint8Array([7]).buffer, '140107'],
        [new Uint16Array([7]), '150514020700'],
        [[new Uint8Array([7])], '0c011502140107'],
    ];
    for (const [value, bytes] of vectors) {
        assert.equal(hex(clone.encode(value)), 'fa01' + bytes);
        assert.deepStrictEqual(clone.decode(Buffer.from('fa01' + bytes, 'hex')), value);
    }
});

test('any bytes are a value, or refused, at once and in little memory', () => {
    const before = process.memoryUsage().rss;
    const counts = { values: 0, refused: 0 };
    const attempt = (bytes) => {
        try {
            const value = clone.decode(bytes);
            counts.values += 1;
            // What is read can be written again, unless it has become deeper than is written.
            clone.encode(value);
        } catch (error) {
            assert.equal(error.code, 'INVALID_VALUE', String(error.stack));
            counts.refused += 1;
        }
    };
    forSeeds(5_000, (source) => {
        const { bytes, below, pick } = source;
        // From nothing, and from values with a few bytes changed, cut or added.
        const random = bytes(below(40) + 2);
        random.set([0xfa, 1]);
        for (let at = 2; at < random.length; at += 1) if (below(2)) random[at] = below(24);
        attempt(random);
        attempt(bytes(below(6)));
        const sound = clone.encode([someValue(source)]);
        const changed = Uint8Array.from(sound);
        for (let left = below(3) + 1; left > 0; left -= 1)
            changed[below(changed.length)] = pick([below(256), below(24)]);
        attempt(changed);
        attempt(sound.subarray(0, below(sound.length)));
    });
    assert.ok(counts.values > 500 && counts.refused > 500, JSON.stringify(counts));
    for (const bomb of [
        '0cffffffff0f',
        '0dffffffff0f00',
        '0d80808010' + '00',
        '14ffffffff0f',
        '06ffffffff0f',
        '08ffffffff0f',
        '0d000146' + Buffer.from('length').toString('hex') + '0480a8d7b907',
        '0dffffff0f0047'.slice(0, 12),
    ])
        attempt(Buffer.from('fa01' + bomb, 'hex'));
    assert.ok(process.memoryUsage().rss - before < 400 << 20);
    assert.throws(() => clone.decode(Uint8Array.of(0xfa, 2, 0)), { message: /newer/ });
    for (const bytes of [[0xf8], [0xfb, 0], [0xff], [0xfa], [0xfa, 0, 0], [0xfa, 1], [0xfa, 1, 1, 1], [0xc0, 0x80]])
        assert.throws(() => clone.decode(Uint8Array.from(bytes)), invalidValue);
});

test('a long array of holes takes no memory', () => {
    const before = process.memoryUsage().rss;
    const holes = Array.from({ length: 50 }, () => clone.decode(Buffer.from('fa010d' + '80dae70e' + '00', 'hex')));
    assert.equal(holes[0].length, 31_059_200);
    assert.ok(process.memoryUsage().rss - before < 100 << 20);
});

test('JSON, text and bytes', () => {
    const json = valueCodec('json');
    assert.deepEqual(json.decode(json.encode({ a: [1, 'é'] })), { a: [1, 'é'] });
    assert.equal(Buffer.from(json.encode({ a: 1 })).toString(), '{"a":1}');
    for (const value of [undefined, () => 1, 1n, Symbol('s')]) assert.throws(() => json.encode(value), invalidValue);
    for (const text of ['', '{', '\xff']) assert.throws(() => json.decode(Buffer.from(text, 'latin1')), invalidValue);
    const text = valueCodec('utf8');
    assert.equal(text.decode(text.encode('é')), 'é');
    for (const value of [1, '\ud800', null]) assert.throws(() => text.encode(value), invalidValue);
    assert.throws(() => text.decode(Uint8Array.of(0xff)), invalidValue);
    const bytes = valueCodec('bytes');
    assert.deepEqual(bytes.decode(bytes.encode(Buffer.from('ab'))), Uint8Array.of(97, 98));
    assert.throws(() => bytes.encode('ab'), invalidValue);
    assert.throws(() => valueCodec('xml'), { code: 'INVALID' });
    assert.deepEqual(clone.decode(Uint8Array.of(...streamPrefix('clone'), 1)), Uint8Array.of(1));
    assert.deepEqual(streamPrefix('bytes'), new Uint8Array());
});

test('bytes are the one who gets them', () => {
    for (const codec of ['clone', 'bytes']) {
        const value = Uint8Array.of(1, 2, 3);
        const bytes = valueCodec(codec).encode(value);
        value.fill(9);
        const stored = Buffer.from(bytes);
        const read = valueCodec(codec).decode(stored);
        stored.fill(8);
        assert.deepEqual(read, Uint8Array.of(1, 2, 3));
    }
});

test('a getter may encode another value meanwhile', () => {
    const value = {
        before: 'x'.repeat(300),
        get inner() {
            return clone.encode({ deep: 'y'.repeat(1000) }).length;
        },
        after: 1,
    };
    assert.deepStrictEqual(back(value), { before: 'x'.repeat(300), inner: back(value).inner, after: 1 });
});
