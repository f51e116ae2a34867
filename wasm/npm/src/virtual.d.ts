/** What the build makes, not a file of ours. */

declare module 'virtual:wasm-base64' {
    /** The engine in base64, for the worker that must not load a second file. Only `inline-worker.ts` imports it. */
    export const WASM_BASE64: string;
}
