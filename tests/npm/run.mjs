#!/usr/bin/env node
/**
 * Runs the tests below folders of this project: `node run.mjs FOLDER… [options of node --test]`.
 * Every file `*.test.js` or `*.test.mjs` is one, in a process of its own, two at a time: browsers are heavy, and wait a lot.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const words = process.argv.slice(2);
const folders = words.filter((word) => !word.startsWith('-'));
const options = words.filter((word) => word.startsWith('-'));
const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true })
        .filter((name) => /\.test\.m?js$/.test(name) && !name.includes('node_modules'))
        .sort()
        .map((name) => join(folder, name)),
);
if (files.length === 0) {
    console.error(`There are no tests below ${folders.join(' ')}`);
    process.exit(2);
}
const flags = ['--test', '--test-reporter=spec', '--test-concurrency=2', ...options];
const { status } = spawnSync(process.execPath, [...flags, ...files], { stdio: 'inherit' });
process.exit(status ?? 1);
