/**
 * What a page needs of an open store, as a part of its own: `index.ts` loads it while the worker starts.
 */

export { Remote } from './remote.js';
export { storeOf } from './store.js';
