/** The suite in a dedicated worker, on the synchronous store. */
import { BitcaskLevel } from 'mini-bitcask/level';
import { open } from 'mini-bitcask/sync';
import { runSuite } from './run.js';

let databases = 0;
const lines = [];
await runSuite(
    (options) => new BitcaskLevel(`sync-${++databases}`, { open, ...options }),
    (line) => lines.push(line),
);
postMessage(lines);
