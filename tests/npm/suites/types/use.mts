/** The adapters as programs use them, to be compiled: where one takes another type than it says, `@ts-expect-error` fails. */
import type { AbstractLevel } from 'abstract-level';
import type { Datastore } from 'interface-datastore';
import Keyv from 'keyv';
import Keyv6 from 'keyv-6';
import { open } from 'mini-bitcask';
import { BitcaskDatastore } from 'mini-bitcask/datastore';
import { createStore, entries, get, update } from 'mini-bitcask/idb-keyval';
import { KeyvBitcask } from 'mini-bitcask/keyv';
import { BitcaskLevel } from 'mini-bitcask/level';
import { fromIdbKeyval, fromLocalStorage } from 'mini-bitcask/migrate';
import { open as openSync } from 'mini-bitcask/sync';
import { bitcaskDriver } from 'mini-bitcask/unstorage';
import { createStorage } from 'unstorage';

interface Note {
    n: number;
}

const db = new BitcaskLevel<string, Note>('x', { valueEncoding: 'json', durability: 'none', open: openSync });
export const abstract: AbstractLevel<Uint8Array, string, Note> = db;
await db.put('a', { n: 1 });
await db.put('a', { n: 1 }, { sync: true, ttl: 5 });
// @ts-expect-error: no note
await db.put('a', 'b');
// @ts-expect-error: no durability
await db.del('a', { durability: 'sometimes' });
await db.batch([{ type: 'put', key: 'a', value: { n: 2 } }], { durability: 'always' });
await db.batch().put('a', { n: 2 }).write();
export const n: number | undefined = (await db.get('a'))?.n;
for await (const [key, value] of db.iterator({ gte: 'a' })) key.concat(value.n.toFixed());
await db.sublevel<string, number>('s', { valueEncoding: 'json' }).put('k', 1);
export const bytes: Uint8Array | undefined = await db.store.get(new Uint8Array());

export const caches = [
    new Keyv({ store: new KeyvBitcask('x') }),
    new Keyv6({ store: new KeyvBitcask(await open<unknown, string>('x')) }),
];
export const storage = createStorage({ driver: bitcaskDriver({ base: 'x', durability: 'always' }) });
export const datastore: Datastore = new BitcaskDatastore('x', { storage: 'memory' });

export const note: Note | undefined = await get<Note>([new Date(), 1], createStore('db', 'notes'));
export const all: [string, Note][] = await entries<string, Note>();
await update<number>('visits', (was = 0) => was + 1);

const store = await open<number, string>('x');
await fromIdbKeyval(store, { value: (value) => Number(value), once: ['done', 1] });
// @ts-expect-error: no number
await fromLocalStorage(store, { once: ['done', 'yes'] });
