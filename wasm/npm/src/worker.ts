/**
 * The engine's worker. It says hello before it loads anything, so that a page can tell a script that was not found from a
 * store that cannot be opened.
 */

import init from '#wasm';
import { serve } from './serve.js';

serve(async (wasm) => {
    await init({ module_or_path: wasm ?? new URL('./bitcask_bg.wasm', import.meta.url) });
});
