/**
 * Numbers as people read them.
 */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** 1,234,567 */
export function count(value: number | bigint): string {
    return whole.format(value);
}

/** "1 key", "2,000 keys" */
export function counted(value: number, one: string, many = `${one}s`): string {
    return `${count(value)} ${value === 1 ? one : many}`;
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** Bytes in decimal units with three digits: 0 bytes, 999 bytes, 1.00 kB, 12.3 MB. */
export function bytes(value: number): string {
    let unit = 0;
    let scaled = value;
    while (scaled >= 999.5 && unit < UNITS.length - 1) {
        scaled /= 1000;
        unit += 1;
    }
    if (unit === 0) return value === 1 ? '1 byte' : `${whole.format(value)} bytes`;
    return `${threeDigits(scaled)} ${UNITS[unit]}`;
}

/** Milliseconds as 0.4 ms, 12 ms, 3.4 s, 2 min 5 s. */
export function duration(ms: number): string {
    if (ms < 10) return `${ms.toFixed(1)} ms`;
    if (ms < 1000) return `${ms.toFixed(0)} ms`;
    if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
    return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** A part of a whole: 0 %, 0.3 %, 41 %. A little is never called nothing, nor nearly all all. */
export function percent(part: number, total: number): string {
    if (part === 0 || total === 0) return '0 %';
    const share = (100 * part) / total;
    if (share < 1) return `${Math.max(share, 0.1).toFixed(1)} %`;
    return `${part === total ? 100 : Math.min(Math.round(share), 99)} %`;
}

function threeDigits(value: number): string {
    return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}
