import type { HostOptions } from './host.js';

/** What of the options the engine knows: only what was given. `segmentBytes` is what the platform would have. */
export function engineOptions(options: HostOptions, segmentBytes?: number): object {
    const { index, durability, recovery, create, readOnly } = options;
    const given = { index, durability, recovery, create, readOnly, segmentBytes: options.segmentBytes ?? segmentBytes };
    return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
