/** What an app does with the package, with nothing configured. */
import { open } from 'mini-bitcask';

async function main() {
    const options = { storage: ['opfs'] };
    const first = await open('notes', options);
    await first.set('hello', { text: 'world', at: new Date(0), tags: new Set(['a']) }, { durability: 'always' });
    await first.close();
    const second = await open('notes', options);
    const value = await second.get('hello');
    const keys = [];
    for await (const key of second.keys()) keys.push(key);
    globalThis.result = {
        backend: second.backend,
        value: `${value.text} ${value.at.getTime()} ${value.tags.has('a')}`,
        keys: keys.join(' '),
    };
}

main()
    .catch((error) => (globalThis.result = { error: `${error.code ?? error.name}: ${error.message}` }))
    .finally(() => (globalThis.ready = true));
