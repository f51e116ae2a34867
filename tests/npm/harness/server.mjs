/** A web server for tests: files and texts from memory, with the right types, on a port of its own. */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = {
    '.css': 'text/css',
    '.gz': 'application/gzip',
    '.html': 'text/html; charset=utf-8',
    '.ico': 'image/x-icon',
    '.js': 'text/javascript; charset=utf-8',
    '.json': 'application/json',
    '.map': 'application/json',
    '.mjs': 'text/javascript; charset=utf-8',
    '.png': 'image/png',
    '.svg': 'image/svg+xml',
    '.wasm': 'application/wasm',
};

/**
 * Serves until `close`. A page's origin holds the port, and so does what it stores: serve as long as the profile is used,
 * over restarts of the browser too. Call it again for a second origin.
 *
 * @param {object} options
 * @param {Record<string, string>} [options.folders] What of the disk is served: `{ '/': '/a/folder', '/b/': '/another' }`.
 * @param {Record<string, string | Uint8Array>} [options.texts] What is served from memory, by path; it goes first.
 * @param {Record<string, string>} [options.headers] Sent with every answer. There is no `no-store` by itself, which would
 *   keep pages out of the back/forward cache.
 * @param {string} [options.host] `localhost` (default) or `127.0.0.1`: both are secure contexts, and two origins.
 * @param {number} [options.port] Default: any that is free.
 */
export async function serve({ folders = {}, texts = {}, headers = {}, host = 'localhost', port = 0 } = {}) {
    const requests = [];
    const server = createServer((request, response) => {
        const path = decodeURIComponent(new URL(request.url, 'http://host').pathname);
        requests.push(path);
        const text = texts[path] ?? texts[`${path}index.html`];
        const type = TYPES[extname(path)] ?? (path.endsWith('/') ? TYPES['.html'] : 'application/octet-stream');
        if (text !== undefined) return void response.writeHead(200, { 'content-type': type, ...headers }).end(text);
        const file = fileOf(path, folders);
        if (file === undefined) return void response.writeHead(404, { 'content-type': 'text/plain' }).end(`no ${path}`);
        response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? type, ...headers });
        createReadStream(file).pipe(response);
    });
    await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
    const origin = `http://${host}:${server.address().port}`;
    return {
        origin,
        /** The address of a path. */
        url: (path = '/') => new URL(path, origin).href,
        /** Changes what is served from memory. */
        texts,
        /** The paths that were asked for. */
        requests,
        close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))),
    };
}

/** The longest prefix decides. Nothing outside of its folder is served. */
function fileOf(path, folders) {
    const prefixes = Object.keys(folders).filter((prefix) => path.startsWith(prefix));
    for (const prefix of prefixes.sort((a, b) => b.length - a.length)) {
        const within = normalize(`/${path.slice(prefix.length)}`);
        for (const file of [join(folders[prefix], within), join(folders[prefix], within, 'index.html')]) {
            if (statSync(file, { throwIfNoEntry: false })?.isFile()) return file;
        }
    }
    return undefined;
}
