import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyCodec, compareBytes, inBounds, prefixBytes } from '../../../wasm/npm/dist-test/codec/ranges.js';
import { forSeeds } from './random.mjs';

const any = keyCodec('any');
const invalidKey = { name: 'BitcaskError', code: 'INVALID_KEY', retry: false };
const hex = (bytes) => Buffer.from(bytes).toString('hex');

/** Texts near each other, and near what is special: zeros, the ends of the planes, marks of the encoding. */
function someText({ below, pick }) {
    const units = [
        '',
        '\0',
        '\x01',
        '\x04',
        'a',
        'b',
        '~',
        '\x7f',
        '\x80',
        'ÿ',
        '\u07ff',
        '\u0800',
        '\ud7ff',
        '\ue000',
        '\uffff',
        '\u{10000}',
        '\u{1f600}',
        '\u{10ffff}',
        '\ufeff',
    ];
    return Array.from({ length: below(5) }, () => pick(units)).join('');
}

const NUMBERS = [
    0,
    1,
    -1,
    0.5,
    -0.5,
    2,
    -2,
    255,
    256,
    -256,
    5e-324,
    -5e-324,
    1e308,
    -1e308,
    Infinity,
    -Infinity,
    2 ** 31,
    2 ** 53,
    -(2 ** 53),
    1.5,
    Math.PI,
];

function someKey(source, depth = 0) {
    const { below, pick, next, bytes } = source;
    switch (below(depth < 3 ? 5 : 3)) {
        case 0:
            return someText(source);
        case 1:
            return below(2) ? pick(NUMBERS) : (next() - 0.5) * 10 ** below(20);
        case 2:
            return bytes(below(4));
        default:
            return Array.from({ length: below(4) }, () => someKey(source, depth + 1));
    }
}

const rank = (key) => (typeof key === 'string' ? 0 : typeof key === 'number' ? 1 : key instanceof Uint8Array ? 2 : 3);

function compareLists(a, b, compare) {
    for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
        const order = compare(a[index], b[index]);
        if (order) return order;
    }
    return a.length - b.length;
}

/** The order that the documentation promises, without any encoding. */
function compareKeys(a, b) {
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    if (typeof a === 'string') return compareLists([...a], [...b], (x, y) => x.codePointAt(0) - y.codePointAt(0));
    if (typeof a === 'number') return a < b ? -1 : a > b ? 1 : 0;
    return compareLists(a, b, a instanceof Uint8Array ? (x, y) => x - y : compareKeys);
}

test('bytes sort as keys do, and give the keys back', () => {
    forSeeds(3000, (source) => {
        const [a, b] = [someKey(source), someKey(source)];
        const [x, y] = [any.encode(a), any.encode(b)];
        assert.deepEqual(any.decode(x), a);
        assert.equal(Math.sign(compareBytes(x, y)), Math.sign(compareKeys(a, b)), `${hex(x)} and ${hex(y)}`);
        // Neighbours too: an array and a longer one, a text and one with a zero more.
        for (const near of [[a], [a, b], [[a], b], typeof a === 'string' ? a + '\0' : [a, '']])
            assert.equal(Math.sign(compareBytes(any.encode(near), y)), Math.sign(compareKeys(near, b)));
    });
});

test('any bytes are a key of one encoding, or refused', () => {
    let keys = 0;
    forSeeds(20_000, ({ bytes, below, pick }) => {
        const some = bytes(below(14) + 1);
        if (below(2)) some[0] = pick([0, 0xf8, 0xf9, 0xfa, 0xfa]);
        if (some[0] === 0xfa && below(2)) some.set([pick([1, 2, 3, 4])].slice(0, some.length - 1), 1);
        let key;
        try {
            key = any.decode(some);
        } catch (error) {
            assert.equal(error.code, 'INVALID_KEY');
            assert.match(error.message, /keys: 'bytes'/);
            return;
        }
        keys += 1;
        assert.equal(hex(any.encode(key)), hex(some));
    });
    assert.ok(keys > 2000, `only ${keys} were keys`);
});

