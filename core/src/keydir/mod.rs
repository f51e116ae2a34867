//! The keydir: from keys to the places of their latest records.
//!
//! Two kinds behind one type, on the same files. [`hash`] keeps no keys: an entry is ten bytes whatever the
//! key's length, and the key is verified in the log. [`ordered`] keeps the keys, for scans.
//!
//! No lock of a keydir is ever held across I/O. Every change names the location that it replaces
//! (compare and swap), so a merge that repoints and a write that supersedes cannot undo each other.

mod guide;
mod hash;
#[cfg(all(test, loom))]
mod interleaved;
mod leaf;
mod ordered;
mod packed;

use crate::format::seal::key_hash;
use crate::order::keys_in_order;
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
    /// Not the one that hints hold: see [`Keydir::hashed`].
    pub(crate) hash: u64,
}

impl Key<'_> {
    /// Whether both are found at the same places: as much of their hashes as a keydir looks at is the same.
    pub(crate) fn meets(&self, other: Key<'_>) -> bool {
        hash::kept_of(self.hash) == hash::kept_of(other.hash)
    }
}

/// A put or a tombstone that is being loaded into a shard, of a key of which no more is known than the hash: 16 bytes, of
/// which many wait together.
#[derive(Clone, Copy)]
pub(crate) struct Loaded {
    /// What an entry keeps of the hash.
    tag: u32,
    offset: u32,
    len_low: u32,
    slot: u16,
    len_high: u8,
    pub(crate) tombstone: bool,
}

impl Loaded {
    /// `len` is that of the record in bytes, a little more than 4 GiB at most.
    pub(crate) fn new(hash: u64, at: Location, len: u64, tombstone: bool) -> Loaded {
        let [l0, l1, l2, l3, len_high, ..] = len.to_le_bytes();
        let len_low = u32::from_le_bytes([l0, l1, l2, l3]);
        let tag = hash::tag_of(hash);
        Loaded { tag, offset: at.offset, len_low, slot: at.slot, len_high, tombstone }
    }

    pub(crate) fn at(&self) -> Location {
        Location { slot: self.slot, offset: self.offset }
    }

    pub(crate) fn len(&self) -> u64 {
        u64::from(self.len_low) | u64::from(self.len_high) << 32
    }

    /// As much of the hash as a keydir looks at, in this shard.
    pub(crate) fn hash(&self, shard: usize) -> u64 {
        hash::hash_of(shard, self.tag)
    }
}

/// From keys to locations.
pub(crate) struct Keydir {
    map: Map,
    store_id: [u8; 16],
    secret: u64,
}

enum Map {
    Hash(HashKeydir),
    Ordered(OrderedKeydir),
}

impl Keydir {
    /// `secret` is random, and new each time: whoever made the files knows the hashes of their keys, and could choose those that all
    /// want one place.
    pub(crate) fn new(index: Index, store_id: [u8; 16], secret: u64) -> Keydir {
        let map = match index {
            Index::Hash => Map::Hash(HashKeydir::new()),
            Index::Ordered => Map::Ordered(OrderedKeydir::new()),
        };
        Keydir { map, store_id, secret }
    }

    /// Prepares a key for the other calls.
    pub(crate) fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        match self.map {
            Map::Hash(_) => self.hashed(bytes, key_hash(&self.store_id, bytes)),
            Map::Ordered(_) => Key { bytes, hash: 0 },
        }
    }

    /// The same where its hash is known, as hints hold it; then the bytes may be left out for a while.
    pub(crate) fn hashed<'a>(&self, bytes: &'a [u8], hash: u64) -> Key<'a> {
        Key { bytes, hash: self.own_hash(hash) }
    }

    /// The hash that keys are found by. One to one with that in hints, so that only hashes that are equal meet.
    fn own_hash(&self, hash: u64) -> u64 {
        let mixed = (hash ^ self.secret).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Multiplying carries upward only: what is below comes down, and is carried up again. By a number that nobody knows
        // (Dietzfelbinger and others, 1997), whatever was chosen is spread over shards and tags.
        (mixed ^ (mixed >> 32)).wrapping_mul(self.secret.rotate_left(29) | 1)
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
            Map::Ordered(map) => drop(map.insert_new(key.bytes, at)),
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

    /// How many parts there are that can be loaded beside each other; 1 where keys are loaded one by one.
    pub(crate) fn shards(&self) -> usize {
        match &self.map {
            Map::Hash(_) => hash::SHARDS,
            Map::Ordered(_) => 1,
        }
    }

    /// The part that a key with this hash is in.
    pub(crate) fn shard_of(&self, hash: u64) -> usize {
        match &self.map {
            Map::Hash(_) => hash::shard_of(hash),
            Map::Ordered(_) => 0,
        }
    }

    /// Adds keys of one shard, up to the first that may be there or is deleted; returns how many.
    pub(crate) fn load(&self, shard: usize, records: &[Loaded]) -> usize {
        match &self.map {
            Map::Hash(map) => map.load(shard, records),
            Map::Ordered(_) => 0,
        }
    }

    /// Gives back memory of a shard once all is loaded.
    pub(crate) fn fit(&self, shard: usize) {
        if let Map::Hash(map) = &self.map {
            map.fit(shard);
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

    /// The next `limit` keys within bounds, in the order asked for, in the place of what the run held. None of `hash`.
    pub(crate) fn range(&self, bounds: &Bounds, limit: usize, run: &mut Run) {
        run.bytes.clear();
        run.places.clear();
        if let Map::Ordered(map) = &self.map {
            map.range(bounds, limit, run);
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

/// Keys and where they stand, one behind another in memory: what a scan goes through.
#[derive(Default)]
pub(crate) struct Run {
    bytes: Vec<u8>,
    places: Vec<KeyPlace>,
}

#[derive(Clone, Copy)]
struct KeyPlace {
    start: usize,
    len: u16,
    at: Option<Location>,
}

impl Run {
    pub(crate) fn push(&mut self, key: &[u8], at: Option<Location>) {
        let len = u16::try_from(key.len()).unwrap_or(u16::MAX);
        self.places.push(KeyPlace { start: self.bytes.len(), len, at });
        self.bytes.extend_from_slice(key);
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// A key, and where it stands if that is known.
    pub(crate) fn get(&self, number: usize) -> Option<(&[u8], Option<Location>)> {
        let place = self.places.get(number)?;
        Some((self.key(place), place.at))
    }

    fn key(&self, place: &KeyPlace) -> &[u8] {
        self.bytes.get(place.start..place.start + usize::from(place.len)).unwrap_or_default()
    }

    /// Puts them into order. Of two that are equal the one stays that was pushed first.
    pub(crate) fn sort(&mut self, reverse: bool) {
        let mut order = keys_in_order(self.places.iter().map(|place| self.key(place)));
        order.dedup_by(|later, earlier| later.0 == earlier.0);
        let places = order.iter().filter_map(|(_, number)| self.places.get(*number).copied());
        let mut places: Vec<KeyPlace> = places.collect();
        if reverse {
            places.reverse();
        }
        self.places = places;
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
