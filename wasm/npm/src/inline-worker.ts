/**
 * The engine's worker with the `.wasm` file in it, for pages whose bundler lost the files beside the script.
 */

import init from '#wasm';
import { WASM_BASE64 } from 'virtual:wasm-base64';
import { serve } from './serve.js';

serve(async (wasm) => {
    await init({ module_or_path: wasm ?? bytesOf(WASM_BASE64) });
});

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
