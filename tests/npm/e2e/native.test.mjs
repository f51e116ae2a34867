/** A store goes from the command line to a browser and back, with nothing lost on the way. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BROWSERS, PROJECT, serveSite, withBrowser } from '../harness/index.mjs';

const ROOT = join(PROJECT, '../..');
const COUNT = 2_000;
const TIMEOUT = { timeout: 240_000 };

let folder;
let bitcask;
before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mini-bitcask-native-'));
    bitcask = process.env.BITCASK ?? build();
});
after(() => rmSync(folder, { recursive: true, force: true }));

function build() {
    execFileSync('cargo', ['build', '--quiet', '--package', 'bitcask-cli'], { cwd: ROOT, stdio: 'inherit' });
    return join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug', 'bitcask');
}

const command = (...words) =>
    execFileSync(bitcask, words, { cwd: folder, maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'inherit'] });
const text = (n) => `value ${n} ${'x'.repeat(n % 300)}`;

for (const kind of BROWSERS) {
    test(`${kind}: from bitcask to a page and back`, TIMEOUT, async () => {
        const lines = Array.from({ length: COUNT }, (_, n) => JSON.stringify({ id: `key ${n}`, text: text(n) }));
        const [source, target] = [`${kind}-source`, `${kind}-target`];
        writeFileSync(join(folder, 'data.jsonl'), `${lines.join('\n')}\n`);
        command('import', source, 'data.jsonl', '--key', 'id');
        command('delete', source, 'key 5');
        command('export', source, '--store', `${kind}.store`);

        const site = await serveSite({
            routes: {
                '/store': () => readFileSync(join(folder, `${kind}.store`)),
                '/back': ({ body }) => writeFileSync(join(folder, `${kind}.back`), body),
            },
        });
        try {
            await withBrowser(kind, {}, async (browser) => {
                const page = await browser.open(site.url());
                const seen = await page.run(async () => {
                    const store = await bitcask.open('from-native', { keys: 'utf8', values: 'utf8' });
                    const { entries } = await store.import((await fetch('/store')).body);
                    const seen = [
                        entries,
                        await store.count(),
                        await store.get('key 5'),
                        JSON.parse(await store.get('key 77')).text,
                    ];
                    await store.set('key 5', 'set in a page');
                    await store.delete('key 6');
                    await store.set('key of the page', 'ünïcödé');
                    const exported = await new Response(store.export()).arrayBuffer();
                    await fetch('/back', { method: 'POST', body: exported });
                    await store.close();
                    return seen;
                });
                assert.deepEqual(seen, [COUNT - 1, COUNT - 1, undefined, text(77)]);
            });
        } finally {
            await site.close();
        }

        command('import', target, '--store', `${kind}.back`);
        command('verify', target);
        const get = (key) => command('get', target, key).toString();
        assert.match(get('key 77'), new RegExp(text(77)));
        assert.equal(get('key 5').trim(), 'set in a page');
        assert.equal(get('key of the page').trim(), 'ünïcödé');
        assert.throws(() => execFileSync(bitcask, ['get', target, 'key 6'], { cwd: folder, stdio: 'pipe' }), {
            status: 1,
        });
        assert.equal(command('export', target).toString().trim().split('\n').length, COUNT);
    });
}
