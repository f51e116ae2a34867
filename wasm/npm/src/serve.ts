/**
 * A worker's side of the messages.
 */

import type { Calls } from './connection.js';
import { BitcaskError } from './errors.js';
import type { Host } from './host.js';
import { openHost } from './ladder.js';
import type { ToPage, ToWorker } from './messages.js';

type Wasm = string | BufferSource | WebAssembly.Module | undefined;

/** What of a worker's global scope is needed: the two kinds of scope do not go into one program's types. */
interface Scope {
    postMessage(message: ToPage, transfer?: Transferable[]): void;
    onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
    close(): void;
}

/** Answers a page, from the loading of the engine until the store is closed. */
export function serve(load: (wasm: Wasm) => Promise<void>): void {
    const scope = globalThis as unknown as Scope;
    const say = (message: ToPage, transfer: Transferable[] = []): void => scope.postMessage(message, transfer);
    let host: Host | undefined;

    const open = async (message: ToWorker & { type: 'open' }): Promise<void> => {
        let loading = false;
        const loaded = load(message.wasm).catch((error: unknown) => {
            loading = true;
            throw error;
        });
        try {
            host = await openHost(message.name, message.options, loaded);
        } catch (error) {
            say({ type: 'refused', error: plain(error), loading });
            return;
        }
        say({ type: 'opened', opened: host.opened });
        void host.ended.then((error) => say({ type: 'ended', error: error ? plain(error) : undefined }));
    };

    // Most answers are there at once, and are said in the same task.
    const answer = (message: Exclude<ToWorker, { type: 'open' }>): void => {
        const { client, id } = message;
        const tell = (value: unknown): void => say({ type: 'result', client, id, value }, transferable(value));
        const fail = (error: unknown): void => say({ type: 'error', client, id, error: plain(error) });
        try {
            if (!host) throw new BitcaskError('CLOSED', 'the store is not open');
            const value = perform(host, message, say);
            if (value instanceof Promise) value.then(tell).catch(fail);
            else tell(value);
        } catch (error) {
            fail(error);
        }
    };

    scope.onmessage = ({ data }) => (data.type === 'open' ? void open(data) : answer(data));
    say({ type: 'hello' });
}

/** The result, or the promise of one. */
function perform(host: Host, message: Exclude<ToWorker, { type: 'open' }>, say: (message: ToPage) => void): unknown {
    switch (message.type) {
        case 'run':
            return host.run(message.frame);
        case 'close':
            return host.close();
        case 'call':
            if (message.method === 'tell') {
                host.onWrites(message.args[0] ? (version) => say({ type: 'writes', version }) : undefined);
            }
            return host.call(message.method, ...(message.args as Parameters<Calls[typeof message.method]>));
    }
}

/** Fewer bytes cost more to hand over than to copy. */
const HANDED_OVER_MIN = 4_096;

/** Bytes that are nobody else's go over without being copied. */
function transferable(value: unknown): Transferable[] {
    const bytes = value instanceof Uint8Array ? value : (value as { part?: unknown } | undefined)?.part;
    return bytes instanceof Uint8Array && bytes.length >= HANDED_OVER_MIN ? [bytes.buffer as ArrayBuffer] : [];
}

function plain(error: unknown): unknown {
    return BitcaskError.from(error).toJSON();
}
