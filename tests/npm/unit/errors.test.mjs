import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BitcaskError } from '../../../wasm/npm/dist-test/errors.js';

test('an error goes through JSON and structuredClone as its fields', () => {
    const error = new BitcaskError('DAMAGED', 'a record is damaged', {
        advice: 'salvage it',
        segment: 3,
        offset: 0,
        cause: new Error('below'),
    });
    for (const way of [structuredClone, (fields) => JSON.parse(JSON.stringify(fields))]) {
        const back = BitcaskError.from(way(error.toJSON()));
        assert.ok(back instanceof BitcaskError && back instanceof Error);
        const { code, message, advice, segment, offset, retry, name, cause } = back;
        assert.deepEqual(
            { code, message, advice, segment, offset, retry, name, cause },
            {
                code: 'DAMAGED',
                message: 'a record is damaged',
                advice: 'salvage it',
                segment: 3,
                offset: 0,
                retry: false,
                name: 'BitcaskError',
                cause: 'Error: below',
            },
        );
    }
});

test('absent fields are absent', () => {
    assert.deepEqual(Object.keys(new BitcaskError('CLOSED', 'closed')), ['code', 'retry']);
    assert.equal('cause' in BitcaskError.from({ code: 'IO', message: 'm' }), false);
});

test('whatever is thrown becomes one', () => {
    const same = new BitcaskError('LOCKED', 'locked');
    assert.equal(BitcaskError.from(same), same);
    assert.equal(same.retry, true);
    const cases = [
        [Object.assign(new Error('full'), { code: 'ENOSPC' }), 'QUOTA', 'full'],
        [Object.assign(new Error('full'), { code: 'EDQUOT' }), 'QUOTA', 'full'],
        [new DOMException('too much', 'QuotaExceededError'), 'QUOTA', 'too much'],
        [
            Object.assign(new Error(''), { name: 'NS_ERROR_FILE_NO_DEVICE_SPACE' }),
            'QUOTA',
            'NS_ERROR_FILE_NO_DEVICE_SPACE',
        ],
        [new DOMException('held', 'NoModificationAllowedError'), 'LOCKED', 'held'],
        [new DOMException('no', 'SecurityError'), 'UNSUPPORTED', 'no'],
        [Object.assign(new Error('engine'), { code: 'BUSY' }), 'BUSY', 'engine'],
        [Object.assign(new Error('constructor'), { name: 'constructor', code: 'toString' }), 'IO', 'constructor'],
        [new TypeError('x'), 'IO', 'x'],
        ['text', 'IO', 'text'],
        [null, 'IO', 'null'],
        [undefined, 'IO', 'undefined'],
    ];
    for (const [thrown, code, message] of cases) {
        const error = BitcaskError.from(thrown);
        assert.equal(error.code, code);
        assert.equal(error.message, message);
    }
    assert.equal(BitcaskError.from(cases[0][0]).cause, cases[0][0]);
});
