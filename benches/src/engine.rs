//! [`Engine`]: what the workloads ask of a store, and mini-bitcask's answers.

use std::path::Path;

use bitcask::{Batch, Db, DbOptions, Durability, Go, Index, MergePolicy, Range, WriteOptions};

use crate::Result;
use crate::data::Key;
#[cfg(feature = "peers")]
use crate::peers::Peer;

/// An open store. Writes are un-synced where nothing else is said: they survive the process, not a power cut.
pub trait Engine: Sync {
    /// Writes one value; with `sync`, returns once it is durable.
    ///
    /// # Errors
    ///
    /// The store's; so everywhere below.
    fn put(&self, key: &[u8], value: &[u8], sync: bool) -> Result<()>;

    /// Writes many values in one transaction.
    fn put_all(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) -> Result<()>;

    /// Deletes many keys in one transaction.
    fn delete_all(&self, keys: &mut dyn Iterator<Item = Key>) -> Result<()>;

    /// Shows the value of a key; says whether it is there.
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool>;

    /// Shows values in the order of their keys, from this key on; says how many.
    fn scan(&self, from: &[u8], limit: usize, show: &mut dyn FnMut(&[u8])) -> Result<usize>;

    /// Makes everything that was written durable.
    fn sync(&self) -> Result<()>;

    /// Frees what is dead, all of it. Returns the bytes that were read, if the store tells.
    fn compact(&mut self) -> Result<Option<u64>>;

    /// Closes the store.
    fn close(self: Box<Self>) -> Result<()>;

    /// Bytes of memory that the index takes, if the store tells.
    fn index_bytes(&self) -> Option<u64> {
        None
    }

    /// Syncs so far, if the store tells.
    fn syncs(&self) -> Option<u64> {
        None
    }
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// mini-bitcask with this keydir.
    Bitcask(Index),
    /// Another one.
    #[cfg(feature = "peers")]
    Other(Peer),
}

impl Kind {
    /// All that were compiled in.
    pub const ALL: &'static [Kind] = &[
        Kind::Bitcask(Index::Hash),
        Kind::Bitcask(Index::Ordered),
        #[cfg(feature = "peers")]
        Kind::Other(Peer::Fjall),
        #[cfg(feature = "peers")]
        Kind::Other(Peer::Redb),
        #[cfg(feature = "peers")]
        Kind::Other(Peer::Lmdb),
        #[cfg(feature = "peers")]
        Kind::Other(Peer::Sled),
        #[cfg(feature = "peers")]
        Kind::Other(Peer::Sqlite),
        #[cfg(feature = "rocksdb")]
        Kind::Other(Peer::Rocksdb),
    ];

    /// Its name in the results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bitcask(Index::Hash) => "hash",
            Kind::Bitcask(Index::Ordered) => "ordered",
            #[cfg(feature = "peers")]
            Kind::Other(peer) => peer.name(),
        }
    }

    /// Whether a scan begins without visiting all keys.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        self != Kind::Bitcask(Index::Hash)
    }

    /// Opens or makes the store in this folder.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn open(self, path: &Path) -> Result<Box<dyn Engine>> {
        match self {
            Kind::Bitcask(index) => Ok(Box::new(Bitcask::open(path, Db::options().index(index))?)),
            #[cfg(feature = "peers")]
            Kind::Other(peer) => peer.open(path, false),
        }
    }

    /// As [`Kind::open`], for puts that are all durable: some stores are set up for that when they are opened.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn open_synced(self, path: &Path) -> Result<Box<dyn Engine>> {
        match self {
            Kind::Bitcask(_) => self.open(path),
            #[cfg(feature = "peers")]
            Kind::Other(peer) => peer.open(path, true),
        }
    }

    /// As [`Kind::open`], but where the store has segments there is only one: nothing is sealed before it is closed.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn open_unsealed(self, path: &Path) -> Result<Option<Box<dyn Engine>>> {
        match self {
            Kind::Bitcask(index) => {
                let options = Db::options().index(index).segment_bytes(1 << 32);
                Ok(Some(Box::new(Bitcask::open(path, options)?)))
            }
            #[cfg(feature = "peers")]
            Kind::Other(_) => Ok(None),
        }
    }

    /// As [`Kind::open`], but without threads where the store can do without, and with short segments, so that the same
    /// calls are always the same work: for counting instructions.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn open_alone(self, path: &Path) -> Result<Box<dyn Engine>> {
        match self {
            Kind::Bitcask(index) => {
                let options = Db::options().index(index).background(false).segment_bytes(1 << 20);
                Ok(Box::new(Bitcask::open(path, options)?))
            }
            #[cfg(feature = "peers")]
            Kind::Other(_) => self.open(path),
        }
    }
}

/// As a program uses it, with its background thread; only merging is left to the workload that times it.
struct Bitcask {
    store: Db,
}

impl Bitcask {
    fn open(path: &Path, options: DbOptions) -> Result<Bitcask> {
        let options = options.durability(Durability::None).auto_merge(None).program("benchmark");
        Ok(Bitcask { store: options.open(path)? })
    }
}

impl Engine for Bitcask {
    fn put(&self, key: &[u8], value: &[u8], sync: bool) -> Result<()> {
        let durability = if sync { Durability::Always } else { Durability::None };
        self.store.put_with(key, value, &WriteOptions::durability(durability))?;
        Ok(())
    }

    fn put_all(&self, pairs: &mut dyn Iterator<Item = (Key, &[u8])>) -> Result<()> {
        let mut batch = Batch::new();
        for (key, value) in pairs {
            batch.put(&key, value)?;
        }
        self.store.write(&batch, &WriteOptions::default())?;
        Ok(())
    }

    fn delete_all(&self, keys: &mut dyn Iterator<Item = Key>) -> Result<()> {
        let mut batch = Batch::new();
        for key in keys {
            batch.delete(&key)?;
        }
        self.store.write(&batch, &WriteOptions::default())?;
        Ok(())
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
        let mut scan = self.store.scan(Range::all().gte(from).limit(limit));
        while let Some(entry) = scan.lend() {
            show(entry?.value);
            count += 1;
        }
        Ok(count)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.store.sync()?)
    }

    fn compact(&mut self) -> Result<Option<u64>> {
        let report = self.store.merge(&MergePolicy::full(), &mut |_| Go::On)?;
        Ok(Some(report.bytes_read))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.store.close()?)
    }

    fn index_bytes(&self) -> Option<u64> {
        Some(self.store.stats().keydir_bytes)
    }

    fn syncs(&self) -> Option<u64> {
        Some(self.store.stats().syncs)
    }
}
