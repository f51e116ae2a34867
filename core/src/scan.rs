//! Scans: the entries within a range, in byte order, forward or backward.

use std::collections::VecDeque;
use std::ops::Bound;

use crate::error::{Error, Result};
use crate::format::walk::Depth;
use crate::keydir::{Bounds, Location};
use crate::order::{keys_in_order, take_in_order};
use crate::read::record_at;
use crate::segment::Storage;
use crate::snapshot::Snapshot;
use crate::store::Entry;

/// Keys that are taken from the keydir at a time: its lock is held for no longer than that.
const CHUNK_LEN: usize = 256;

/// Which keys a scan visits, in which order, and how many. Begin with [`Range::all`] or [`Range::prefix`]; each
/// bound narrows what was there before.
#[derive(Clone, Debug)]
pub struct Range {
    bounds: Bounds,
    limit: usize,
}

impl Range {
    /// All keys, from the first to the last.
    #[must_use]
    pub fn all() -> Range {
        let bounds = Bounds { lower: Bound::Unbounded, upper: Bound::Unbounded, reverse: false };
        Range { bounds, limit: usize::MAX }
    }

    /// The keys that begin with these bytes.
    #[must_use]
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Range {
        Range::all().and_prefix(prefix)
    }

    /// Of these, the keys that begin with these bytes.
    #[must_use]
    pub fn and_prefix(self, prefix: impl AsRef<[u8]>) -> Range {
        let prefix = prefix.as_ref();
        let range = self.gte(prefix);
        match successor_of_prefix(prefix) {
            Some(end) => range.lt(end),
            None => range,
        }
    }

    /// Of these, the keys after this one.
    #[must_use]
    pub fn gt(self, key: impl AsRef<[u8]>) -> Range {
        self.above(Bound::Excluded(key.as_ref().to_vec()))
    }

    /// Of these, this key and those after it.
    #[must_use]
    pub fn gte(self, key: impl AsRef<[u8]>) -> Range {
        self.above(Bound::Included(key.as_ref().to_vec()))
    }

    /// Of these, the keys before this one.
    #[must_use]
    pub fn lt(self, key: impl AsRef<[u8]>) -> Range {
        self.below(Bound::Excluded(key.as_ref().to_vec()))
    }

    /// Of these, this key and those before it.
    #[must_use]
    pub fn lte(self, key: impl AsRef<[u8]>) -> Range {
        self.below(Bound::Included(key.as_ref().to_vec()))
    }

    /// From the last to the first.
    #[must_use]
    pub fn reverse(mut self) -> Range {
        self.bounds.reverse = true;
        self
    }

    /// At most so many entries.
    #[must_use]
    pub fn limit(self, limit: usize) -> Range {
        Range { limit, ..self }
    }

    fn above(mut self, lower: Bound<Vec<u8>>) -> Range {
        if rank(&self.bounds.lower, false) < rank(&lower, false) {
            self.bounds.lower = lower;
        }
        self
    }

    fn below(mut self, upper: Bound<Vec<u8>>) -> Range {
        if rank(&upper, true) < rank(&self.bounds.upper, true) {
            self.bounds.upper = upper;
        }
        self
    }
}

/// How far right a bound stands. At one key, an excluded lower bound is right of an included one, and an
/// included upper bound right of an excluded one.
fn rank(bound: &Bound<Vec<u8>>, upper: bool) -> (u8, &[u8], bool) {
    match bound {
        Bound::Unbounded if upper => (2, &[], false),
        Bound::Unbounded => (0, &[], false),
        Bound::Included(key) => (1, key, upper),
        Bound::Excluded(key) => (1, key, !upper),
    }
}

/// The first key after all those with this prefix; `None` where there is none (empty, or all `0xff`).
fn successor_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=keep)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

/// An iterator over the entries of a range, as of one moment: it holds a snapshot.
///
/// With the `hash` keydir the first step reads all keys and sorts those in range.
///
/// A record that is damaged gives an error in its place, or, where not even its key can be read, before all others; the
/// next step goes on behind it.
pub struct Scan<S: Storage> {
    snapshot: Snapshot<S>,
    bounds: Bounds,
    left: usize,
    chunk: VecDeque<(Vec<u8>, Option<Location>)>,
    /// What was wrong with records whose keys could not be read.
    keyless: VecDeque<Error>,
    /// Nothing is left behind the chunk.
    exhausted: bool,
}

impl<S: Storage> Scan<S> {
    pub(crate) fn new(snapshot: Snapshot<S>, range: Range) -> Scan<S> {
        let Range { bounds, limit } = range;
        Scan {
            snapshot,
            bounds,
            left: limit,
            chunk: VecDeque::new(),
            keyless: VecDeque::new(),
            exhausted: false,
        }
    }

    /// Takes the next keys and where they stand.
    fn refill(&mut self) -> Result<()> {
        let keys = match self.snapshot.inner().keydir.all() {
            Some(all) => {
                self.exhausted = true;
                self.gather(all)?
            }
            None => self.next_of_ordered(),
        };
        self.chunk = keys.into();
        Ok(())
    }

