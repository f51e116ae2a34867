/**
 * What things of ours are called in a browser, and how long openers wait for one another.
 */

/** The folder of all stores in the origin's private file system. */
export const FOLDER = 'mini-bitcask';
/** Before the names of the databases that hold copies of files. */
export const DATABASE = 'mini-bitcask:';
/** Before the names of Web Locks. */
export const LOCK = 'mini-bitcask:';
/** Milliseconds that an opener waits for the others. */
export const LOCK_TIMEOUT_MS = 5_000;
