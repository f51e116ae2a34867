/**
 * Values, and whole stores, as streams of bytes.
 */

import { compareBytes } from './codec/ranges.js';
import type { Connection } from './connection.js';
import { BitcaskError } from './errors.js';
import type { ImportReport } from './types.js';

/** Bytes of a part that a stream hands on. */
const PART_BYTES = 256 * 1024;

/** The bytes of a value, without what its codec put before them; `undefined` where there is no such key. */
export async function readStream(
    connection: Connection,
    key: Uint8Array,
    snapshot: number,
    prefix: Uint8Array,
): Promise<ReadableStream<Uint8Array> | undefined> {
    const id = await connection.call('valueOpen', key, snapshot);
    if (!id) return undefined;
    const close = (): void => void connection.call('valueClose', id).catch(() => undefined);
    let first: Uint8Array | undefined;
    // A value of text is its own bytes; one that is neither text nor bytes is no stream.
    if (prefix.length > 0) {
        first = await connection.call('valueNext', id, prefix.length);
        if (first && compareBytes(first, prefix) === 0) {
            first = undefined;
        } else if (first && (first[0] as number) >= 0xf8) {
            close();
            throw new BitcaskError('INVALID_VALUE', 'the value is no bytes: read it by get()');
        }
    }
    return new ReadableStream<Uint8Array>(
        {
            async pull(controller) {
                const part = first ?? (await connection.call('valueNext', id, PART_BYTES));
                first = undefined;
                if (part) controller.enqueue(part);
                else controller.close();
            },
            cancel: close,
        },
        { highWaterMark: 1 },
    );
}

/** What is written to it becomes the value of the key when it is closed; nothing, if it is aborted. */
export function writeStream(
    connection: Connection,
    key: Uint8Array,
    prefix: Uint8Array,
    expiresAt: number,
    durability: number,
    signal?: AbortSignal,
): WritableStream<Uint8Array> {
    let id = 0;
    return new WritableStream<Uint8Array>({
        async start(controller) {
            signal?.addEventListener('abort', () => controller.error(signal.reason), { once: true });
            id = await connection.call('valueBegin');
            if (prefix.length > 0) await connection.call('valuePush', id, prefix);
        },
        async write(part) {
            if (!(part instanceof Uint8Array)) {
                throw new BitcaskError('INVALID_VALUE', 'a stream takes parts that are Uint8Array');
            }
            await connection.call('valuePush', id, part);
        },
        async close() {
            await connection.call('valueCommit', id, key, expiresAt, durability);
        },
        async abort() {
            await connection.call('valueAbort', id);
        },
    });
}

/** The whole store, as of now. */
export function exportStream(connection: Connection): ReadableStream<Uint8Array> {
    let id = 0;
    return new ReadableStream<Uint8Array>(
        {
            async start() {
                id = await connection.call('export');
            },
            async pull(controller) {
                const part = await connection.call('exportNext', id);
                if (part) controller.enqueue(part);
                else controller.close();
            },
            async cancel() {
                await connection.call('exportClose', id);
            },
        },
        { highWaterMark: 1 },
    );
}

/** Sets what a stream of a whole store holds. */
export async function importStream(
    connection: Connection,
    source: ReadableStream<Uint8Array> | Blob | Uint8Array,
    signal?: AbortSignal,
): Promise<ImportReport> {
    const stream = source instanceof ReadableStream ? source : new Blob([source as BlobPart]).stream();
    const id = await connection.call('import');
    const reader = stream.getReader();
    try {
        for (;;) {
            signal?.throwIfAborted();
            const { done, value } = await reader.read();
            if (done) return (await connection.call('importFinish', id)) as ImportReport;
            await connection.call('importPush', id, value);
        }
    } catch (error) {
        await connection.call('importClose', id).catch(() => undefined);
        reader.cancel(error).catch(() => undefined);
        throw error;
    }
}
