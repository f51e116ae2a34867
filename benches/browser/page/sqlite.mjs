/** SQLite on the Origin Private File System: a table of keys and values. */
import sqlite3InitModule from '@sqlite.org/sqlite-wasm';

/** It would start another worker for a second way to its files, which is not measured. */
globalThis.sqlite3ApiConfig = { disable: { vfs: { kvvfs: true, opfs: true, 'opfs-vfs': true, 'opfs-wl': true } } };

/** Opens a database. `setSynchronous('FULL')`: every transaction is synced from then on. */
export async function openSqlite(name, type = 'TEXT') {
    const sqlite3 = await sqlite3InitModule({
        print: () => {},
        printErr: () => {},
        locateFile: (file) => `/sqlite/${file}`,
    });
    const pool = await sqlite3.installOpfsSAHPoolVfs({ name: `pool-${name}`, directory: `/pool-${name}` });
    const database = new pool.OpfsSAHPoolDb(`/${name}`);
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    if (database.selectValue('PRAGMA journal_mode') !== 'wal') throw new Error('there is no WAL');
    database.exec(`CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v ${type}) WITHOUT ROWID`);
    const put = database.prepare('INSERT INTO kv VALUES (?1, ?2) ON CONFLICT DO UPDATE SET v = ?2');
    const find = database.prepare('SELECT v FROM kv WHERE k = ?1');
    const remove = database.prepare('DELETE FROM kv WHERE k = ?1');
    const get = (key) => {
        find.bind(1, key);
        const value = find.step() ? find.get(0) : undefined;
        find.reset();
        return value;
    };
    const set = (key, value) => void put.bind([key, value]).stepReset();
    return {
        set,
        setMany: (entries) => void database.transaction(() => entries.forEach(([key, value]) => set(key, value))),
        get,
        getMany: (keys) => keys.map(get),
        scan: () => database.selectArrays('SELECT k, v FROM kv ORDER BY k'),
        delete: (key) => void remove.bind(1, key).stepReset(),
        setSynchronous: (mode) => void database.exec(`PRAGMA synchronous = ${mode}`),
        close() {
            for (const statement of [put, find, remove]) statement.finalize();
            database.close();
            pool.pauseVfs();
        },
    };
}
