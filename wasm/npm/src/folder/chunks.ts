/**
 * Files in memory, in chunks: growing copies nothing, and zeros that were never written take no room.
 */

import { fileError, type Folder, type Handle } from './shape.js';

/** Bytes of a chunk. */
export const CHUNK_BYTES = 64 * 1024;

/** One file. */
export class ChunkFile {
    /** In bytes. */
    size = 0;
    /** Each of {@link CHUNK_BYTES}; one that is missing is zeros. */
    readonly chunks: (Uint8Array | undefined)[] = [];
    /** The numbers of the chunks that were written since somebody emptied this. */
    readonly written = new Set<number>();
    /** From this chunk on all were cut since somebody reset this; what came back is in `written`. */
    cutFrom = Infinity;

    /** Reads at an offset, as far as the file goes. */
    read(into: Uint8Array, at: number): number {
        const count = Math.max(0, Math.min(into.length, this.size - at));
        this.#pieces(at, count, (index, from, to, done) => {
            const chunk = this.chunks[index];
            if (chunk) into.set(chunk.subarray(from, to), done);
            else into.fill(0, done, done + to - from);
        });
        return count;
    }

    /** Writes at an offset. */
    write(from: Uint8Array, at: number): number {
        this.#pieces(at, from.length, (index, start, end, done) => {
            const chunk = (this.chunks[index] ??= new Uint8Array(CHUNK_BYTES));
            chunk.set(from.subarray(done, done + end - start), start);
            this.written.add(index);
        });
        if (from.length) this.size = Math.max(this.size, at + from.length);
        return from.length;
    }

    /** Cuts, or makes longer by zeros. */
    truncate(len: number): void {
        if (len < this.size) {
            const whole = Math.ceil(len / CHUNK_BYTES);
            if (whole < this.chunks.length) {
                this.chunks.length = whole;
                this.cutFrom = Math.min(this.cutFrom, whole);
                for (const index of this.written) if (index >= whole) this.written.delete(index);
            }
            // Or what was cut would be there again when the file grows.
            const last = this.chunks[whole - 1];
            if (last && len % CHUNK_BYTES) {
                last.fill(0, len % CHUNK_BYTES);
                this.written.add(whole - 1);
            }
        }
        this.size = len;
    }

    /** The part of a chunk before its trailing zeros, as a copy. */
    trimmed(index: number): Uint8Array {
        const chunk = this.chunks[index] ?? new Uint8Array();
        let end = chunk.length;
        while (end > 0 && chunk[end - 1] === 0) end -= 1;
        return chunk.slice(0, end);
    }

    #pieces(at: number, count: number, piece: (index: number, from: number, to: number, done: number) => void): void {
        for (let done = 0; done < count;) {
            const from = (at + done) % CHUNK_BYTES;
            const to = Math.min(CHUNK_BYTES, from + count - done);
            piece(Math.floor((at + done) / CHUNK_BYTES), from, to, done);
            done += to - from;
        }
    }
}

class ChunkHandle implements Handle {
    #file: ChunkFile | undefined;
    readonly #changed: (flush: boolean) => void;

    constructor(file: ChunkFile, changed: (flush: boolean) => void) {
        this.#file = file;
        this.#changed = changed;
    }

    getSize(): number {
        return this.#open().size;
    }

    read(into: Uint8Array, { at }: { at: number }): number {
        return this.#open().read(into, at);
    }

    write(from: Uint8Array, { at }: { at: number }): number {
        const file = this.#open();
        this.#changed(false);
        return file.write(from, at);
    }

    truncate(len: number): void {
        const file = this.#open();
        this.#changed(false);
        file.truncate(len);
    }

    flush(): void {
        this.#open();
        this.#changed(true);
    }

    close(): void {
        this.#file = undefined;
    }

    #open(): ChunkFile {
        if (!this.#file) throw new DOMException('the file was closed', 'InvalidStateError');
        return this.#file;
    }
}

/** A folder of such files. */
export class ChunkFolder implements Folder {
    protected readonly files: Map<number, ChunkFile>;

    constructor(files: Map<number, ChunkFile>) {
        this.files = files;
    }

    list(): number[] {
        return [...this.files.keys()];
    }

    create(id: number): Handle {
        if (this.files.has(id)) throw fileError('EEXIST', `segment ${id} is there already`);
        const file = new ChunkFile();
        this.files.set(id, file);
        this.changed(false);
        return this.#handle(file);
    }

    open(id: number): Handle {
        const file = this.files.get(id);
        if (!file) throw fileError('ENOENT', `there is no segment ${id}`);
        return this.#handle(file);
    }

    remove(id: number): void {
        if (!this.files.delete(id)) throw fileError('ENOENT', `there is no segment ${id}`);
        this.changed(false);
    }

    /** Is told of every change before it is made, and of every flush. */
    protected changed(_flush: boolean): void {
        // Memory alone has nothing to keep up with.
    }

    #handle(file: ChunkFile): Handle {
        return new ChunkHandle(file, (flush) => this.changed(flush));
    }
}
