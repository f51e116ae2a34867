//! Other stores, set up for the same promises.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{Durability, ReadableDatabase as _, TableDefinition, WriteTransaction};

use crate::Result;
use crate::data::Key;
use crate::engine::Engine;

/// fjall with its usual options: every write is handed to the operating system before it returns.
pub(crate) struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

impl Fjall {
    pub(crate) fn open(path: &Path) -> Result<Fjall> {
        let database = Database::builder(path).open()?;
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

/// redb. Its un-synced commits promise less than ours: they do not survive the process.
pub(crate) struct Redb {
    database: redb::Database,
}

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("benchmark");

impl Redb {
    pub(crate) fn open(path: &Path) -> Result<Redb> {
        std::fs::create_dir_all(path)?;
        let database = redb::Database::create(path.join("benchmark.redb"))?;
        let redb = Redb { database };
        redb.commit(true, |transaction| {
            transaction.open_table(TABLE).map(drop).map_err(Into::into)
        })?;
        Ok(redb)
    }

    fn commit(&self, sync: bool, act: impl FnOnce(&WriteTransaction) -> Result<()>) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(if sync { Durability::Immediate } else { Durability::None })?;
        act(&transaction)?;
        Ok(transaction.commit()?)
    }
}

impl Engine for Redb {
    fn put(&self, key: &[u8], value: &[u8], sync: bool) -> Result<()> {
        self.commit(sync, |transaction| {
            transaction.open_table(TABLE)?.insert(key, value)?;
            Ok(())
        })
    }

    fn put_all(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) -> Result<()> {
        self.commit(false, |transaction| {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in pairs {
                table.insert(key.as_slice(), value)?;
            }
            Ok(())
        })
    }

    fn delete_all(&self, keys: &mut dyn Iterator<Item = Key>) -> Result<()> {
        self.commit(false, |transaction| {
            let mut table = transaction.open_table(TABLE)?;
            for key in keys {
                table.remove(key.as_slice())?;
            }
            Ok(())
        })
    }

    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.database.begin_read()?.open_table(TABLE)?.get(key)?;
        if let Some(value) = &value {
            show(value.value());
        }
        Ok(value.is_some())
    }

    fn scan(&self, from: &[u8], limit: usize, show: &mut dyn FnMut(&[u8])) -> Result<usize> {
        let mut count = 0;
        let table = self.database.begin_read()?.open_table(TABLE)?;
        for pair in table.range(from..)?.take(limit) {
            show(pair?.1.value());
            count += 1;
        }
        Ok(count)
    }

    fn sync(&self) -> Result<()> {
        self.commit(true, |_| Ok(()))
    }

    fn compact(&mut self) -> Result<Option<u64>> {
        self.sync()?;
        self.database.compact()?;
        Ok(None)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.sync()
    }
}
