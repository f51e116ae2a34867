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
    const open = [];
    suite({
        test: harness,
        factory(options) {
            closeForgotten(open);
            const database = factory(options);
            open.push({ database, sublevels: watchSublevels(database) });
            return database;
        },
    });
    return ended;
}

/** A test is over when that many databases were made after its own. */
const LATER = 20;

/**
 * Half of the suite runs on sublevels, and closes these only: five hundred databases would stay open, each with a worker. The
 * database of a sublevel that was closed long ago is closed too.
 */
function closeForgotten(open) {
    const old = open.splice(0, Math.max(0, open.length - LATER));
    for (const { database, sublevels } of old) {
        const forgotten = sublevels.length > 0 && sublevels.every(({ status }) => status === 'closed');
        // A test of hooks leaves one that cannot be closed.
        if (forgotten && database.status === 'open') database.close().catch(() => undefined);
    }
}

/** The sublevels that a database will have. */
function watchSublevels(database) {
    const sublevels = [];
    const { sublevel } = database;
    database.sublevel = (...args) => {
        const made = sublevel.apply(database, args);
        sublevels.push(made);
        return made;
    };
    return sublevels;
}
