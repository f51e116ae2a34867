/** What suites that were written for Node expect as globals. */
export { Buffer } from 'buffer';
export { default as process } from 'process/browser.js';

/** `setImmediate`, which `process` of the browser has not. */
export const setImmediate = (call, ...args) => setTimeout(call, 0, ...args);
