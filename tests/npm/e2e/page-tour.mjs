#!/usr/bin/env node
/**
 * Tries the page that is served at an address: `node page-tour.mjs ADDRESS`. All its files are there; and where a browser
 * is installed, a store is opened in it, filled, halved and merged, and is there after a reload.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';

const [, , address] = process.argv;
if (!address) {
    console.error('usage: page-tour.mjs ADDRESS');
    process.exit(2);
}

await answers(address);
const kind = [
    ['chromium', process.env.CHROMIUM ?? '/usr/bin/chromium'],
    ['firefox', process.env.FIREFOX ?? '/usr/bin/firefox-esr'],
].find(([, path]) => existsSync(path))?.[0];
if (kind) await tour(kind, address);
else console.log('there is no browser here to try it in: open the address in yours');

/** Every file that the page names is there, with the right type. */
async function answers(address) {
    const page = await fetch(address);
    assert.equal(page.status, 200, `${address} answers ${page.status}`);
    const text = await page.text();
    const names = new Set([...text.matchAll(/(?:src|href)="(\.\/[^"]+)"/g)].map(([, name]) => name));
    const types = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
    assert.ok(names.size >= 3, 'the page names its script, its styles and its icon');
    for (const name of names) {
        const { status, headers } = await fetch(new URL(name, address));
        assert.equal(status, 200, `${name} answers ${status}`);
        const type = types[name.split('.').at(-1)];
        assert.ok(headers.get('content-type').startsWith(type), `${name} should be ${type}`);
    }
    console.log(`the page answers, and so do the ${names.size} files that it names`);
}

async function tour(kind, address) {
    const { withBrowser } = await import('../harness/index.mjs');
    const { PageDriver } = await import('./page-driver.mjs');
    await withBrowser(kind, {}, async (browser) => {
        const say = (text) => console.log(`${kind}: ${text}`);
        const page = await PageDriver.open(browser, address);
        await page.write('hello', 'world');
        await page.mergeByHand();
        say(await page.load('Write them', { keys: 50_000, bytes: 100 }));
        say(await page.load('Delete every second'));
        say(await page.merge());
        await page.reload();
        say(`Reloaded. ${(await page.page.locator('#recovery p').allTextContents()).join(' ')}`);
        assert.equal(await page.read('hello'), 'world');
        const checked = await page.load('Read and check', { keys: 50_000, bytes: 100 });
        assert.match(checked, /none is wrong, 25,000 not there/);
        say(checked);
    });
}
