//! redb: a copy-on-write tree.

use std::path::Path;

use redb::{Durability, ReadableDatabase as _, TableDefinition, WriteTransaction};

use crate::Result;
use crate::data::Key;
use crate::engine::Engine;

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
