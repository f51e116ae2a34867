//! Scans: the entries within a range, in byte order, forward or backward.

use std::collections::VecDeque;
use std::ops::Bound;

use crate::catalog::Slots;
use crate::error::{Error, Result};
use crate::format::walk::Depth;
use crate::keydir::{Bounds, Location, Run};
use crate::read::{beginning_of, record_at, touch};
use crate::segment::Storage;
use crate::snapshot::Snapshot;
use crate::store::Entry;
use crate::sync::Arc;

/// Keys that are taken from the keydir at a time: its lock is held for no longer than that.
const CHUNK_LEN: usize = 256;

/// Records that are looked at ahead.
const TOUCHED_AHEAD: usize = 64;

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
    chunk: Run,
    /// How many of the chunk were visited.
    visited: usize,
    /// The segments, as of when the chunk was taken. While the snapshot lives those that the chunk names stay.
    slots: Arc<Slots<S::Segment>>,
    /// What was wrong with records whose keys could not be read.
    keyless: VecDeque<Error>,
    /// Nothing is left behind the chunk.
    exhausted: bool,
    /// What is lent and is not in memory as it is.
    kept: Option<Entry>,
}

impl<S: Storage> Scan<S> {
    pub(crate) fn new(snapshot: Snapshot<S>, range: Range) -> Scan<S> {
        let Range { bounds, limit } = range;
        Scan {
            snapshot,
            bounds,
            left: limit,
            chunk: Run::default(),
            visited: 0,
            slots: Arc::default(),
            keyless: VecDeque::new(),
            exhausted: false,
            kept: None,
        }
    }

    /// Takes the next keys and where they stand.
    fn refill(&mut self) -> Result<()> {
        self.chunk = match self.snapshot.inner().keydir.all() {
            Some(all) => {
                self.exhausted = true;
                self.gather(all)?
            }
            None => self.next_of_ordered(),
        };
        self.visited = 0;
        self.slots = Arc::clone(&self.snapshot.inner().catalog.load());
        Ok(())
    }

    /// The next keys of an ordered keydir, and those of the history that lie between.
    fn next_of_ordered(&mut self) -> Run {
        let inner = self.snapshot.inner();
        // One more than asked for, since one may have expired.
        let limit = self.left.saturating_add(1).min(CHUNK_LEN);
        let mut found = std::mem::take(&mut self.chunk);
        inner.keydir.range(&self.bounds, limit, &mut found);
        let mut within = self.bounds.clone();
        match found.len().checked_sub(1).and_then(|last| found.get(last)) {
            Some((last, _)) if found.len() == limit => {
                match within.reverse {
                    false => within.upper = Bound::Included(last.to_vec()),
                    true => within.lower = Bound::Included(last.to_vec()),
                }
                self.bounds.go_on_after(last.to_vec());
            }
            _ => self.exhausted = true,
        }
        // Keys that were removed since the snapshot: asked for after the keydir, so that none slips between.
        let superseded = inner.snapshots.superseded(&within);
        if !superseded.is_empty() {
            superseded.iter().for_each(|key| found.push(key, None));
            found.sort(within.reverse);
        }
        found
    }

    /// All keys within bounds of a keydir that does not keep them.
    fn gather(&mut self, all: Vec<Location>) -> Result<Run> {
        let inner = self.snapshot.inner();
        let mut found = Run::default();
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
                found.push(&key, Some(at));
            }
        }
        let superseded = inner.snapshots.superseded(&self.bounds);
        superseded.iter().for_each(|key| found.push(key, None));
        found.sort(self.bounds.reverse);
        Ok(found)
    }

    /// The number in the chunk of the next key of the range, which may be none of this snapshot.
    fn next_place(&mut self) -> Option<Result<usize>> {
        while self.left > 0 {
            if let Some(error) = self.keyless.pop_front() {
                return Some(Err(error));
            }
            if self.visited < self.chunk.len() {
                self.visited += 1;
                return Some(Ok(self.visited - 1));
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

    /// Looks at the records that come next, all at once: they lie anywhere in the log, and waiting for memory once for all of
    /// them takes a fraction of the time of waiting for each.
    fn touch(&self, number: usize) {
        if !number.is_multiple_of(TOUCHED_AHEAD) {
            return;
        }
        let mut beginnings = [&[][..]; TOUCHED_AHEAD];
        for (ahead, beginning) in beginnings.iter_mut().enumerate() {
            let place = self.chunk.get(number + ahead).and_then(|(_, at)| at);
            let Some(Location { slot, offset }) = place else { continue };
            if let Some(Some(entry)) = self.slots.get(usize::from(slot)) {
                *beginning = beginning_of(entry, u64::from(offset));
            }
        }
        touch(&beginnings);
    }

    /// The number in the chunk of the key that comes next; what comes after it is looked at ahead.
    pub(crate) fn next_number(&mut self) -> Option<Result<usize>> {
        let next = self.next_place();
        if let Some(Ok(number)) = next {
            self.touch(number);
        }
        next
    }

    pub(crate) fn key_at(&self, number: usize) -> Option<(&[u8], Option<Location>)> {
        self.chunk.get(number)
    }

    pub(crate) fn snapshot(&self) -> &Snapshot<S> {
        &self.snapshot
    }

    pub(crate) fn slots(&self) -> &Slots<S::Segment> {
        &self.slots
    }

    /// One less is left.
    pub(crate) fn took_one(&mut self) {
        self.left -= 1;
    }

    /// Keeps an entry, to be lent.
    pub(crate) fn keep(&mut self, entry: Entry) -> &Entry {
        self.kept.insert(entry)
    }

    /// The entry of this key of the chunk, if this snapshot has one.
    pub(crate) fn entry_at(&self, number: usize) -> Result<Option<Entry>> {
        let Some((key, at)) = self.chunk.get(number) else { return Ok(None) };
        let there = match at {
            Some(at) => self.snapshot.at_location(&self.slots, key, at),
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

impl<S: Storage> Iterator for Scan<S> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        loop {
            let number = match self.next_number()? {
                Ok(number) => number,
                Err(error) => return Some(Err(error)),
            };
            if let Some(entry) = self.entry_at(number).transpose() {
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
            let number = match self.scan.next_place()? {
                Ok(number) => number,
                Err(error) => return Some(Err(error)),
            };
            let (key, at) = self.scan.chunk.get(number)?;
            match self.scan.is_there(key, at) {
                Ok(false) => {}
                Ok(true) => {
                    let key = key.to_vec();
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
