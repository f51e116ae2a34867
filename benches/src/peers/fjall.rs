//! fjall: a tree of sorted runs.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::Result;
use crate::data::Key;
use crate::engine::Engine;

/// fjall with a cache that holds everything; its usual options else. Every write is handed to the operating system before it returns.
pub(crate) struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

impl Fjall {
    pub(crate) fn open(path: &Path) -> Result<Fjall> {
        let database = Database::builder(path).cache_size(1 << 30).open()?;
        let keyspace = database.keyspace("benchmark", KeyspaceCreateOptions::default)?;
        Ok(Fjall { database, keyspace })
    }
}

impl Engine for Fjall {
    fn put(&self, key: &[u8], value: &[u8], sync: bool) -> Result<()> {
        self.keyspace.insert(key, value)?;
        if sync {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }

    fn put_all(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) -> Result<()> {
        let mut batch = self.database.batch();
        for (key, value) in pairs {
            batch.insert(&self.keyspace, key, value);
        }
        Ok(batch.commit()?)
    }

    fn delete_all(&self, keys: &mut dyn Iterator<Item = Key>) -> Result<()> {
        let mut batch = self.database.batch();
        for key in keys {
            batch.remove(&self.keyspace, key);
        }
        Ok(batch.commit()?)
    }

    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.keyspace.get(key)?;
        if let Some(value) = &value {
            show(value);
        }
        Ok(value.is_some())
    }

    fn scan(&self, from: &[u8], limit: usize, show: &mut dyn FnMut(&[u8])) -> Result<usize> {
        let mut count = 0;
        for guard in self.keyspace.range(from..).take(limit) {
            show(&guard.value()?);
            count += 1;
        }
        Ok(count)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncData)?)
    }

    fn compact(&mut self) -> Result<Option<u64>> {
        self.keyspace.rotate_memtable_and_wait()?;
        self.keyspace.major_compact()?;
        Ok(None)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
