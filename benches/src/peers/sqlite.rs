//! SQLite: a tree of pages with a write-ahead log.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::Result;
use crate::data::Key;
use crate::engine::Engine;

const CACHE_KIB: i32 = 1 << 18;

/// One connection that writes, and one a reading thread. A commit is in the page cache (`synchronous = OFF`: no sync, not even at a
/// checkpoint), or durable (`FULL`) where that is asked for at opening.
pub(crate) struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, synced: bool) -> Result<Sqlite> {
        std::fs::create_dir_all(path)?;
        let path = path.join("benchmark.sqlite");
        let writer = connect(&path)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", if synced { "FULL" } else { "OFF" })?;
        writer.execute_batch(
            "CREATE TABLE IF NOT EXISTS benchmark (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
        )?;
        Ok(Sqlite { path, writer: Mutex::new(writer), readers: Mutex::default() })
    }

    fn commit(&self, act: impl FnOnce(&Transaction<'_>) -> Result<()>) -> Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = writer.transaction()?;
        act(&transaction)?;
        Ok(transaction.commit()?)
    }

    /// With a connection that no other thread uses meanwhile.
    fn read<T>(&self, act: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => connect(&self.path)?,
        };
        let result = act(&reader);
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        result
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "mmap_size", 1_i64 << 36)?;
    Ok(connection)
}

const PUT: &str =
    "INSERT INTO benchmark VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";

impl Engine for Sqlite {
    /// A commit syncs, or not, as the connection was set up.
    fn put(&self, key: &[u8], value: &[u8], _sync: bool) -> Result<()> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.prepare_cached(PUT)?.execute(params![key, value])?;
        Ok(())
    }

    fn put_all(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) -> Result<()> {
        self.commit(|transaction| {
            let mut put = transaction.prepare_cached(PUT)?;
            for (key, value) in pairs {
                put.execute(params![key.as_slice(), value])?;
            }
            Ok(())
        })
    }

    fn delete_all(&self, keys: &mut dyn Iterator<Item = Key>) -> Result<()> {
        self.commit(|transaction| {
            let mut delete = transaction.prepare_cached("DELETE FROM benchmark WHERE key = ?1")?;
            for key in keys {
                delete.execute(params![key.as_slice()])?;
            }
            Ok(())
        })
    }

    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        self.read(|reader| {
            let mut get = reader.prepare_cached("SELECT value FROM benchmark WHERE key = ?1")?;
            let shown = get.query_row([key], |row| {
                show(row.get_ref(0)?.as_blob()?);
                Ok(())
            });
            Ok(shown.optional()?.is_some())
        })
    }

    fn scan(&self, from: &[u8], limit: usize, show: &mut dyn FnMut(&[u8])) -> Result<usize> {
        self.read(|reader| {
            let mut scan = reader.prepare_cached(
                "SELECT value FROM benchmark WHERE key >= ?1 ORDER BY key LIMIT ?2",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = scan.query(params![from, limit])?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                show(row.get_ref(0)?.as_blob()?);
                count += 1;
            }
            Ok(count)
        })
    }

    /// A checkpoint: it syncs the log before the pages.
    fn sync(&self) -> Result<()> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn compact(&mut self) -> Result<Option<u64>> {
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        writer.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(None)
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.readers.into_inner());
        let writer = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        writer.close().map_err(|(_, error)| error.into())
    }
}
