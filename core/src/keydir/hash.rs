//! The compact keydir: ten bytes an entry at any key length, keys verified in the log.
//!
//! The hash's top eight bits choose one of 256 shards, each with its own lock; the next 32 are the entry's
//! *tag*, which is kept. A shard is an open-addressed table whose entries stand in the order of their tags:
//! the place an entry wants is `tag × slots / 2³²`, so a table is grown by copying it from left to right,
//! without the keys, and a search ends at the first larger tag (linear probing in the order of the hash:
//! Amble and Knuth, "Ordered hash tables", 1974). A table grows by about a fifth at a time, so it is 72 to 86
//! per cent full and an entry takes 11.6 to 14 bytes; growing one shard is all that a write ever waits for.

use crate::sync::{PoisonError, RwLock};

use super::{Candidates, Loaded, Location};

const SHARD_BITS: u32 = 8;
pub(super) const SHARDS: usize = 1 << SHARD_BITS;

/// Fullest a table gets, in 1/64ths, and how full it is after growing: 55/64 = 0.86, 46/64 = 0.72.
const FULL: usize = 55;
const GROWN: usize = 46;

/// Slots behind the last wanted place, so that a search needs no wrapping; more are added where the last
/// run needs them.
const SLACK: usize = 16;

pub(super) struct HashKeydir {
    shards: Vec<RwLock<Shard>>,
}

/// Slot of the catalog, offset, tag; all as 16-bit pieces so that it takes ten bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry([u16; 5]);

/// No record stands at offset 0, where the header is.
const EMPTY: Entry = Entry([0; 5]);

impl Entry {
    fn new(tag: u32, at: Location) -> Entry {
        let ([o0, o1, o2, o3], [t0, t1, t2, t3]) = (at.offset.to_le_bytes(), tag.to_le_bytes());
        let pair = |low, high| u16::from_le_bytes([low, high]);
        Entry([at.slot, pair(o0, o1), pair(o2, o3), pair(t0, t1), pair(t2, t3)])
    }

    fn location(self) -> Location {
        let Entry([slot, low, high, ..]) = self;
        Location { slot, offset: u32::from(low) | u32::from(high) << 16 }
    }

    fn is_empty(self) -> bool {
        self.location().offset == 0
    }

    fn tag(self) -> u32 {
        let Entry([_, _, _, low, high]) = self;
        u32::from(low) | u32::from(high) << 16
    }
}

#[derive(Default)]
struct Shard {
    /// Places that an entry may want, and some slots behind them.
    entries: Vec<Entry>,
    places: usize,
    len: usize,
}

impl HashKeydir {
    pub(super) fn new() -> HashKeydir {
        HashKeydir { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }

    /// The shard and the tag of a hash.
    fn place(&self, hash: u64) -> Option<(&RwLock<Shard>, u32)> {
        Some((self.shards.get(shard_of(hash))?, tag_of(hash)))
    }

    fn read<T: Default>(&self, hash: u64, with: impl FnOnce(&Shard, u32) -> T) -> T {
        let Some((shard, tag)) = self.place(hash) else { return T::default() };
        with(&shard.read().unwrap_or_else(PoisonError::into_inner), tag)
    }

    fn write<T: Default>(&self, hash: u64, with: impl FnOnce(&mut Shard, u32) -> T) -> T {
        let Some((shard, tag)) = self.place(hash) else { return T::default() };
        with(&mut shard.write().unwrap_or_else(PoisonError::into_inner), tag)
    }

    fn each<T>(&self, mut with: impl FnMut(&Shard) -> T) -> impl Iterator<Item = T> {
        self.shards
            .iter()
            .map(move |shard| with(&shard.read().unwrap_or_else(PoisonError::into_inner)))
    }

    pub(super) fn len(&self) -> u64 {
        self.each(|shard| shard.len as u64).sum()
    }

    pub(super) fn candidates(&self, hash: u64) -> Candidates {
        self.read(hash, |shard, tag| {
            let mut candidates = Candidates::default();
            for (_, entry) in shard.with_tag(tag) {
                candidates.push(entry.location());
            }
            candidates
        })
    }

    pub(super) fn insert(&self, hash: u64, at: Location) {
        self.write(hash, |shard, tag| shard.insert(Entry::new(tag, at)));
    }

    /// Adds keys of one shard, up to the first that may be there or goes; returns how many. Makes room for all of them
    /// first.
    pub(super) fn load(&self, shard: usize, records: &[Loaded]) -> usize {
        let Some(shard) = self.shards.get(shard) else { return 0 };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        shard.reserve(records.len());
        let is_new = |shard: &Shard, record: &Loaded| {
            !record.tombstone && shard.with_tag(record.tag).next().is_none()
        };
        for (number, record) in records.iter().enumerate() {
            if !is_new(&shard, record) {
                return number;
            }
            shard.insert(Entry::new(record.tag, record.at()));
        }
        records.len()
    }

    /// Gives back what was reserved for more keys than came.
    pub(super) fn fit(&self, shard: usize) {
        let Some(shard) = self.shards.get(shard) else { return };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        let places = shard.len * 64 / GROWN;
        if places + SLACK < shard.places {
            shard.grow(places);
        }
    }

    pub(super) fn replace(&self, hash: u64, from: Location, to: Location) -> bool {
        self.write(hash, |shard, tag| match shard.find(Entry::new(tag, from)) {
            Some(place) => {
                if let Some(entry) = shard.entries.get_mut(place) {
                    *entry = Entry::new(tag, to);
                }
                true
            }
            None => false,
        })
    }

    pub(super) fn remove(&self, hash: u64, from: Location) -> bool {
        self.write(hash, |shard, tag| match shard.find(Entry::new(tag, from)) {
            Some(place) => {
                shard.remove(place);
                true
            }
            None => false,
        })
    }

    pub(super) fn all(&self) -> Vec<Location> {
        let mut all = Vec::new();
        self.each(|shard| {
            all.extend(shard.entries.iter().filter(|e| !e.is_empty()).map(|e| e.location()));
        })
        .for_each(drop);
        all
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        let entries: u64 =
            self.each(|shard| (shard.entries.capacity() * size_of::<Entry>()) as u64).sum();
        entries + (SHARDS * size_of::<RwLock<Shard>>()) as u64
    }
}

impl Shard {
    /// Where an entry with this tag wants to stand.
    fn wanted(&self, tag: u32) -> usize {
        wanted_in(self.places, tag)
    }

