//! LMDB: a copy-on-write tree in a mapped file.

use std::ops::Bound;
use std::path::Path;

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, RwTxn, WithoutTls};

use crate::Result;
use crate::data::Key;
use crate::engine::Engine;

/// Address space that is set aside; the file grows as it needs.
const MAP_BYTES: usize = 64 << 30;

/// LMDB, without syncs where durability is not asked for: what a commit wrote survives the process then, and a power cut may
/// damage all of it.
pub(crate) struct Lmdb {
    environment: Env<WithoutTls>,
    database: Database<Bytes, Bytes>,
}

impl Lmdb {
    pub(crate) fn open(path: &Path, synced: bool) -> Result<Lmdb> {
        std::fs::create_dir_all(path)?;
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_BYTES);
        #[expect(unsafe_code, reason = "nobody else changes the file while the benchmark runs")]
        let environment = unsafe {
            if !synced {
                options.flags(EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC);
            }
            options.open(path)?
        };
        let mut transaction = environment.write_txn()?;
        let database = environment.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Lmdb { environment, database })
    }

    fn commit(&self, act: impl FnOnce(&mut RwTxn<'_>) -> Result<()>) -> Result<()> {
        let mut transaction = self.environment.write_txn()?;
        act(&mut transaction)?;
        Ok(transaction.commit()?)
    }
}

impl Engine for Lmdb {
    /// A commit syncs, or not, as the environment was opened.
    fn put(&self, key: &[u8], value: &[u8], _sync: bool) -> Result<()> {
        self.commit(|transaction| Ok(self.database.put(transaction, key, value)?))
    }

    fn put_all(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) -> Result<()> {
        self.commit(|transaction| {
            for (key, value) in pairs {
                self.database.put(transaction, &key, value)?;
            }
            Ok(())
        })
    }

    fn delete_all(&self, keys: &mut dyn Iterator<Item = Key>) -> Result<()> {
        self.commit(|transaction| {
            for key in keys {
                self.database.delete(transaction, &key)?;
            }
            Ok(())
        })
    }

    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let transaction = self.environment.read_txn()?;
        let value = self.database.get(&transaction, key)?;
        if let Some(value) = value {
            show(value);
        }
        Ok(value.is_some())
    }

    fn scan(&self, from: &[u8], limit: usize, show: &mut dyn FnMut(&[u8])) -> Result<usize> {
        let transaction = self.environment.read_txn()?;
        // No key is empty here, and asking for one is an error.
        let lower = if from.is_empty() { Bound::Unbounded } else { Bound::Included(from) };
        let bounds = (lower, Bound::Unbounded);
        let mut count = 0;
        for pair in self.database.range(&transaction, &bounds)?.take(limit) {
            show(pair?.1);
            count += 1;
        }
        Ok(count)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.environment.force_sync()?)
    }

    /// It uses free pages again and never gives them back; copying the file would.
    fn compact(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.sync()?;
        let closing = self.environment.prepare_for_closing();
        closing.wait();
        Ok(())
    }
}
