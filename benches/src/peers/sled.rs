//! sled: a tree of pages in a log.

use std::path::Path;

use sled::{Batch, Config, Db};

use crate::Result;
use crate::data::Key;
use crate::engine::Engine;

/// sled, without its thread that flushes twice a second. Its un-synced writes wait in the process, so they promise less than
/// ours: they do not survive it.
pub(crate) struct Sled {
    store: Db,
}

impl Sled {
    pub(crate) fn open(path: &Path) -> Result<Sled> {
        let config = Config::new().path(path).flush_every_ms(None).cache_capacity(1 << 30);
        Ok(Sled { store: config.open()? })
    }
}

impl Engine for Sled {
    fn put(&self, key: &[u8], value: &[u8], sync: bool) -> Result<()> {
        self.store.insert(key, value)?;
        if sync { self.sync() } else { Ok(()) }
    }

    fn put_all(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) -> Result<()> {
        let mut batch = Batch::default();
        for (key, value) in pairs {
            batch.insert(&key, value);
        }
        Ok(self.store.apply_batch(batch)?)
    }

    fn delete_all(&self, keys: &mut dyn Iterator<Item = Key>) -> Result<()> {
        let mut batch = Batch::default();
        for key in keys {
            batch.remove(&key);
        }
        Ok(self.store.apply_batch(batch)?)
    }

    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.store.get(key)?;
        if let Some(value) = &value {
            show(value);
        }
        Ok(value.is_some())
    }

    fn scan(&self, from: &[u8], limit: usize, show: &mut dyn FnMut(&[u8])) -> Result<usize> {
        let mut count = 0;
        for pair in self.store.range(from..).take(limit) {
            show(&pair?.1);
            count += 1;
        }
        Ok(count)
    }

    fn sync(&self) -> Result<()> {
        self.store.flush()?;
        Ok(())
    }

    /// It does so by itself, and cannot be asked.
    fn compact(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.sync()
    }
}