    /// The entries with this tag, and where they stand.
    fn with_tag(&self, tag: u32) -> impl Iterator<Item = (usize, Entry)> {
        let start = self.wanted(tag);
        let run = self.entries.get(start..).unwrap_or_default();
        (start..)
            .zip(run.iter().copied())
            .take_while(move |(_, entry)| !entry.is_empty() && entry.tag() <= tag)
            .filter(move |(_, entry)| entry.tag() == tag)
    }

    fn find(&self, wanted: Entry) -> Option<usize> {
        self.with_tag(wanted.tag()).find(|(_, entry)| *entry == wanted).map(|(place, _)| place)
    }

    /// Makes room for so many more entries.
    fn reserve(&mut self, more: usize) {
        let len = self.len + more;
        if self.places * FULL < len * 64 {
            self.grow(len * 64 / GROWN);
        }
    }

    fn insert(&mut self, entry: Entry) {
        if self.places * FULL < (self.len + 1) * 64 {
            self.grow((self.len + 1) * 64 / GROWN);
        }
        if !self.try_insert(entry) {
            // A run of entries has reached the last slot.
            self.entries.reserve_exact(SLACK);
            self.entries.resize(self.entries.len() + SLACK, EMPTY);
            self.try_insert(entry);
        }
        self.len += 1;
    }

    /// Puts the entry before the first larger tag and moves what follows by one, up to the next gap.
    fn try_insert(&mut self, entry: Entry) -> bool {
        let (start, tag) = (self.wanted(entry.tag()), entry.tag());
        let Some(run) = self.entries.get_mut(start..) else { return false };
        let Some(place) = run.iter().position(|e| e.is_empty() || tag < e.tag()) else {
            return false;
        };
        let Some(after) = run.get_mut(place..) else { return false };
        let Some(gap) = after.iter().position(|e| e.is_empty()) else { return false };
        after.copy_within(..gap, 1);
        if let Some(first) = after.first_mut() {
            *first = entry;
        }
        true
    }

    /// Closes the gap by moving back what does not stand where it wants to.
    fn remove(&mut self, place: usize) {
        let places = self.places;
        let Some(rest) = self.entries.get_mut(place..) else { return };
        let end = rest
            .iter()
            .enumerate()
            .skip(1)
            .find(|(i, e)| e.is_empty() || wanted_in(places, e.tag()) == place + i)
            .map_or(rest.len(), |(i, _)| i);
        if let Some(moved) = rest.get_mut(..end) {
            moved.rotate_left(1);
            if let Some(last) = moved.last_mut() {
                *last = EMPTY;
            }
        }
        self.len -= 1;
    }