    /// The next keys of an ordered keydir, and those of the history that lie between.
    fn next_of_ordered(&mut self) -> Vec<(Vec<u8>, Option<Location>)> {
        let inner = self.snapshot.inner();
        let found = inner.keydir.range(&self.bounds, CHUNK_LEN);
        let mut within = self.bounds.clone();
        match found.last() {
            Some((last, _)) if found.len() == CHUNK_LEN => {
                let last = last.clone();
                match within.reverse {
                    false => within.upper = Bound::Included(last.clone()),
                    true => within.lower = Bound::Included(last.clone()),
                }
                self.bounds.go_on_after(last);
            }
            _ => self.exhausted = true,
        }
        // Keys that were removed since the snapshot: asked for after the keydir, so that none slips between.
        let superseded = inner.snapshots.superseded(&within);
        merged(found, true, superseded, self.bounds.reverse)
    }

    /// All keys within bounds of a keydir that does not keep them.
    fn gather(&mut self, all: Vec<Location>) -> Result<Vec<(Vec<u8>, Option<Location>)>> {
        let inner = self.snapshot.inner();
        let mut found = Vec::new();
        for at in all {
            // Segments stay while this snapshot lives, so what was found can be read.
            let Some(entry) = inner.catalog.get(at.slot) else { continue };
            let key = match record_at(&entry, u64::from(at.offset), Depth::Heads) {
                Ok(record) => record.key,
                Err(error) if error.is_damage() => {
                    self.keyless.push_back(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if self.bounds.contains(&key) {
                found.push((key.to_vec(), at));
            }
        }
        let superseded = inner.snapshots.superseded(&self.bounds);
        Ok(merged(found, false, superseded, self.bounds.reverse))
    }

    /// The next key of the range, which may be none of this snapshot, and where it may stand.
    fn next_place(&mut self) -> Option<Result<(Vec<u8>, Option<Location>)>> {
        while self.left > 0 {
            if let Some(error) = self.keyless.pop_front() {
                return Some(Err(error));
            }
            if let Some(place) = self.chunk.pop_front() {
                return Some(Ok(place));
            }
            if self.exhausted {
                return None;
            }
            if let Err(error) = self.refill() {
                self.left = 0;
                return Some(Err(error));
            }
        }
        None
    }

    fn entry(&self, key: &[u8], at: Option<Location>) -> Result<Option<Entry>> {
        let there = match at {
            Some(at) => self.snapshot.at_location(key, at),
            None => Ok(None),
        };
        match there {
            // Where the place no longer tells, the whole way does.
            Ok(None) | Err(_) => self.snapshot.get_entry(key),
            found => found,
        }
    }

    fn is_there(&self, key: &[u8], at: Option<Location>) -> Result<bool> {
        if at.is_some_and(|at| self.snapshot.sees_all_of(at.slot)) {
            return Ok(true);
        }
        self.snapshot.contains(key)
    }
}

/// Both lists in one order, each key once. What was found may be in that order already.
fn merged(
    found: Vec<(Vec<u8>, Location)>,
    is_in_order: bool,
    superseded: Vec<Vec<u8>>,
    reverse: bool,
) -> Vec<(Vec<u8>, Option<Location>)> {
    let mut keys: Vec<_> = found.into_iter().map(|(key, at)| (key, Some(at))).collect();
    if superseded.is_empty() && is_in_order {
        return keys;
    }
    keys.extend(superseded.into_iter().map(|key| (key, None)));
    let mut order = keys_in_order(keys.iter().map(|(key, _)| key.as_slice()));
    // Of two that are equal the first stays, which has a place.
    order.dedup_by(|later, earlier| later.0 == earlier.0);
    if reverse {
        order.reverse();
    }
    let places: Vec<usize> = order.into_iter().map(|(_, place)| place).collect();
    take_in_order(keys, places.into_iter())
}

impl<S: Storage> Iterator for Scan<S> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        loop {
            let entry = match self.next_place()? {
                Ok((key, at)) => self.entry(&key, at).transpose(),
                Err(error) => Some(Err(error)),
            };
            if let Some(entry) = entry {
                self.left -= usize::from(entry.is_ok());
                return Some(entry);
            }
        }
    }
}

/// An iterator over the keys of a range, as of one moment, as [`Scan`] is over the entries.
///
/// Reads no values, and where nothing expires and nothing was written since, not even records: so damage of what it does not
/// read is not noticed.
pub struct Keys<S: Storage> {
    scan: Scan<S>,
}

impl<S: Storage> Keys<S> {
    pub(crate) fn new(scan: Scan<S>) -> Keys<S> {
        Keys { scan }
    }
}

impl<S: Storage> Iterator for Keys<S> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        loop {
            let (key, at) = match self.scan.next_place()? {
                Ok(place) => place,
                Err(error) => return Some(Err(error)),
            };
            match self.scan.is_there(&key, at) {
                Ok(false) => {}
                Ok(true) => {
                    self.scan.left -= 1;
                    return Some(Ok(key));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_only_narrow() {
        let range = Range::all().gt("b").gte("b").lte("d").lt("d");
        let keys: Vec<&str> = ["a", "b", "b0", "c", "d"]
            .into_iter()
            .filter(|k| range.bounds.contains(k.as_bytes()))
            .collect();
        assert_eq!(keys, ["b0", "c"]);
        let range = Range::prefix("b").gte("a").lt("z");
        let keys: Vec<&str> = ["a", "b", "b\u{ff}", "c"]
            .into_iter()
            .filter(|k| range.bounds.contains(k.as_bytes()))
            .collect();
        assert_eq!(keys, ["b", "b\u{ff}"]);
    }

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(successor_of_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor_of_prefix(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(successor_of_prefix(&[255, 255]), None);
        assert_eq!(successor_of_prefix(b""), None);
    }
}
