/** abstract-level's own test suite on databases of ours: in Node and in pages alike. */
import suite from 'abstract-level/test/index.js';
import tape from 'tape';

/**
 * Runs it; each line of what it says (TAP) goes to `say`.
 *
 * @param {(options: object) => object} factory Makes a database that is new and empty.
 * @returns {Promise<void>} When the last line was said.
 */
export function runSuite(factory, say) {
    const harness = tape.createHarness();
    let rest = '';
    const ended = new Promise((resolve) => {
        const stream = harness.createStream();
        stream.on('data', (text) => {
            const lines = (rest + text).split('\n');
            rest = lines.pop();
            for (const line of lines) say(line);
        });
        stream.on('end', resolve);
    });
    suite({ test: harness, factory });
    return ended;
}
