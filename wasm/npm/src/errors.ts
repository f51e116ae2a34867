/**
 * The one class of errors, and how whatever was thrown elsewhere becomes one.
 */

/**
 * What went wrong.
 *
 * | code | at fault | again? |
 * |---|---|---|
 * | `LOCKED` | nobody: another tab, worker or process has the store open | yes, later |
 * | `BUSY` | nobody: the store is preparing a file | yes, at once |
 * | `INTERRUPTED` | nobody: who had the store went away before it answered; a write may have been done or not | yes |
 * | `QUOTA` | the device or the origin's quota is full; reads and deletes go on | no: make room first |
 * | `IO` | the device, or the rights to it | no: look at the message |
 * | `DAMAGED` | the device: what was durable is not what was written | no: `recovery: 'salvage'` reads what is left |
 * | `VERSION` | a newer program wrote the store | no: update this one |
 * | `POISONED` | an earlier failure; writes are refused, so that nothing lost is built upon | no: open the store anew |
 * | `UNSUPPORTED` | the platform has not what the options ask for | no |
 * | `NO_STORE` | the caller: there is no store of that name, and none was to be made | no |
 * | `EXISTS` | the caller: there is one, and there was to be none | no |
 * | `READ_ONLY` | the caller: the store was opened for reading only | no |
 * | `CLOSED` | the caller: the store was closed | no |
 * | `LIMIT` | the caller: a key, value or group of writes is too large | no |
 * | `INVALID_KEY` | the caller, or who wrote the key: it has no encoding, or its bytes are none | no |
 * | `INVALID_VALUE` | the caller, or who wrote the value: it has no encoding, or its bytes are none | no |
 * | `INVALID` | the caller: another argument is wrong | no |
 */
export type ErrorCode =
    | 'LOCKED'
    | 'BUSY'
    | 'INTERRUPTED'
    | 'QUOTA'
    | 'IO'
    | 'DAMAGED'
    | 'VERSION'
    | 'POISONED'
    | 'UNSUPPORTED'
    | 'NO_STORE'
    | 'EXISTS'
    | 'READ_ONLY'
    | 'CLOSED'
    | 'LIMIT'
    | 'INVALID_KEY'
    | 'INVALID_VALUE'
    | 'INVALID';

const CODES: readonly string[] =
    'LOCKED BUSY INTERRUPTED QUOTA IO DAMAGED VERSION POISONED UNSUPPORTED NO_STORE EXISTS READ_ONLY CLOSED LIMIT INVALID_KEY INVALID_VALUE INVALID'.split(
        ' ',
    );

/** What a platform calls an error, by name (browsers) or code (Node), where that says more than `IO`. */
const PLATFORM: { readonly [name: string]: ErrorCode | null | undefined } = {
    __proto__: null,
    QuotaExceededError: 'QUOTA',
    NS_ERROR_FILE_NO_DEVICE_SPACE: 'QUOTA',
    NS_ERROR_DOM_QUOTA_EXCEEDED_ERR: 'QUOTA',
    ENOSPC: 'QUOTA',
    EDQUOT: 'QUOTA',
    NoModificationAllowedError: 'LOCKED',
    SecurityError: 'UNSUPPORTED',
    VersionError: 'VERSION',
};

/** What is known of an error besides its code and message. */
export interface ErrorDetails {
    /** What a person can do about it, in one sentence. */
    readonly advice?: string | undefined;
    /** The segment that is damaged. */
    readonly segment?: number | undefined;
    /** Where in the segment, in bytes. */
    readonly offset?: number | undefined;
    /** What was thrown beneath. */
    readonly cause?: unknown;
}

/** A {@link BitcaskError} as plain data: what crosses `postMessage`, which keeps no properties of errors. */
export interface ErrorFields extends ErrorDetails {
    readonly code: ErrorCode;
    readonly message: string;
}

/** What every call of this package throws or rejects with; but for the reason of an `AbortSignal`, and for what a caller's own functions throw. */
export class BitcaskError extends Error {
    /** What went wrong. */
    readonly code: ErrorCode;
    /** Whether the same call may well succeed later without anybody doing anything about it. */
    readonly retry: boolean;
    /** What a person can do about it, in one sentence. */
    declare readonly advice?: string;
    /** The segment that is damaged. */
    declare readonly segment?: number;
    /** Where in the segment, in bytes. */
    declare readonly offset?: number;

    constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
        super(message);
        this.code = code;
        this.retry = code === 'LOCKED' || code === 'BUSY' || code === 'INTERRUPTED';
        // Absent rather than undefined, so that an error that is printed shows what there is.
        const { advice, segment, offset, cause } = details;
        if (advice) this.advice = advice;
        if (segment !== undefined) this.segment = segment;
        if (offset !== undefined) this.offset = offset;
        if (cause !== undefined)
            Object.defineProperty(this, 'cause', { value: cause, writable: true, configurable: true });
    }

    /** Its fields as plain data. The cause becomes its text. */
    toJSON(): ErrorFields {
        const { code, message, advice, segment, offset, cause } = this;
        return { code, message, advice, segment, offset, cause: cause === undefined ? cause : String(cause) };
    }

    /**
     * The error that was thrown somewhere as one of this class: itself; the fields of one, as {@link BitcaskError.toJSON} or the
     * engine gives them; or a platform's error, by what the platform calls it (`IO` where that says nothing).
     */
    static from(thrown: unknown): BitcaskError {
        if (thrown instanceof BitcaskError) return thrown;
        const { name, code, message, advice, segment, offset, cause } = Object(thrown) as ErrorFields & Error;
        if (CODES.includes(code)) return new BitcaskError(code, message, { advice, segment, offset, cause });
        // Some browsers leave the message empty.
        return new BitcaskError(PLATFORM[name] ?? PLATFORM[code] ?? 'IO', message || String(thrown), { cause: thrown });
    }
}

// On the prototype, as with the platform's errors. Not by the class's name, which minifiers change.
BitcaskError.prototype.name = 'BitcaskError';
