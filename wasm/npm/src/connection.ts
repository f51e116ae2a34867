/**
 * What stands between a store's methods and the engine: in a browser a worker, in Node nothing.
 */

import type { Backend, RecoveryReport, VerifyReport } from './types.js';

/** What an opening tells. */
export interface Opened {
    backend: Backend;
    durable: boolean;
    recovery: RecoveryReport;
    /** The last write. */
    version: bigint;
}

/** The way to one open store. */
export interface Connection {
    /** What opening told. */
    readonly opened: Opened;
    /** Another number whenever others may have written since: what was known of the store may be so no more. */
    readonly session: number;
    /** Runs a frame: see `protocol.ts`. Answers are in the reply, which may be there at once; where there is none it throws or rejects. */
    run(frame: Uint8Array<ArrayBuffer>): Uint8Array | Promise<Uint8Array>;
    /** Calls what has no place in a frame. */
    call<M extends keyof Calls>(method: M, ...args: Parameters<Calls[M]>): Promise<ReturnType<Calls[M]>>;
    /** Is told the last version after writes, while it is set. */
    onWrites(listener: ((version: bigint) => void) | undefined): void;
    /** Gives the store back. */
    close(): Promise<void>;
    /** Resolves when the store was closed, or lost: then with the reason. */
    readonly ended: Promise<Error | undefined>;
}

/**
 * The calls that are not in frames, as the engine's side has them. `bounds` is a range as bytes: see `range.ts`. Ids name
 * what is held at the engine's side until it is closed.
 */
export interface Calls {
    /** Opens a walk and reads its first part. */
    scan(bounds: Uint8Array, snapshot: number, maxEntries: number): { id: number; part: Uint8Array };
    scanNext(id: number, maxEntries: number): Uint8Array;
    scanClose(id: number): void;
    count(bounds: Uint8Array, snapshot: number): number;
    clear(bounds: Uint8Array, durability: number): number;
    snapshot(): { id: number; version: bigint };
    snapshotClose(id: number): void;
    version(): bigint;
    changes(since: bigint, keysOnly: boolean): Uint8Array;
    /** Whether writes are to be told of. */
    tell(whether: boolean): void;
    /** Opens a value for reading in parts; 0 where there is no such key. */
    valueOpen(key: Uint8Array, snapshot: number): number;
    /** The next part, of at most so many bytes; after the last one nothing, and the value is closed. */
    valueNext(id: number, max: number): Uint8Array | undefined;
    valueClose(id: number): void;
    valueBegin(): number;
    valuePush(id: number, bytes: Uint8Array): void;
    valueCommit(id: number, key: Uint8Array, expiresAt: number, durability: number): void;
    valueAbort(id: number): void;
    export(): number;
    exportNext(id: number): Uint8Array | undefined;
    exportClose(id: number): void;
    import(): number;
    importPush(id: number, bytes: Uint8Array): void;
    importFinish(id: number): unknown;
    importClose(id: number): void;
    /** Makes one step, and says how far the work is. `first`: the first step of a merge that somebody asked for. */
    mergeStep(full: boolean, first: boolean): MergeStep;
    verify(): number;
    /** Makes one step. After the last one comes the report, and the verification is closed. */
    verifyNext(id: number): VerifyStep | VerifyReport;
    verifyClose(id: number): void;
    stats(): unknown;
}

/** How far a verification is. */
export interface VerifyStep {
    bytesRead: number;
    bytesTotal: number;
}

/** How a step of a merge ended. */
export interface MergeStep {
    state: 'idle' | 'working' | 'merged';
    bytesRead?: number;
    bytesTotal?: number;
    report?: unknown;
}
