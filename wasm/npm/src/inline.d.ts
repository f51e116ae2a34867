/**
 * The source of a classic worker script with the engine inside, for toolchains and pages where the worker's own file does
 * not load. The build makes the module from `inline-worker.ts`; it is only ever loaded by `import('./inline.js')`.
 */
export const SOURCE: string;