test('the bytes of keys are what they ever were', () => {
    const vectors = [
        ['user:1', '757365723a31'],
        ['', '00'],
        ['\0', '0000'],
        ['\0a', '000061'],
        ['é€😀', 'c3a9e282acf09f9880'],
        [0, 'f88000000000000000'],
        [-0, 'f88000000000000000'],
        [1, 'f8bff0000000000000'],
        [-1, 'f8400fffffffffffff'],
        [Infinity, 'f8fff0000000000000'],
        [-Infinity, 'f8000fffffffffffff'],
        [Uint8Array.of(), 'f9'],
        [Uint8Array.of(0, 255), 'f900ff'],
        [[], 'fa'],
        [['user', 1], 'fa01757365720002bff0000000000000'],
        [['a\0b', Uint8Array.of(0), []], 'fa016100ff62000300ff000400'],
        [[[['x']]], 'fa040401780000' + '00'],
    ];
    for (const [key, bytes] of vectors) assert.equal(hex(any.encode(key)), bytes);
    assert.equal(hex(keyCodec('utf8').encode('\0é')), '00c3a9');
    assert.equal(hex(keyCodec('bytes').encode(Uint8Array.of(0xfa))), 'fa');
    assert.equal(hex(keyCodec('any', prefixBytes('user:')).encode('')), '757365723a00');
});

test('what cannot be a key is refused', () => {
    const self = [];
    self.push(self);
    // Not deep before it is long.
    const wide = [];
    wide.push('x', wide, wide);
    for (const key of [
        NaN,
        [NaN],
        undefined,
        null,
        true,
        1n,
        {},
        new Date(),
        Symbol('s'),
        () => 1,
        [undefined],
        [, 1],
        [{}],
        '\ud800',
        'a\udc00b',
        ['\ud800'],
        self,
        wide,
        new Uint16Array(2),
        new ArrayBuffer(2),
    ])
        assert.throws(() => any.encode(key), invalidKey);
    assert.throws(() => any.encode('x'.repeat(65_536)), invalidKey);
    assert.throws(() => any.encode('é'.repeat(32_768)), invalidKey);
    assert.throws(() => any.encode(['x'.repeat(65_533)]), invalidKey);
    assert.equal(any.encode('x'.repeat(65_535)).length, 65_535);
    assert.throws(() => keyCodec('any', Uint8Array.of(1, 2)).encode('x'.repeat(65_534)), invalidKey);
    for (const [codec, keys] of [
        ['utf8', ['', 1, Uint8Array.of(1), ['a'], '\ud800']],
        ['bytes', [new Uint8Array(), 'a', 1]],
    ])
        for (const key of keys) assert.throws(() => keyCodec(codec).encode(key), invalidKey);
    assert.throws(() => keyCodec('utf8').decode(Uint8Array.of(0xff)), invalidKey);
    assert.throws(() => keyCodec('floats'), { code: 'INVALID' });
    // It works on after having refused.
    assert.equal(hex(any.encode('ok')), '6f6b');
});

test('nesting has a limit, both ways', () => {
    let key = 'x';
    for (let depth = 0; depth < 64; depth += 1) key = [key];
    assert.deepEqual(any.decode(any.encode(key)), key);
    assert.throws(() => any.encode([key]), invalidKey);
    assert.throws(() => any.decode(new Uint8Array(65_535).fill(4).fill(0xfa, 0, 1)), invalidKey);
});

test('what is decoded shares no memory with the bytes', () => {
    const bytes = Buffer.from([0xf9, 1, 2]);
    const key = any.decode(bytes);
    bytes.fill(7);
    assert.deepEqual(key, Uint8Array.of(1, 2));
    const raw = Buffer.from([1, 2]);
    const same = keyCodec('bytes').decode(raw);
    raw.fill(7);
    assert.deepEqual(same, Uint8Array.of(1, 2));
});

/** Whether a key begins with another, by the words of the documentation. */
function begins(key, prefix) {
    if (rank(key) !== rank(prefix)) return false;
    if (typeof key === 'string') return key.startsWith(prefix);
    return prefix.length <= key.length && compareKeys(key.slice(0, prefix.length), prefix) === 0;
}

