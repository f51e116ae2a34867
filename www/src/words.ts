/**
 * What the store says of itself, in sentences.
 */

import { BitcaskError, type RecoveryReport, type SegmentStats, type Store } from 'mini-bitcask';
import { bytes, counted, duration } from './format.js';

/** Where a store is kept and what that means. */
export interface Place {
    /** In two or three words. */
    readonly label: string;
    /** In full. */
    readonly text: string;
    /** Whether it goes with the tab or the window. */
    readonly fleeting: boolean;
}

/** Where a store is kept, in words. */
export function placeOf({ backend, durable }: Pick<Store, 'backend' | 'durable'>): Place {
    if (backend === 'memory') {
        return {
            label: 'in memory only',
            text: 'This browser gives the page no place to keep anything (a private window, perhaps). The store is gone when this tab is closed or reloaded: download it to keep it.',
            fleeting: true,
        };
    }
    const where =
        backend === 'opfs'
            ? {
                  label: 'in files of its own (OPFS)',
                  text: 'The store is in files that the browser keeps for this site alone.',
              }
            : {
                  label: 'in IndexedDB',
                  text: 'The browser gives the page no files of its own, so the same bytes are in IndexedDB.',
              };
    if (durable) {
        const text = `${where.text} What is synced survives a reload, a crash and a power cut.`;
        return { ...where, text, fleeting: false };
    }
    const text = `${where.text} This is a private window: the store is gone when the last such window is closed. Download it to keep it.`;
    return { label: `${where.label}, for this private window`, text, fleeting: true };
}

/** What opening found and did, in sentences. */
export function recoveryOf(report: RecoveryReport): string[] {
    const took = duration(report.took);
    if (report.created) return [`A new store, made in ${took}.`, ...report.notes];
    const found = `Opened in ${took}: ${counted(report.segments, 'segment')}, ${counted(report.records, 'record')}.`;
    const cut =
        report.bytesCut > 0
            ? `A torn tail of ${bytes(report.bytesCut)} was cut off: it was never synced, so nothing promised is lost.`
            : 'Nothing was torn, nothing is missing.';
    return [found, cut, ...report.notes];
}

/** What the states of segments mean. */
const STATES: { readonly [state in SegmentStats['state']]: string } = {
    active: 'takes the writes',
    spare: 'empty, takes the writes next',
    rolled: 'full, its seal comes next',
    sealed: 'full and sealed, never changed again',
    merging: 'its live records are being copied',
    retired: 'merged, but a reader still needs it',
    quarantined: 'damaged, set aside; its sound records are still served',
};

/** The state of a segment, as the command `bitcask stats` has it, and what it means. */
export function stateOf(segment: SegmentStats): { state: string; means: string } {
    return { state: segment.state, means: STATES[segment.state] };
}

/** An error as people read it. */
export interface Explained {
    /** The stable word for programs, and for searching. */
    readonly code: string;
    /** What happened: a sentence. */
    readonly text: string;
    /** What can be done: a sentence, or nothing. */
    readonly advice: string;
}

/** Whatever was thrown, in sentences. */
export function explained(thrown: unknown): Explained {
    if (thrown instanceof BitcaskError) {
        const advice = thrown.advice ?? ADVICE[thrown.code] ?? '';
        return { code: thrown.code, text: sentence(thrown.message), advice: advice && sentence(advice) };
    }
    const text = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
    return { code: thrown instanceof Error ? thrown.name : 'Error', text: sentence(text), advice: '' };
}

/** For errors that bring none of their own. */
const ADVICE: { readonly [code: string]: string | undefined } = {
    LOCKED: 'One tab at a time has a store open, for now. Close the other tab, or use another store here',
    QUOTA: 'Reads, deletes and merges still work: delete something and merge, or free space on the device',
    DAMAGED: 'Nothing was changed. Read what is left with "Open for reading", and download it',
    POISONED: 'Open the store again: what was acknowledged is there',
    INTERRUPTED: 'Try again; look first whether it was written',
    UNSUPPORTED: 'Use a browser of the last two years',
    VERSION: 'Reload the page to get its newest version',
    IO: 'Open the store again; look whether the device has space',
};

function sentence(text: string): string {
    const trimmed = text.trim();
    const begun = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
    return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
