#!/usr/bin/env node
/**
 * Serves the built page, dist/, to this machine.
 *
 *   node serve.mjs         on port 4173 or, if it is taken, the next that is free
 *   PORT=8080 node serve.mjs
 *
 * Browsers keep stored files by address, and the port is part of it: another port, another store.
 */
import { createReadStream, existsSync, realpathSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const FOLDER = join(import.meta.dirname, 'dist');
const PORT = 4173;
const PORTS_TRIED = 100;

const TYPES = {
    '.css': 'text/css; charset=utf-8',
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.json': 'application/json',
    '.map': 'application/json',
    '.svg': 'image/svg+xml',
    '.wasm': 'application/wasm',
};

const HEADERS = {
    // A page that is built again shows at the next reload.
    'cache-control': 'no-cache',
    // All that the page needs, and nothing from elsewhere: the package is at home under a strict policy.
    'content-security-policy':
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
};

/**
 * Serves a folder until `close`.
 *
 * @param {object} [options]
 * @param {string} [options.folder] Default: the built page.
 * @param {number} [options.port] This one or an error; 0: any. Default: 4173, or the next that is free.
 * @returns {Promise<{ address: string, close(): Promise<void> }>}
 */
export async function serve({ folder = FOLDER, port } = {}) {
    if (!existsSync(join(folder, 'index.html'))) throw new Error(`There is no page in ${folder}: build it first.`);
    const server = createServer((request, response) => answer(folder, request, response));
    await listen(server, port);
    return {
        // Not 127.0.0.1: the two are two origins, and the one that people type is this.
        address: `http://localhost:${server.address().port}/`,
        close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))),
    };
}

function answer(folder, request, response) {
    const refuse = (status, text) =>
        response.writeHead(status, { ...HEADERS, 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'Only GET is served.');
    const file = fileOf(folder, request.url);
    if (file === undefined) return refuse(404, 'There is no such file.');
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { ...HEADERS, 'content-type': type, 'content-length': statSync(file).size });
    if (request.method === 'HEAD') response.end();
    else createReadStream(file).pipe(response);
}

/** Nothing outside of the folder. */
function fileOf(folder, url) {
    try {
        const path = normalize(decodeURIComponent(new URL(url, 'http://host').pathname));
        const file = join(folder, path.endsWith('/') ? `${path}index.html` : path);
        const found = statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
        return found && realpathSync(file).startsWith(realpathSync(folder)) ? file : undefined;
    } catch {
        // An address that is none.
        return undefined;
    }
}

async function listen(server, port) {
    for (let wanted = port ?? PORT; ; wanted += 1) {
        try {
            await new Promise((resolve, reject) => {
                server.once('error', reject);
                server.listen(wanted, 'localhost', () => (server.off('error', reject), resolve()));
            });
            return;
        } catch (error) {
            const taken = error.code === 'EADDRINUSE';
            if (taken && port !== undefined) throw new Error(`Port ${port} is taken: choose another with PORT=…`);
            if (!taken || wanted >= PORT + PORTS_TRIED) throw error;
        }
    }
}

if (process.argv[1] && realpathSync(process.argv[1]) === realpathSync(import.meta.filename)) {
    const port = process.env.PORT ? Number(process.env.PORT) : undefined;
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65_536)) {
        console.error(`PORT=${process.env.PORT} is no port.`);
        process.exit(2);
    }
    try {
        const { address } = await serve(port === undefined ? {} : { port });
        console.log(address);
    } catch (error) {
        console.error(error.message);
        process.exit(1);
    }
}