test('ranges hold what their bounds say, also behind a prefix', () => {
    forSeeds(3000, (source) => {
        const { below, pick, chance, bytes } = source;
        const prefix = pick([
            new Uint8Array(),
            Uint8Array.of(0x61),
            Uint8Array.of(0xff),
            Uint8Array.of(0x61, 0xff),
            bytes(2),
        ]);
        const keys = keyCodec('any', prefix);
        const all = Array.from({ length: 12 }, () => someKey(source));
        const range = {};
        if (chance(0.6)) range[pick(['gt', 'gte'])] = below(2) ? pick(all) : someKey(source);
        if (chance(0.6)) range[pick(['lt', 'lte'])] = below(2) ? pick(all) : someKey(source);
        if (chance(0.5)) {
            const of = pick(all);
            if (typeof of !== 'number')
                range.prefix = typeof of === 'string' ? [...of].slice(0, below(3)).join('') : of.slice(0, below(3));
        }
        const bounds = keys.bounds(range);
        for (const key of all) {
            const inside =
                (range.gt === undefined || compareKeys(key, range.gt) > 0) &&
                (range.gte === undefined || compareKeys(key, range.gte) >= 0) &&
                (range.lt === undefined || compareKeys(key, range.lt) < 0) &&
                (range.lte === undefined || compareKeys(key, range.lte) <= 0) &&
                (range.prefix === undefined || begins(key, range.prefix));
            assert.equal(inBounds(bounds, keys.encode(key)), inside);
        }
        // Nothing of what is beside the prefix.
        for (const other of [
            bytes(3),
            prefix.subarray(0, prefix.length - 1),
            Uint8Array.of(...prefix.map((byte) => byte ^ 1), 0x62),
        ])
            if (prefix.some((byte, at) => byte !== other[at])) assert.equal(inBounds(bounds, other), false);
    });
});

test('ranges of raw keys', () => {
    const inside = (codec, range, key) => inBounds(keyCodec(codec).bounds(range), Buffer.from(key, 'latin1'));
    assert.deepEqual(keyCodec('utf8').bounds({ prefix: '' }), {});
    assert.deepEqual(keyCodec('utf8').bounds({ gte: '' }), {});
    assert.deepEqual(keyCodec('any').bounds(), {});
    assert.equal(inside('utf8', { lt: '' }, '\0'), false);
    assert.equal(inside('utf8', { lte: '' }, '\0'), false);
    assert.equal(inside('utf8', { gt: '' }, '\0'), true);
    assert.equal(inside('utf8', { prefix: 'user:' }, 'user:1'), true);
    assert.equal(inside('utf8', { prefix: 'user:' }, 'user;'), false);
    assert.equal(inside('bytes', { prefix: Uint8Array.of(0xff) }, '\xff\xff\xff'), true);
    assert.equal(inside('bytes', { prefix: Uint8Array.of(0xff) }, '\xfe'), false);
    assert.deepEqual(
        keyCodec('utf8', prefixBytes('a/')).bounds({ prefix: '' }),
        keyCodec('utf8', prefixBytes('a/')).bounds(),
    );
    assert.deepEqual(keyCodec('utf8', prefixBytes('a/')).bounds(), {
        lower: prefixBytes('a/'),
        lowerExclusive: false,
        upper: prefixBytes('a0'),
        upperExclusive: true,
    });
});

test('an array prefix takes no longer text', () => {
    const inside = (key) => inBounds(any.bounds({ prefix: ['user'] }), any.encode(key));
    assert.equal(inside(['user']), true);
    assert.equal(inside(['user', '']), true);
    assert.equal(inside(['user', []]), true);
    assert.equal(inside(['user\0']), false);
    assert.equal(inside(['users']), false);
    assert.equal(inside([['user']]), false);
    // The longest there is has no room for what follows it.
    const longest = ['x'.repeat(65_532)];
    assert.equal(inBounds(any.bounds({ prefix: longest }), any.encode(longest)), true);
});

test('ranges that say two things at once are refused', () => {
    for (const range of [
        { gt: 1, gte: 1 },
        { lt: 1, lte: 2 },
    ])
        assert.throws(() => any.bounds(range), { code: 'INVALID' });
    assert.throws(() => any.bounds({ prefix: 1 }), invalidKey);
    assert.throws(() => any.bounds({ gt: NaN }), invalidKey);
    assert.throws(() => any.bounds({ gt: 'x'.repeat(70_000) }), invalidKey);
});

test("a codec of one's own", () => {
    const dates = keyCodec(
        {
            encode: (date) => Uint8Array.of(date.getUTCMonth(), date.getUTCDate()),
            decode: ([month, day]) => new Date(Date.UTC(2000, month, day)),
        },
        prefixBytes('d'),
    );
    const day = new Date(Date.UTC(2000, 5, 7));
    assert.equal(hex(dates.encode(day)), '640507');
    assert.deepEqual(dates.decode(dates.encode(day)), day);
    assert.throws(() => keyCodec({ encode: () => 'text', decode: () => 0 }).encode(1), invalidKey);
    assert.throws(() => keyCodec({ encode: () => new Uint8Array(), decode: () => 0 }).encode(1), invalidKey);
});
