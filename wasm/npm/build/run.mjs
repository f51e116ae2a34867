/** Other programs, and files. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The files below a folder whose names end in one of these, in order. */
export function filesBelow(folder, ...endings) {
    if (!existsSync(folder)) return [];
    const names = readdirSync(folder, { recursive: true });
    return names
        .filter((name) => endings.some((ending) => name.endsWith(ending)))
        .sort()
        .map((name) => join(folder, name));
}

/** Runs a program; its output is ours. Rejects where it fails. */
export async function run(command, args, env = process.env) {
    const code = await new Promise((resolve, reject) => {
        const child = spawn(command, args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
        child.once('error', (error) =>
            reject(error.code === 'ENOENT' ? new Error(`${command} is missing: scripts/setup browser node`) : error),
        );
        child.once('exit', resolve);
    });
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
}
