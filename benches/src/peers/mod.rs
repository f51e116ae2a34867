//! Other stores under the same workloads, each set up for the same promises; `docs/benchmarks/README.md` has their settings.

mod fjall;
mod lmdb;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sled;
mod sqlite;

use std::path::Path;

use crate::Result;
use crate::engine::Engine;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A tree of sorted runs.
    Fjall,
    /// A copy-on-write tree.
    Redb,
    /// A copy-on-write tree in a mapped file, by `heed`.
    Lmdb,
    /// A tree of pages in a log.
    Sled,
    /// SQLite with a write-ahead log, by `rusqlite`.
    Sqlite,
    /// A tree of sorted runs, by the system's library.
    #[cfg(feature = "rocksdb")]
    Rocksdb,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Fjall => "fjall",
            Peer::Redb => "redb",
            Peer::Lmdb => "LMDB",
            Peer::Sled => "sled",
            Peer::Sqlite => "SQLite",
            #[cfg(feature = "rocksdb")]
            Peer::Rocksdb => "RocksDB",
        }
    }

    /// Opens or makes the store in this folder. `synced` is for the rows in which every put is durable: some stores are set up
    /// for that when they are opened.
    pub(crate) fn open(self, path: &Path, synced: bool) -> Result<Box<dyn Engine>> {
        Ok(match self {
            Peer::Fjall => Box::new(fjall::Fjall::open(path)?),
            Peer::Redb => Box::new(redb::Redb::open(path)?),
            Peer::Lmdb => Box::new(lmdb::Lmdb::open(path, synced)?),
            Peer::Sled => Box::new(sled::Sled::open(path)?),
            Peer::Sqlite => Box::new(sqlite::Sqlite::open(path, synced)?),
            #[cfg(feature = "rocksdb")]
            Peer::Rocksdb => Box::new(rocksdb::Rocksdb::open(path)?),
        })
    }
}
