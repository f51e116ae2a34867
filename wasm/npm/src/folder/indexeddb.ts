/**
 * Files in memory that are kept in IndexedDB: the same bytes, in chunks, where a browser has no files.
 */

import { BitcaskError } from '../errors.js';
import { CHUNK_BYTES, ChunkFile, ChunkFolder } from './chunks.js';
import { ALL_STORES, answer, CHUNKS, completed, isLost, openDatabase, OWNER, SEGMENTS } from './database.js';

/** All keys of chunks of a segment, from one on: an array sorts behind every number. */
const chunksFrom = (id: number, index: number): IDBKeyRange => IDBKeyRange.bound([id, index], [id, []]);

/** Ends a transaction of which nothing is to stay, if it has not ended yet. */
function abort(transaction: IDBTransaction | undefined): void {
    try {
        transaction?.abort();
    } catch {
        // It has.
    }
}

/** What one commit writes of a file; taken back if it fails. */
interface Part {
    readonly file: ChunkFile;
    readonly written: readonly number[];
    readonly cutFrom: number;
}

/** The files of one store. Changes are in memory until {@link IndexedDbFolder.commit}. */
export class IndexedDbFolder extends ChunkFolder {
    readonly #name: string;
    /** Written when the folder is opened: a later opener's is another, and ends what this one may write. */
    readonly #token = crypto.getRandomValues(new Uint32Array(4)).join('-');
    #database: IDBDatabase | undefined;
    /** The lengths that the database has. */
    readonly #sizes = new Map<number, number>();
    #removed = new Set<number>();
    /** Whether something was changed since the last commit, whether that failed or not. */
    #dirty = false;
    /** Whether the last commit failed, so that what it had is still to be written. */
    #failed = false;
    /** Whether it was to be strict. */
    #owed = false;
    /** Whether a flush was asked for since the last commit; then the next one is strict whatever it is told. */
    #flushed = false;
    /** Whether there are commits that a power cut may take. */
    #relaxed = false;
    #turn: Promise<void> = Promise.resolve();
    #closed = false;

    private constructor(name: string) {
        super(new Map());
        this.#name = name;
    }

    /** See {@link openIndexedDb}. */
    static async open(name: string, create: boolean, readOnly: boolean): Promise<IndexedDbFolder> {
        const folder = new IndexedDbFolder(name);
        try {
            await folder.#connect(create);
            await folder.#load(readOnly);
        } catch (error) {
            folder.close();
            throw BitcaskError.from(error);
        }
        return folder;
    }

    /** Whether something was changed that the database does not have yet. */
    get dirty(): boolean {
        return this.#dirty || this.#failed;
    }

    /**
     * Writes all that was changed before the call, in one transaction: all of it is there, or nothing. `strict`, or a flush
     * of a file since the last commit: it survives a power cut, with all that was committed before; else perhaps not.
     *
     * After a failure all is still to be written: by the next commit that is strict or has something new, so that those
     * who only read are not told again what writers were told. A connection that was lost is made
     * anew, once. Where the database is gone, all that is in memory is written to a new one.
     *
     * @throws {@link BitcaskError} `QUOTA`, or `LOCKED` where somebody else has opened the store since.
     */
    commit({ strict }: { strict: boolean }): Promise<void> {
        const turn = this.#turn.then(() => this.#commit(strict));
        this.#turn = turn.catch(() => undefined);
        return turn;
    }

    /** Closes the connection. What was not committed is lost. */
    close(): void {
        this.#closed = true;
        this.#database?.close();
        this.#database = undefined;
    }

    protected override changed(flush: boolean): void {
        if (flush) this.#flushed = true;
        else this.#dirty = true;
    }

    override remove(id: number): void {
        super.remove(id);
        this.#removed.add(id);
    }