    /// Makes a table with so many places, and copies from left to right.
    fn grow(&mut self, places: usize) {
        let places = places.max(8);
        let mut entries = Vec::new();
        entries.reserve_exact(places + SLACK);
        for entry in self.entries.iter().filter(|e| !e.is_empty()) {
            let wanted = wanted_in(places, entry.tag());
            if entries.len() < wanted {
                entries.resize(wanted, EMPTY);
            }
            entries.push(*entry);
        }
        let slots = entries.len().max(places + SLACK);
        entries.resize(slots, EMPTY);
        (self.entries, self.places) = (entries, places);
    }
}

/// The shard that a key with this hash is in.
pub(super) fn shard_of(hash: u64) -> usize {
    let [.., shard] = hash.to_le_bytes();
    usize::from(shard)
}

pub(super) fn tag_of(hash: u64) -> u32 {
    let [_, _, _, t0, t1, t2, t3, _] = hash.to_le_bytes();
    u32::from_le_bytes([t0, t1, t2, t3])
}

/// What is kept of a hash: its shard and its tag.
pub(super) fn kept_of(hash: u64) -> (usize, u32) {
    (shard_of(hash), tag_of(hash))
}

/// A hash with this shard and this tag.
pub(super) fn hash_of(shard: usize, tag: u32) -> u64 {
    (shard as u64) << 56 | u64::from(tag) << 24
}

/// Where a tag wants to stand among so many places.
fn wanted_in(places: usize, tag: u32) -> usize {
    usize::try_from((u64::from(tag) * places as u64) >> 32).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{Index, Keydir, Map};
    use super::*;
    use crate::memory::Memory;
    use crate::segment::Storage as _;
    use std::collections::BTreeMap;

    fn at(n: u64) -> Location {
        let offset = 72 + u32::try_from(n).unwrap();
        Location { slot: u16::try_from(n % 7).unwrap(), offset }
    }

    #[test]
    fn entries_come_back() {
        for (tag, slot, offset) in
            [(0, 0, 72), (u32::MAX, u16::MAX, u32::MAX), (0x1234_5678, 9, 1 << 20)]
        {
            let entry = Entry::new(tag, Location { slot, offset });
            assert_eq!((entry.tag(), entry.location()), (tag, Location { slot, offset }));
        }
        assert_eq!(size_of::<Entry>(), 10);
    }

    /// Against a map from hash to locations, with hashes that meet often: few shards, few tags.
    #[test]
    fn agrees_with_a_model_under_random_changes() {
        for seed in 0..30 {
            let random = Memory::new(seed);
            let keydir = HashKeydir::new();
            let mut model: BTreeMap<u64, Vec<Location>> = BTreeMap::new();
            for step in 0..3000 {
                let hash = match seed % 3 {
                    0 => random.random() & (0x01ff << 47),
                    1 => random.random(),
                    // All in the last places of one shard: runs reach the end of the table.
                    _ => u64::MAX - ((random.random() % 300) << 24),
                };
                let there = model.entry(hash).or_default();
                match random.random() % 4 {
                    0 | 1 => {
                        keydir.insert(hash, at(step));
                        there.push(at(step));
                    }
                    2 => {
                        let gone = there.pop();
                        let from = gone.unwrap_or(at(step));
                        assert_eq!(keydir.remove(hash, from), gone.is_some(), "seed {seed}");
                    }
                    _ => {
                        let old = there.last().copied();
                        let from = old.unwrap_or(at(step));
                        assert_eq!(
                            keydir.replace(hash, from, at(step)),
                            old.is_some(),
                            "seed {seed}"
                        );
                        if let Some(last) = there.last_mut() {
                            *last = at(step);
                        }
                    }
                }
            }
            let mut all: Vec<Location> = model.values().flatten().copied().collect();
            assert_eq!(keydir.len(), all.len() as u64, "seed {seed}");
            for (hash, expected) in &model {
                let mut found: Vec<Location> = keydir.candidates(*hash).iter().collect();
                let mut expected = expected.clone();
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "seed {seed}, hash {hash:#x}");
            }
            let mut found = keydir.all();
            found.sort_unstable();
            all.sort_unstable();
            assert_eq!(found, all, "seed {seed}");
        }
    }

    /// Hashes that whoever made a file chose so that all keys want the same places of one shard: an insert would look at all of
    /// them. None of them stands far from where it wants to.
    #[test]
    fn hashes_that_were_chosen_do_not_meet() {
        let furthest = |keydir: &HashKeydir| {
            let far = keydir.each(|shard| {
                let entries = shard.entries.iter().enumerate().filter(|(_, e)| !e.is_empty());
                entries.map(|(place, e)| place - shard.wanted(e.tag())).max().unwrap_or(0)
            });
            far.max().unwrap()
        };
        for choose in
            [|n: u64| n << 24, |n| n, |n| n << 32, |n| n << 56 | n << 10, |n| u64::MAX - n]
        {
            let random = Memory::new(5);
            for secret in (0..5).map(|_| random.random()) {
                let keydir = Keydir::new(Index::Hash, [0; 16], secret);
                let Map::Hash(map) = &keydir.map else { panic!("not hash") };
                (0..20_000).for_each(|n| map.insert(keydir.own_hash(choose(n)), at(n)));
                assert_eq!(map.len(), 20_000);
                assert!(furthest(map) < 500, "{} places away", furthest(map));
            }
        }
    }

    #[test]
    fn an_entry_takes_at_most_fourteen_bytes() {
        let random = Memory::new(1);
        let keydir = HashKeydir::new();
        let fixed = keydir.memory_bytes();
        for n in 0..200_000_u64 {
            keydir.insert(random.random(), at(n));
            if n > 50_000 && n % 1000 == 0 {
                let bytes = (keydir.memory_bytes() - fixed) as f64 / (n + 1) as f64;
                assert!(bytes <= 14.2, "{bytes} bytes a key at {n} keys");
            }
        }
    }
}
