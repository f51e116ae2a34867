/** The result, or the signal's reason if it is aborted first. What is under way goes on. */
export function abortable<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (!signal) return work();
    return new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const abort = (): void => reject(signal.reason);
        signal.addEventListener('abort', abort, { once: true });
        work()
            .then(resolve, reject)
            .finally(() => signal.removeEventListener('abort', abort));
    });
}
