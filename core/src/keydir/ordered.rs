//! The ordered keydir: keys in memory, in byte order.

use std::ops::Bound;

use super::packed::PackedMap;
use super::{Location, Run};
use crate::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(super) struct OrderedKeydir {
    map: RwLock<PackedMap>,
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

    /// Whether no key can lie within.
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

impl OrderedKeydir {
    pub(super) fn new() -> OrderedKeydir {
        OrderedKeydir { map: RwLock::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, PackedMap> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, PackedMap> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> u64 {
        self.read().len() as u64
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Location> {
        self.read().get(key)
    }

    pub(super) fn insert_new(&self, key: &[u8], at: Location) -> bool {
        self.write().insert_new(key, at)
    }

    pub(super) fn replace(&self, key: &[u8], from: Location, to: Location) -> bool {
        self.write().replace(key, from, to)
    }

    pub(super) fn remove(&self, key: &[u8], from: Location) -> bool {
        self.write().remove(key, from)
    }

    /// Adds the keys to a run that is empty.
    pub(super) fn range(&self, bounds: &Bounds, limit: usize, keys: &mut Run) {
        if bounds.is_empty() {
            return;
        }
        let map = self.read();
        let from = match &bounds.lower {
            Bound::Included(key) => map.place_of(key, false),
            Bound::Excluded(key) => map.place_of(key, true),
            Bound::Unbounded => (0, 0, 0),
        };
        let to = match &bounds.upper {
            Bound::Included(key) => map.place_of(key, true),
            Bound::Excluded(key) => map.place_of(key, false),
            Bound::Unbounded => map.end(),
        };
        match bounds.reverse {
            false => map.walk(from, to, limit, keys),
            true => map.walk_back(from, to, limit, keys),
        }
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.read().memory_bytes() as u64
    }
}
