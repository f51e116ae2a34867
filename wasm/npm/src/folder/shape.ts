/**
 * What the engine needs of a place for files. All of it is synchronous.
 */

/** An open file: the methods of a `FileSystemSyncAccessHandle`. */
export interface Handle {
    /** Its length in bytes. */
    getSize(): number;
    /** Reads at an offset, as far as the file goes; says how many bytes. */
    read(into: Uint8Array, options: { at: number }): number;
    /** Writes at an offset, beyond the end too; says how many bytes. */
    write(from: Uint8Array, options: { at: number }): number;
    /** Cuts, or makes longer by zeros. */
    truncate(len: number): void;
    /** What was written before survives a power cut, where the folder promises that at all. */
    flush(): void;
    /** Gives it back. Writes nothing. */
    close(): void;
}

/**
 * A folder of files that are named by numbers. Errors are thrown, and tell what they are by the DOM's `name` or Node's
 * `code`. A file that was removed can be read by the handles that there are.
 */
export interface Folder {
    /** Which files there are, in any order. */
    list(): number[];
    /** Makes an empty file. `EEXIST` where there is one. */
    create(id: number): Handle;
    /** Opens a file. `ENOENT` where there is none. */
    open(id: number): Handle;
    /** Removes a file. */
    remove(id: number): void;
}

/** An error as Node has them. */
export function fileError(code: 'EEXIST' | 'ENOENT' | 'EACCES' | 'EINVAL' | 'EIO', text: string): Error {
    return Object.assign(new Error(`${code}: ${text}`), { code });
}
