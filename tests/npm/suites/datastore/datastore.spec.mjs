/** interface-datastore-tests, unmodified. */
import { interfaceDatastoreTests } from 'interface-datastore-tests';
import { BitcaskDatastore } from 'mini-bitcask/datastore';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

describe('BitcaskDatastore', function () {
    this.timeout(60_000);
    const directory = mkdtempSync(join(tmpdir(), 'bitcask-datastore-'));
    let stores = 0;
    after(() => rmSync(directory, { recursive: true }));

    interfaceDatastoreTests({
        setup: () => new BitcaskDatastore(`store-${++stores}`, { directory }),
        teardown: (store) => store.close(),
    });
});
