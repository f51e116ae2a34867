/** The `bitcask` command, for tests of both. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../../target', import.meta.url));

/** Where it is, if somebody has built it: `BITCASK`, or where cargo puts it. */
export const COMMAND = [process.env.BITCASK, `${TARGET}/debug/bitcask`, `${TARGET}/release/bitcask`].find(
    (path) => path && existsSync(path),
);
