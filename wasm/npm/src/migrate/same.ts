/**
 * Whether two values are the same, of all that `structuredClone` takes.
 */

/** Whether a value that was read back is the one that was written. Objects that hold themselves do so in the same places. */
export function same(one: unknown, other: unknown, seen = new Map<object, unknown>()): boolean {
    if (Object.is(one, other)) return true;
    if (typeof one !== 'object' || typeof other !== 'object' || !one || !other) return false;
    if (seen.has(one)) return seen.get(one) === other;
    seen.set(one, other);
    const kind = kindOf(one);
    if (kind !== kindOf(other)) return false;
    const all = (left: Iterable<unknown>, right: Iterable<unknown>): boolean => {
        const [ours, theirs] = [[...left], [...right]];
        return ours.length === theirs.length && ours.every((item, at) => same(item, theirs[at], seen));
    };
    if (one instanceof ArrayBuffer) return all(new Uint8Array(one), new Uint8Array(other as ArrayBuffer));
    if (ArrayBuffer.isView(one)) return all(bytesOf(one), bytesOf(other as ArrayBufferView));
    if (one instanceof Map || one instanceof Set) return all(one, other as Set<unknown>);
    if (one instanceof Error) return one.name === (other as Error).name && one.message === (other as Error).message;
    if (one instanceof RegExp) return String(one) === String(other);
    // Dates, and numbers, strings, booleans and bigints that are objects.
    if (one.valueOf() !== one) return Object.is(one.valueOf(), other.valueOf());
    return all(Object.keys(one), Object.keys(other)) && all(Object.values(one), Object.values(other));
}

function kindOf(value: object): string {
    return Object.prototype.toString.call(value);
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
    return new Uint8Array(buffer, byteOffset, byteLength);
}
