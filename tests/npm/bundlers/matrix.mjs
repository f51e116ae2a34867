/** Apps made by the tools, one at a time: installed, built, served, loaded in Chromium. */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { launch, PROJECT, serve, within } from '../harness/index.mjs';

const TARGET = process.env.CARGO_TARGET_DIR ?? join(PROJECT, '../../target');
const APPS = join(TARGET, 'npm', 'bundlers');
const STEP_MS_MAX = 180_000;

/**
 * Makes the app with a tool and loads it.
 *
 * @param {object} tool One of `TOOLS`.
 * @returns {Promise<{ loads: 'worker file' | 'inlined copy', seconds: number }>} How the worker was loaded.
 */
export async function tryTool(tool) {
    const started = Date.now();
    const folder = install(tool);
    rmSync(join(folder, 'dist'), { recursive: true, force: true });
    const html = readFileSync(join(PROJECT, 'bundlers/app/index.html'), 'utf8');
    writeFileSync(join(folder, 'index.html'), tool.page?.(html) ?? html);
    if (tool.script !== undefined) writeFileSync(join(folder, 'tool.mjs'), tool.script);
    const site = tool.stays ? await startServer(folder) : await buildAndServe(tool, folder);
    try {
        return { loads: await load(site.url), seconds: Math.round((Date.now() - started) / 1000) };
    } finally {
        await site.close();
    }
}

/** A packed install by npm, in a folder that is used again while versions stay. */
function install(tool) {
    const folder = join(
        APPS,
        Object.entries(tool.install)
            .flat()
            .join('-')
            .replace(/[^\w.-]+/g, '_') || 'none',
    );
    const modules = join(folder, 'node_modules');
    const manifest = JSON.stringify({ name: 'app', private: true, type: 'module', devDependencies: tool.install });
    const stamp = join(modules, '.app.json');
    if (read(stamp) !== manifest) {
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, 'package.json'), manifest);
        npm(folder, 'install', '--no-package-lock', '--no-save');
        mkdirSync(modules, { recursive: true });
        writeFileSync(stamp, manifest);
    }
    npm(folder, 'install', '--no-package-lock', '--no-save', tarball());
    // What a tool keeps of an older package would be tested instead of this one.
    for (const cache of ['.vite', '.parcel-cache', '.cache'])
        rmSync(join(modules, cache), { recursive: true, force: true });
    rmSync(join(folder, '.parcel-cache'), { recursive: true, force: true });
    cpSync(join(PROJECT, 'bundlers/app'), folder, { recursive: true });
    return folder;
}

function tarball() {
    const folder = join(TARGET, 'npm');
    const { version } = JSON.parse(readFileSync(join(PROJECT, '../../wasm/npm/package.json'), 'utf8'));
    const name = readdirSync(folder).find((name) => name === `mini-bitcask-${version}.tgz`);
    if (name === undefined) throw new Error('nothing is packed: scripts/package');
    return join(folder, name);
}

function npm(folder, ...words) {
    execFileSync('npm', [...words, '--no-audit', '--no-fund', '--silent'], {
        cwd: folder,
        stdio: 'pipe',
        timeout: STEP_MS_MAX,
    });
}

async function buildAndServe(tool, folder) {
    if (tool.script !== undefined) {
        try {
            execFileSync(process.execPath, ['tool.mjs'], { cwd: folder, stdio: 'pipe', timeout: STEP_MS_MAX });
        } catch (error) {
            throw new Error(`the build failed:\n${error.stdout}${error.stderr}`);
        }
    }
    const server = await serve({ folders: { '/': join(folder, tool.serves) } });
    return { url: server.url(), close: server.close };
}

/** A tool's own server: the first line that it prints is the address. */
async function startServer(folder) {
    const child = spawn(process.execPath, ['tool.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const close = async () => (child.kill('SIGKILL'), ended);
    try {
        const lines = createInterface({ input: child.stdout });
        const first = new Promise((resolve) => lines.once('line', resolve));
        const url = await within(
            STEP_MS_MAX,
            Promise.race([
                first,
                ended.then((code) => {
                    throw new Error(`ended with ${code}`);
                }),
            ]),
        );
        return { url, close };
    } catch (error) {
        await close();
        throw error;
    }
}

/** Loads the app in a new profile, checks what it stored, and says how its worker came about. */
async function load(url) {
    const browser = await launch('chromium');
    let loads = 'worker file';
    try {
        const page = await browser.open(url, { ready: false });
        // A worker's file that the tool lost is asked for before the copy is taken.
        page.expect(/^404 .*worker|404 \(Not Found\)|^404 /);
        page.page.on('worker', (worker) => (loads = worker.url().startsWith('blob:') ? 'inlined copy' : loads));
        await page.page.waitForFunction('globalThis.ready === true', undefined, { polling: 50, timeout: 60_000 });
        if (page.page.workers().some((worker) => worker.url().startsWith('blob:'))) loads = 'inlined copy';
        const result = await page.run(() => globalThis.result);
        const wanted = { backend: 'opfs', value: 'world 0 true', keys: 'hello' };
        if (JSON.stringify(result) !== JSON.stringify(wanted))
            throw new Error(`the app says ${JSON.stringify(result)}`);
    } catch (error) {
        await browser.close().catch(() => {});
        throw browser.errors.length > 0 ? new Error(`${error.message}\n  ${browser.errors.join('\n  ')}`) : error;
    }
    await browser.close();
    return loads;
}

function read(path) {
    try {
        return readFileSync(path, 'utf8');
    } catch {
        return undefined;
    }
}
