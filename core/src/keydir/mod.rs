//! The keydir: from keys to the places of their latest records.
//!
//! Two kinds behind one type, on the same files. [`hash`] keeps no keys: an entry is ten bytes whatever the
//! key's length, and the key is verified in the log. [`ordered`] keeps the keys, for scans.
//!
//! No lock of a keydir is ever held across I/O. Every change names the location that it replaces
//! (compare and swap), so a merge that repoints and a write that supersedes cannot undo each other.

mod hash;
#[cfg(all(test, loom))]
mod interleaved;
mod ordered;

use crate::format::seal::key_hash;
use hash::HashKeydir;
use ordered::OrderedKeydir;

pub(crate) use ordered::Bounds;

/// Where a record stands: a slot of the catalog of segments, and the offset there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    pub(crate) slot: u16,
    pub(crate) offset: u32,
}

/// Which keydir a store uses. Both work on the same files; the choice is made at every opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Index {
    /// At most 15 bytes of memory a key, whatever its length; a scan gathers and sorts all keys first.
    Hash,
    /// Keys in memory, in order: scans begin at once.
    #[default]
    Ordered,
}

/// A key and what is known of it before any lookup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) hash: u64,
}

/// From keys to locations.
pub(crate) struct Keydir {
    map: Map,
    store_id: [u8; 16],
}

enum Map {
    Hash(HashKeydir),
    Ordered(OrderedKeydir),
}

impl Keydir {
    pub(crate) fn new(index: Index, store_id: [u8; 16]) -> Keydir {
        let map = match index {
            Index::Hash => Map::Hash(HashKeydir::new()),
            Index::Ordered => Map::Ordered(OrderedKeydir::new()),
        };
        Keydir { map, store_id }
    }

    /// Prepares a key for the other calls.
    pub(crate) fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        let hash = match self.map {
            Map::Hash(_) => key_hash(&self.store_id, bytes),
            Map::Ordered(_) => 0,
        };
        Key { bytes, hash }
    }

    /// Whether hashes are enough to load it.
    pub(crate) fn takes_hashes(&self) -> bool {
        matches!(self.map, Map::Hash(_))
    }

    pub(crate) fn len(&self) -> u64 {
        match &self.map {
            Map::Hash(map) => map.len(),
            Map::Ordered(map) => map.len(),
        }
    }

    /// The places where the key's latest record may stand, nearly always one at most: those whose hash is
    /// the key's. The caller reads the record and compares the key.
    pub(crate) fn candidates(&self, key: Key<'_>) -> Candidates {
        match &self.map {
            Map::Hash(map) => map.candidates(key.hash),
            Map::Ordered(map) => Candidates::one(map.get(key.bytes)),
        }
    }

    /// Adds a key that is not there.
    pub(crate) fn insert(&self, key: Key<'_>, at: Location) {
        match &self.map {
            Map::Hash(map) => map.insert(key.hash, at),
            Map::Ordered(map) => map.insert(key.bytes, at),
        }
    }

    /// Adds a key unless it may be there, in one search of an ordered keydir: for loading, where most keys are new.
    pub(crate) fn insert_new(&self, key: Key<'_>, at: Location) -> bool {
        match &self.map {
            Map::Hash(map) => {
                let new = map.candidates(key.hash).iter().next().is_none();
                if new {
                    map.insert(key.hash, at);
                }
                new
            }
            Map::Ordered(map) => map.insert_new(key.bytes, at),
        }
    }

    /// Points a key from one location to another, if it still points at the first.
    pub(crate) fn replace(&self, key: Key<'_>, from: Location, to: Location) -> bool {
        match &self.map {
            Map::Hash(map) => map.replace(key.hash, from, to),
            Map::Ordered(map) => map.replace(key.bytes, from, to),
        }
    }

    /// Removes a key, if it still points at this location.
    pub(crate) fn remove(&self, key: Key<'_>, from: Location) -> bool {
        match &self.map {
            Map::Hash(map) => map.remove(key.hash, from),
            Map::Ordered(map) => map.remove(key.bytes, from),
        }
    }

    /// Whether the key points at this location.
    pub(crate) fn points_at(&self, key: Key<'_>, at: Location) -> bool {
        self.candidates(key).iter().any(|candidate| candidate == at)
    }

    /// All locations, in no order: the `hash` keydir's way to a scan. `None` for `ordered`.
    pub(crate) fn all(&self) -> Option<Vec<Location>> {
        match &self.map {
            Map::Hash(map) => Some(map.all()),
            Map::Ordered(_) => None,
        }
    }

    /// The next `limit` keys within bounds, in the order asked for. Empty for `hash`.
    pub(crate) fn range(&self, bounds: &Bounds, limit: usize) -> Vec<(Vec<u8>, Location)> {
        match &self.map {
            Map::Hash(_) => Vec::new(),
            Map::Ordered(map) => map.range(bounds, limit),
        }
    }

    /// Bytes of memory that it takes, as far as it knows.
    pub(crate) fn memory_bytes(&self) -> u64 {
        match &self.map {
            Map::Hash(map) => map.memory_bytes(),
            Map::Ordered(map) => map.memory_bytes(),
        }
    }
}

/// A few locations without allocating: one nearly always, more where hashes meet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    first: Option<Location>,
    more: Vec<Location>,
}

impl Candidates {
    fn one(at: Option<Location>) -> Candidates {
        Candidates { first: at, more: Vec::new() }
    }

    fn push(&mut self, at: Location) {
        match self.first {
            None => self.first = Some(at),
            Some(_) => self.more.push(at),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Location> {
        self.first.into_iter().chain(self.more.iter().copied())
    }
}
