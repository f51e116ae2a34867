/** The suite in a page, and in a dedicated worker of the page where the engine is in the same thread. */
import { BitcaskLevel } from 'mini-bitcask/level';
import { runSuite } from './run.js';

let databases = 0;

/** Runs it here. Resolves with all lines. */
globalThis.runSuite = async () => {
    const lines = [];
    await runSuite(
        (options) => new BitcaskLevel(`level-${++databases}`, options),
        (line) => lines.push(line),
    );
    return lines;
};

/** Runs it in the worker. */
globalThis.runInWorker = () =>
    new Promise((resolve, reject) => {
        const worker = new Worker('/worker.js', { type: 'module' });
        worker.onerror = (event) => reject(new Error(event.message || 'the worker did not start'));
        worker.onmessage = ({ data }) => resolve(data);
    });

globalThis.ready = true;
