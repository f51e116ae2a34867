//! The ordered keydir: keys in memory, in byte order.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use super::Location;

type Map = BTreeMap<Box<[u8]>, Location>;

pub(super) struct OrderedKeydir {
    map: RwLock<Map>,
    key_bytes: AtomicU64,
}

/// What part of the keys a scan still wants, and from which end.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) lower: Bound<Vec<u8>>,
    pub(crate) upper: Bound<Vec<u8>>,
    /// From the last to the first.
    pub(crate) reverse: bool,
}

impl Bounds {
    /// Whether a key lies within.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        let above = match &self.lower {
            Bound::Included(lower) => lower.as_slice() <= key,
            Bound::Excluded(lower) => lower.as_slice() < key,
            Bound::Unbounded => true,
        };
        above
            && match &self.upper {
                Bound::Included(upper) => key <= upper.as_slice(),
                Bound::Excluded(upper) => key < upper.as_slice(),
                Bound::Unbounded => true,
            }
    }

    /// Whether no key can lie within; `BTreeMap::range` panics on some of these.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.lower, &self.upper) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(lower), Bound::Included(upper)) => upper < lower,
            (
                Bound::Included(lower) | Bound::Excluded(lower),
                Bound::Included(upper) | Bound::Excluded(upper),
            ) => upper <= lower,
        }
    }

    /// Leaves out everything up to this key, in the direction of the scan.
    pub(crate) fn go_on_after(&mut self, key: Vec<u8>) {
        match self.reverse {
            false => self.lower = Bound::Excluded(key),
            true => self.upper = Bound::Excluded(key),
        }
    }
}

fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

impl OrderedKeydir {
    pub(super) fn new() -> OrderedKeydir {
        OrderedKeydir { map: RwLock::default(), key_bytes: AtomicU64::new(0) }
    }

    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> u64 {
        self.read().len() as u64
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Location> {
        self.read().get(key).copied()
    }

    pub(super) fn insert(&self, key: &[u8], at: Location) {
        self.key_bytes.fetch_add(key.len() as u64, Ordering::Relaxed);
        self.write().insert(key.into(), at);
    }

    pub(super) fn insert_new(&self, key: &[u8], at: Location) -> bool {
        let mut map = self.write();
        let Entry::Vacant(place) = map.entry(key.into()) else {
            return false;
        };
        place.insert(at);
        self.key_bytes.fetch_add(key.len() as u64, Ordering::Relaxed);
        true
    }

    pub(super) fn replace(&self, key: &[u8], from: Location, to: Location) -> bool {
        match self.write().get_mut(key) {
            Some(at) if *at == from => {
                *at = to;
                true
            }
            _ => false,
        }
    }

    pub(super) fn remove(&self, key: &[u8], from: Location) -> bool {
        let mut map = self.write();
        if map.get(key) != Some(&from) {
            return false;
        }
        map.remove(key);
        self.key_bytes.fetch_sub(key.len() as u64, Ordering::Relaxed);
        true
    }

    pub(super) fn range(&self, bounds: &Bounds, limit: usize) -> Vec<(Vec<u8>, Location)> {
        if bounds.is_empty() {
            return Vec::new();
        }
        let map = self.read();
        let range = map.range::<[u8], _>((borrowed(&bounds.lower), borrowed(&bounds.upper)));
        match bounds.reverse {
            false => range.take(limit).map(|(key, at)| (key.to_vec(), *at)).collect(),
            true => range.rev().take(limit).map(|(key, at)| (key.to_vec(), *at)).collect(),
        }
    }

    /// Keys and entries, and what a B-tree and an allocator add by measurement: about 37 bytes a key.
    pub(super) fn memory_bytes(&self) -> u64 {
        const ENTRY: u64 = size_of::<(Box<[u8]>, Location)>() as u64;
        self.key_bytes.load(Ordering::Relaxed) + self.len() * (ENTRY * 4 / 3 + 8)
    }
}
