/** From samples to the figures that are shown. */

/** The middle one; of an even number the lower middle one. */
export function median(all) {
    return [...all].sort((one, other) => one - other)[Math.floor((all.length - 1) / 2)];
}

/** Of the samples of each profile the median; of these the median, the least and the most. `undefined`: not measured. */
export function summary(profiles) {
    const medians = (profiles ?? []).filter((samples) => samples?.length > 0).map(median);
    if (medians.length === 0) return undefined;
    return { median: median(medians), least: Math.min(...medians), most: Math.max(...medians) };
}

/** Three digits that matter. */
export function short(number) {
    if (number >= 1000) return Math.round(Number(number.toPrecision(3))).toLocaleString('en-US');
    return String(Number(number.toPrecision(number >= 100 ? 3 : 2)));
}
