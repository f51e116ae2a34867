/**
 * What the engine needs of a place for files. All of it is synchronous.
 */

export type { Folder, Handle } from '#wasm';

/** An error as Node has them. */
export function fileError(code: 'EEXIST' | 'ENOENT' | 'EACCES' | 'EINVAL' | 'EIO', text: string): Error {
    return Object.assign(new Error(`${code}: ${text}`), { code });
}
