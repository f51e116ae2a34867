/** Browsers that ask the user may wait for the answer for ever. */
const PERSIST_WAIT_MS = 2_000;

/** Asks the browser to keep this origin's storage when space is short; says whether it will. */
export async function persist(): Promise<boolean> {
    const storage = globalThis.navigator?.storage;
    if (!storage?.persist) return false;
    const asked = storage.persist().catch(() => false);
    const waited = new Promise<boolean>((resolve) => setTimeout(resolve, PERSIST_WAIT_MS, false));
    return Promise.race([asked, waited]);
}
