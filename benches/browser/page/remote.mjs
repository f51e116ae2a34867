/** A store that works in a worker, since its files do: a message for every call, as an app would write it. */

/** Starts the worker and opens the store. */
export async function remote(script, name, methods = ['set', 'setMany', 'get', 'getMany', 'scan', 'delete']) {
    const worker = new Worker(script, { type: 'module' });
    const waiting = new Map();
    let lastId = 0;
    worker.onmessage = ({ data: { id, value, error } }) => {
        const { resolve, reject } = waiting.get(id);
        waiting.delete(id);
        if (error === undefined) resolve(value);
        else reject(new Error(error));
    };
    worker.onerror = (event) => {
        for (const { reject } of waiting.values()) reject(new Error(`${script}: ${event.message}`));
    };
    const call =
        (method) =>
        (...args) =>
            new Promise((resolve, reject) => {
                const id = ++lastId;
                waiting.set(id, { resolve, reject });
                worker.postMessage({ id, method, args });
            });
    await call('open')(name);
    return {
        ...Object.fromEntries(methods.map((method) => [method, call(method)])),
        async close() {
            await call('close')();
            worker.terminate();
        },
    };
}

/** The worker's side: `open` resolves to the methods. */
export function serve(open) {
    let store;
    globalThis.onmessage = async ({ data: { id, method, args } }) => {
        try {
            let value;
            if (method === 'open') store = await open(...args);
            else value = store[method](...args);
            postMessage({ id, value });
        } catch (error) {
            postMessage({ id, error: String(error?.message ?? error) });
        }
    };
}
