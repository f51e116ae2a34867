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
 * @param {Record<string, (request: { path: string, query: URLSearchParams, body: Buffer }) => any>} [options.routes]
 *   Functions by path, for what pages send: they return text or bytes, or an object with `status`, `headers`, `body`.
 * @param {Record<string, string>} [options.headers] Sent with every answer. There is no `no-store` by itself, which would
 *   keep pages out of the back/forward cache.
 * @param {string} [options.host] `localhost` (default) or `127.0.0.1`: both are secure contexts, and two origins.
 * @param {number} [options.port] Default: any that is free.
 */
export async function serve({ folders = {}, texts = {}, routes = {}, headers = {}, host = 'localhost', port = 0 } = {}) {
    const requests = [];
    const server = createServer((request, response) => {
        const { pathname, searchParams: query } = new URL(request.url, 'http://host');
        const path = decodeURIComponent(pathname);
        requests.push(path);
        if (routes[path] !== undefined) return void answer(request, response, { path, query }, routes[path], headers);
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

async function answer(request, response, asked, route, headers) {
    try {
        const parts = [];
        for await (const part of request) parts.push(part);
        const answered = await route({ ...asked, body: Buffer.concat(parts) });
        const plain = answered === undefined || typeof answered === 'string' || answered instanceof Uint8Array;
        const { status = 200, headers: own = {}, body = '' } = plain ? { body: answered } : answered;
        response.writeHead(status, { 'content-type': 'application/octet-stream', ...headers, ...own }).end(body);
    } catch (error) {
        // A browser that was killed in the middle of its request.
        response.destroy(error);
    }
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