    async #commit(asked: boolean): Promise<void> {
        if (this.#closed) throw new BitcaskError('CLOSED', 'the store was closed');
        let strict = asked || this.#flushed;
        this.#flushed = false;
        if (!this.#dirty && !(strict && (this.#relaxed || this.#failed))) return;
        strict ||= this.#owed;
        try {
            await this.#write(strict);
        } catch (error) {
            if (this.#closed || !isLost(error)) throw BitcaskError.from(error);
            this.#database?.close();
            try {
                await this.#connect(true);
                await this.#write(strict);
            } catch (again) {
                throw BitcaskError.from(again);
            }
        }
        this.#relaxed = !strict;
    }

    async #write(strict: boolean): Promise<void> {
        // What is changed from here on is the next commit's.
        const removed = this.#removed;
        this.#removed = new Set();
        this.#dirty = this.#failed = this.#owed = false;
        const parts: Part[] = [];
        let transaction: IDBTransaction | undefined;
        let stolen = false;
        try {
            if (!this.#database) throw new DOMException('the connection was lost', 'InvalidStateError');
            const durability = strict ? 'strict' : 'relaxed';
            transaction = this.#database.transaction(ALL_STORES, 'readwrite', { durability });
            const done = completed(transaction);
            // A request may be refused before anybody waits for it.
            done.catch(() => undefined);
            const owner = transaction.objectStore(OWNER).get(0);
            owner.onsuccess = () => {
                stolen = owner.result !== this.#token;
                if (stolen) transaction?.abort();
            };
            this.#put(transaction, removed, parts);
            // So that the platform has something to sync, whatever was changed.
            transaction.objectStore(OWNER).put(this.#token, 0);
            await done;
        } catch (error) {
            abort(transaction);
            this.#takeBack(parts, removed);
            this.#owed = strict;
            if (stolen) throw new BitcaskError('LOCKED', 'another page has opened the store, and writes to it now');
            throw error;
        }
    }

    /** Puts what was changed, as it is now: it is copied before this returns. */
    #put(transaction: IDBTransaction, removed: ReadonlySet<number>, parts: Part[]): void {
        const [segments, chunks] = [transaction.objectStore(SEGMENTS), transaction.objectStore(CHUNKS)];
        for (const id of removed) {
            segments.delete(id);
            chunks.delete(chunksFrom(id, 0));
            this.#sizes.delete(id);
        }
        for (const [id, file] of this.files) {
            const written = [...file.written];
            const { cutFrom, size } = file;
            if (!written.length && cutFrom === Infinity && this.#sizes.get(id) === size) continue;
            parts.push({ file, written, cutFrom });
            if (cutFrom < Infinity) chunks.delete(chunksFrom(id, cutFrom));
            for (const index of written) chunks.put(file.trimmed(index), [id, index]);
            segments.put(size, id);
            this.#sizes.set(id, size);
            file.written.clear();
            file.cutFrom = Infinity;
        }
    }

    #takeBack(parts: readonly Part[], removed: ReadonlySet<number>): void {
        this.#failed = true;
        for (const id of removed) this.#removed.add(id);
        for (const { file, written, cutFrom } of parts) {
            file.cutFrom = Math.min(file.cutFrom, cutFrom);
            // Unless it was cut off since.
            for (const index of written) if (file.chunks[index]) file.written.add(index);
        }
        // Whatever they were.
        this.#sizes.clear();
    }

    async #connect(create: boolean): Promise<void> {
        const { database, made } = await openDatabase(this.#name, create);
        this.#database = database;
        const lost = (): void => {
            database.close();
            if (this.#database === database) this.#database = undefined;
        };
        // Somebody wants it removed or made newer, and waits for this connection to end.
        database.onversionchange = lost;
        database.onclose = lost;
        if (this.#closed) lost();
        if (made) await this.#begin(database);
    }

    /** A database that was just made has nothing: everything is to be written to it. */
    async #begin(database: IDBDatabase): Promise<void> {
        const transaction = database.transaction(OWNER, 'readwrite');
        transaction.objectStore(OWNER).put(this.#token, 0);
        await completed(transaction);
        this.#sizes.clear();
        this.#dirty ||= this.files.size > 0;
        for (const file of this.files.values()) {
            file.chunks.forEach((chunk, index) => chunk && file.written.add(index));
        }
    }

    async #load(readOnly: boolean): Promise<void> {
        const transaction = this.#database!.transaction(ALL_STORES, readOnly ? 'readonly' : 'readwrite');
        const done = completed(transaction);
        // Its reason is told by the requests, too.
        done.catch(() => undefined);
        if (!readOnly) transaction.objectStore(OWNER).put(this.#token, 0);
        const segments = transaction.objectStore(SEGMENTS);
        const [ids, sizes] = await Promise.all([answer(segments.getAllKeys()), answer(segments.getAll())]);
        const chunks = transaction.objectStore(CHUNKS);
        // One segment after another: all at once would be in memory twice.
        for (const [at, id] of (ids as number[]).entries()) {
            const range = chunksFrom(id, 0);
            const [keys, values] = await Promise.all([answer(chunks.getAllKeys(range)), answer(chunks.getAll(range))]);
            const file = new ChunkFile();
            file.size = sizes[at] as number;
            (keys as [number, number][]).forEach(([, index], of) => {
                const value = values[of] as Uint8Array;
                const chunk = value.length === CHUNK_BYTES ? value : new Uint8Array(CHUNK_BYTES);
                if (chunk !== value) chunk.set(value);
                file.chunks[index] = chunk;
            });
            this.files.set(id, file);
            this.#sizes.set(id, file.size);
        }
        await done;
    }
}

/**
 * Opens the copy of a store's files that IndexedDB holds, or begins with none. All of it is read into memory.
 *
 * The opener is from now on the only one who can commit, whether others hold a lock or not.
 *
 * @throws {@link BitcaskError} `UNSUPPORTED` where there is no IndexedDB, or none in this window; `NO_STORE` where there
 * is no such store and `create` is `false`.
 */
export function openIndexedDb(
    name: string,
    { create = true, readOnly = false }: { create?: boolean; readOnly?: boolean } = {},
): Promise<IndexedDbFolder> {
    return IndexedDbFolder.open(name, create, readOnly);
}
