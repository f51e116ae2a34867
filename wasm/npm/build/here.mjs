/** Works from the folder of the package, wherever it was called. Imported first: esbuild looks where it is when it loads. */
import { dirname } from 'node:path';

process.chdir(dirname(import.meta.dirname));
