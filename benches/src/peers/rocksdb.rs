//! RocksDB: a tree of sorted runs.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DB, Direction, IteratorMode, Options, WriteBatch, WriteOptions,
};

use crate::Result;
use crate::data::Key;
use crate::engine::Engine;

/// RocksDB with filters of ten bits a key and a cache that holds everything; its usual options else. Values cannot be compressed, so nothing tries to.
pub(crate) struct Rocksdb {
    store: DB,
}

impl Rocksdb {
    pub(crate) fn open(path: &Path) -> Result<Rocksdb> {
        let mut table = BlockBasedOptions::default();
        table.set_bloom_filter(10.0, false);
        table.set_block_cache(&Cache::new_lru_cache(1 << 30)?);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.increase_parallelism(2);
        Ok(Rocksdb { store: DB::open(&options, path)? })
    }
}

fn write_options(sync: bool) -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(sync);
    options
}

impl Engine for Rocksdb {
    fn put(&self, key: &[u8], value: &[u8], sync: bool) -> Result<()> {
        Ok(self.store.put_opt(key, value, &write_options(sync))?)
    }

    fn put_all(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in pairs {
            batch.put(key, value);
        }
        Ok(self.store.write_opt(batch, &write_options(false))?)
    }

    fn delete_all(&self, keys: &mut dyn Iterator<Item = Key>) -> Result<()> {
        let mut batch = WriteBatch::default();
        for key in keys {
            batch.delete(key);
        }
        Ok(self.store.write_opt(batch, &write_options(false))?)
    }

    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.store.get_pinned(key)?;
        if let Some(value) = &value {
            show(value);
        }
        Ok(value.is_some())
    }

    fn scan(&self, from: &[u8], limit: usize, show: &mut dyn FnMut(&[u8])) -> Result<usize> {
        let mut count = 0;
        let start = IteratorMode::From(from, Direction::Forward);
        for pair in self.store.iterator(start).take(limit) {
            show(&pair?.1);
            count += 1;
        }
        Ok(count)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.store.flush_wal(true)?)
    }

    fn compact(&mut self) -> Result<Option<u64>> {
        self.store.flush()?;
        self.store.compact_range::<&[u8], &[u8]>(None, None);
        Ok(None)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.sync()
    }
}
