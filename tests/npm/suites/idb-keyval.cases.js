/** What a program does with idb-keyval, told step by step: with the real one and with ours the story must be the same. */

/** Runs it all on one of the two. `binary` leaves keys of bytes out that fake-indexeddb does not take, and browsers do. */
export async function story(library, name, binary = true) {
    const { get, set, setMany, getMany, update, del, delMany, clear, keys, values, entries, createStore } = library;
    const told = [];
    const tell = async (what, answer) => {
        try {
            told.push([what, await answer]);
        } catch (error) {
            told.push([what, 'failed']);
        }
    };

    for (const store of [undefined, createStore(name, 'custom'), createStore(`${name} Größe/1`, 'A b')]) {
        const at = `${told.length}: `;
        await clear(store);
        await tell(`${at}nothing`, get('nothing', store));
        await tell(`${at}set`, set('a', { text: 'x', at: new Date(5), map: new Map([[1, new Set([2])]]) }, store));
        await tell(`${at}get`, get('a', store));
        await tell(
            `${at}set many`,
            setMany(
                [
                    ['b', 2],
                    ['c', null],
                    ['a', 'again'],
                    ['', 'empty key'],
                ],
                store,
            ),
        );
        await tell(`${at}get many`, getMany(['c', 'nothing', 'a', ''], store));
        await tell(
            `${at}update`,
            update('b', (was) => was * 10, store),
        );
        await tell(
            `${at}update what is not there`,
            update('d', (was) => [was], store),
        );
        await tell(
            `${at}many updates at once`,
            Promise.all(Array.from({ length: 20 }, () => update('n', (was = 0) => was + 1, store))),
        );
        await tell(`${at}their sum`, get('n', store));
        await tell(
            `${at}an update that throws`,
            update(
                'n',
                () => {
                    throw new Error('no');
                },
                store,
            ),
        );
        await tell(`${at}entries`, entries(store));
        await tell(`${at}delete`, del('b', store));
        await tell(`${at}delete what is not there`, del('nothing', store));
        await tell(`${at}delete many`, delMany(['c', 'nothing', 'd'], store));
        await tell(`${at}keys`, keys(store));
        await tell(
            `${at}undefined`,
            set('n', undefined, store).then(() => get('n', store)),
        );
        await tell(
            `${at}values that cannot be`,
            set('f', () => 1, store),
        );
        for (const bad of [NaN, {}, null, undefined, true, new Date(NaN), [1, {}]])
            await tell(`${at}bad key`, set(bad, 1, store));
        await clear(store);
        await tell(`${at}cleared`, keys(store));

        const odd = [
            [],
            ['a'],
            ['a', 1],
            [['a'], 'b'],
            ['\0date', 1],
            ['\0'],
            [new Date(7)],
            'z',
            '',
            '\0',
            'é',
            '\u{10000}',
            '\uffff',
            -1.5,
            0,
            1e300,
            Infinity,
            -Infinity,
            new Date(0),
            new Date(-3),
            Uint8Array.of(1, 2),
            Uint8Array.of(1),
        ];
        const view = new DataView(Uint8Array.of(9, 0, 0, 9).buffer, 1, 2);
        if (binary) odd.push(new Uint8Array(), Uint16Array.of(258).buffer, view);
        await tell(
            `${at}odd keys`,
            setMany(
                odd.map((key, number) => [key, number]),
                store,
            ),
        );
        await tell(`${at}in this order`, keys(store));
        await tell(`${at}with these values`, values(store));
        await tell(`${at}found`, getMany(odd, store));
        await tell(`${at}entries`, entries(store));
        await clear(store);
    }
    return told;
}

/** A value as text, with its types, to be compared outside of the page. */
export function shown(value) {
    if (value instanceof Date) return `Date(${value.getTime()})`;
    if (value instanceof ArrayBuffer) return `ArrayBuffer(${new Uint8Array(value)})`;
    if (ArrayBuffer.isView(value))
        return `${value.constructor.name}(${new Uint8Array(value.buffer, value.byteOffset, value.byteLength)})`;
    if (value instanceof Map) return `Map${shown([...value])}`;
    if (value instanceof Set) return `Set${shown([...value])}`;
    if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`;
    if (typeof value === 'object' && value)
        return `{${Object.entries(value)
            .map(([key, each]) => `${key}: ${shown(each)}`)
            .join(', ')}}`;
    return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
