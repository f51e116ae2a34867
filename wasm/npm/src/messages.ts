/**
 * What a page and a worker say to each other.
 *
 * Every request has the number of its client beside its own, so that one worker can serve several pages: a later version's
 * leader among tabs will, and will apply a write that is sent again only once.
 */

import type { Calls, Opened } from './connection.js';
import type { HostOptions } from './host.js';

/** What a page says. */
export type ToWorker =
    | { type: 'open'; name: string; options: HostOptions; wasm?: string | BufferSource | WebAssembly.Module }
    | { type: 'run'; client: number; id: number; frame: Uint8Array }
    | { type: 'call'; client: number; id: number; method: keyof Calls; args: unknown[] }
    | { type: 'close'; client: number; id: number };

/** What a worker says. */
export type ToPage =
    /** It runs: whatever fails from here on is not the loading of the script. */
    | { type: 'hello' }
    | { type: 'opened'; opened: Opened }
    /** `loading`: the `.wasm` file could not be loaded. */
    | { type: 'refused'; error: unknown; loading: boolean }
    | { type: 'result'; client: number; id: number; value: unknown }
    | { type: 'error'; client: number; id: number; error: unknown }
    | { type: 'writes'; version: bigint }
    /** The store is closed; with an error: it was lost. */
    | { type: 'ended'; error: unknown };
