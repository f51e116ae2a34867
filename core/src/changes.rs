//! The change feed: what the log still has behind a sequence number, in order.
//!
//! The log is the feed: nothing is kept for it. A merge forgets, though: records that newer ones superseded, which no
//! follower needs, and tombstones, which a follower may need. [`Changes::is_complete`] says whether any that matters
//! may be gone; the rule and its proof are in FORMAT.md, section 12.

use crate::sync::Arc;
use std::collections::VecDeque;

use bytes::Bytes;

use crate::catalog::{Entry, SegmentState};
use crate::error::{Error, Result};
use crate::format::walk::{Block, Depth, Walk, WalkEnd};
use crate::format::{HEADER_LEN, Kind, Record, len64};
use crate::open::search_budget;
use crate::order::sort_by_numbers;
use crate::segment::{Segment, Storage};
use crate::store::Inner;

/// A write, as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in the total order, and the version of what it wrote.
    pub sequence: u64,
    /// The key.
    pub key: Bytes,
    /// What was done to it.
    pub kind: ChangeKind,
    /// The next change was written in the same batch. A merge forgets which writes were a batch: `false` does not say that
    /// this one was written alone.
    pub batch_goes_on: bool,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The key got a value.
    Put {
        /// The value; `None` where only keys were asked for.
        value: Option<Bytes>,
        /// From when on the key counts as deleted, in milliseconds since 1970. A put that has expired is told too: it
        /// replaced what was there before.
        expires_at_ms: Option<u64>,
    },
    /// The key was deleted, or had expired when a merge met it.
    Delete,
}

/// An iterator over the changes behind a sequence number, in rising order, up to the moment when it was made. Later writes and
/// merges do not show in it.
///
/// **What a follower gets.** Whoever has the state of the store at `since` and applies all changes, in order, has the state at
/// [`Changes::until`], if [`Changes::is_complete`] says so at the end. To apply is to put, to delete, and to delete where a
/// put has expired. Where it is not complete, take a [`Snapshot`](crate::Snapshot) or a scan instead and compare; go on from
/// [`Snapshot::sequence`](crate::Snapshot::sequence). The states between are not all ones that the store was in: of several
/// writes of a key a merge keeps the last.
///
/// **Durability.** What is told may not be durable yet, and be gone after a power cut. Its numbers are never handed out again, and
/// a later feed from one of them is told to be incomplete. A follower that must not be ahead of what lasts makes
/// the feed, calls [`Store::sync`](crate::Store::sync), and then believes the feed.
///
/// **Going back.** Numbers mean nothing in another store ([`Store::id`](crate::Store::id)), nor where files of the same store were
/// put back from a backup: a follower begins anew then.
///
/// A record that is damaged gives an error in its place; the next step goes on behind it, and the feed is not complete any more. After any other
/// error it ends. It holds the segments that it reads, also when a merge removes them: do not keep it for long. Keys and values share
/// the memory of larger reads: copy what you keep.
pub struct Changes<S: Storage> {
    parts: VecDeque<Part<S::Segment>>,
    depth: Depth,
    since: u64,
    /// The number of the last change that was told.
    told: u64,
    until: u64,
    horizon: u64,
    complete: bool,
    // Last, as in `Inner`: having the storage is having the store's lock.
    _inner: Arc<Inner<S>>,
}

/// What is left to read of one segment.
struct Part<G> {
    entry: Arc<Entry<G>>,
    offset: u64,
    end: u64,
    /// Bytes of checksums that searching behind damage may still cost.
    budget: u64,
    block: Block,
}

impl<S: Storage> Changes<S> {
    pub(crate) fn new(inner: &Arc<Inner<S>>, since: u64) -> Result<Changes<S>> {
        // Under the writer's lock no batch is half written, and no merge comes to its end.
        let writer = inner.writer();
        let parts: Vec<Part<S::Segment>> =
            counting(inner.catalog.in_order()).into_iter().map(Part::new).collect();
        if let Some(active) = &writer.active
            && len64(HEADER_LEN) < active.end()
        {
            // From here the next feed of the same follower goes on.
            active.trail().note(Place { sequence: active.sequence(), offset: active.end() });
        }
        let handed_out = writer.sequence();
        drop(writer);
        let mut changes = Changes {
            parts: VecDeque::new(),
            depth: Depth::Whole,
            since,
            told: since,
            until: handed_out,
            horizon: 0,
            complete: inner.recovery.passed_over.is_empty(),
            _inner: Arc::clone(inner),
        };
        changes.find_place(parts)?;
        Ok(changes)
    }

    /// Leaves out what was told earlier, and finds out whether nothing else is missing.
    fn find_place(&mut self, parts: Vec<Part<S::Segment>>) -> Result<()> {
        let mut before = 0;
        for part in parts {
            let last = part.entry.sequence();
            if part.entry.is_merge() {
                self.horizon = self.horizon.max(last);
            }
            if last <= self.since {
                before = before.max(last);
                continue;
            }
            self.complete &= part.entry.state() != SegmentState::Quarantined;
            self.parts.push_back(part);
        }
        if self.since == 0 {
            // Nothing was there, so no delete is missed.
            return Ok(());
        }
        self.complete &= self.horizon <= self.since && self.since <= self.until;
        if let Some(first) = self.parts.front_mut() {
            self.complete &= first.go_behind(self.since, before)?;
        }
        Ok(())
    }

    /// Reads no values, which then are neither told nor checked: for those who only want to know which keys changed.
    #[must_use]
    pub fn keys_only(self) -> Changes<S> {
        Changes { depth: Depth::Heads, ..self }
    }

    /// Whether all that matters is told: no delete between `since` and now was forgotten, no segment is damaged or
    /// missing, and `since` is a number of this log's history, not one of a write that a power cut took.
    ///
    /// Errs on the safe side. Always `true` for `since` 0, but for damage. An error on the way makes it `false`, so ask again at the end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Deletes up to this number may be forgotten: a feed from 0, or from here on, is complete.
    #[must_use]
    pub fn horizon(&self) -> u64 {
        self.horizon
    }

    /// The number that the feed begins behind.
    #[must_use]
    pub fn since(&self) -> u64 {
        self.since
    }

    /// The number up to which the feed goes: what the next feed of the same follower is asked for. May be larger than that of the
    /// last change.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.until
    }
}

/// The segments that count, in the order of their positions. A merge's output counts from its seal on; its inputs, which may
/// still be there, do not from then on.
fn counting<G: Segment>(mut entries: Vec<Arc<Entry<G>>>) -> Vec<Arc<Entry<G>>> {
    entries.retain(|entry| !(entry.is_merge() && entry.state() == SegmentState::Pending));
    // What replaces comes before what it replaces, which begins at or behind its first position.
    sort_by_numbers(&mut entries, |entry| [entry.header.first, !entry.header.last, !entry.id().0]);
    let mut covered = 0;
    entries.retain(|entry| {
        let counts = covered < entry.header.first;
        covered = covered.max(entry.header.last);
        counts
    });
    entries
}

impl<G: Segment> Part<G> {
    fn new(entry: Arc<Entry<G>>) -> Part<G> {
        let end = entry.end();
        let (offset, budget) = (len64(HEADER_LEN), search_budget(end));
        Part { entry, offset, end, budget, block: Block::default() }
    }

    /// Goes to the first record behind a number; `before` is the last one of the segments before this one. Says whether
    /// the number is one of the log: in a log segment numbers are missing only before a mark, where a session begins,
    /// and any of those that an earlier session handed out are lost. (In a merge's output others are missing too; all of them
    /// are below the horizon.)
    fn go_behind(&mut self, since: u64, before: u64) -> Result<bool> {
        let mut place = Place { sequence: before, offset: self.offset };
        place = self.entry.trail().nearest(since).unwrap_or(place);
        self.offset = place.offset;
        let is_known = loop {
            match self.step(Depth::Heads)? {
                Step::Record(record) if record.head.sequence <= since => {
                    place = Place { sequence: record.head.sequence, offset: self.offset };
                }
                Step::Record(_) | Step::End => {
                    break place.sequence == since;
                }
                // It is met again, and told.
                Step::Unsound(..) => break false,
            }
        };
        self.offset = place.offset;
        self.entry.trail().note(place);
        Ok(is_known)
    }

    /// The next put or tombstone. After damage goes on behind it.
    fn next(&mut self, depth: Depth) -> Result<Option<Record>> {
        loop {
            match self.step(depth)? {
                Step::Record(record) if record.head.kind == Kind::Mark => {}
                Step::Record(record) => return Ok(Some(record)),
                Step::End => return Ok(None),
                Step::Unsound(at, why) => {
                    self.pass_over(at)?;
                    return Err(Error::damaged(self.entry.id(), at, why.describe()));
                }
            }
        }
    }

    fn step(&mut self, depth: Depth) -> Result<Step> {
        let entry = &self.entry;
        let mut walk = Walk::new(&entry.segment, entry.header.seed, self.offset, self.end, depth)
            .with_block(std::mem::take(&mut self.block));
        let next = walk.next().map_err(|source| Error::io("reading", self.entry.id(), source))?;
        let step = match next {
            Ok((_, record)) if record.head.kind == Kind::Seal => Step::End,
            Ok((_, record)) => {
                self.offset = walk.offset();
                Step::Record(record)
            }
            Err(WalkEnd::End) => Step::End,
            // The growth of a segment that is served up to the end of its file.
            Err(WalkEnd::Zeros) if entry.state() == SegmentState::Quarantined => Step::End,
            Err(why) => Step::Unsound(self.offset, why),
        };
        self.block = walk.into_block();
        Ok(step)
    }

    /// Goes to the next sound record behind a place, or to the end.
    fn pass_over(&mut self, at: u64) -> Result<()> {
        let entry = &self.entry;
        let mut walk = Walk::new(&entry.segment, entry.header.seed, at, self.end, Depth::Whole);
        let found = walk
            .find_from(at.saturating_add(1), &mut self.budget)
            .map_err(|source| Error::io("reading", entry.id(), source))?;
        self.offset = match found {
            Ok(Some(next)) => next,
            _ => self.end,
        };
        Ok(())
    }
}

/// What stands at the next place of a segment.
enum Step {
    Record(Record),
    End,
    Unsound(u64, WalkEnd),
}

impl<S: Storage> Iterator for Changes<S> {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Result<Change>> {
        loop {
            let part = self.parts.front_mut()?;
            match part.next(self.depth) {
                Ok(Some(record)) if self.told < record.head.sequence => {
                    self.told = record.head.sequence;
                    return Some(Ok(change(record, self.depth)));
                }
                // Only in a damaged store, which is served as far as it is sound: told already.
                Ok(Some(_)) => {}
                Ok(None) => drop(self.parts.pop_front()),
                Err(error) => {
                    self.complete = false;
                    if !error.is_damage() {
                        self.parts.clear();
                    }
                    return Some(Err(error));
                }
            }
        }
    }
}

fn change(record: Record, depth: Depth) -> Change {
    let Record { head, key, value } = record;
    let kind = match head.kind {
        Kind::Put => {
            let value = (depth == Depth::Whole).then_some(value);
            ChangeKind::Put { value, expires_at_ms: head.expires_at_ms }
        }
        _ => ChangeKind::Delete,
    };
    Change { sequence: head.sequence, key, kind, batch_goes_on: head.batch }
}

/// A place in a segment: every record before it has at most this number, every one from it on a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    sequence: u64,
    offset: u64,
}

/// Places of a segment that feeds began or ended at, so that a follower who comes again does not read from the start.
#[derive(Default)]
pub(crate) struct Trail {
    /// In the order of the segment; the last one is exact, the others keep a distance.
    places: Vec<Place>,
}

/// Bytes between places, on the whole: what a feed may have to read in vain.
const DISTANCE: u64 = 1 << 16;

impl Trail {
    /// The last place at or before the first record behind a number.
    fn nearest(&self, since: u64) -> Option<Place> {
        let behind = self.places.partition_point(|place| place.sequence <= since);
        self.places.get(behind.checked_sub(1)?).copied()
    }

    fn note(&mut self, place: Place) {
        let at = self.places.partition_point(|there| there.offset < place.offset);
        if self.places.get(at).is_some_and(|there| there.offset == place.offset) {
            return;
        }
        self.places.insert(at, place);
        let offset = |at: usize| self.places.get(at).map(|place| place.offset);
        let is_close = |from: usize| match (offset(from), offset(from + 2)) {
            (Some(from), Some(to)) => to - from < DISTANCE,
            _ => false,
        };
        // One that stands between two close ones is not needed: this one, or the one before the last.
        let between = at.saturating_sub(1)..=at;
        if let Some(needless) = between.filter(|at| 0 < *at).find(|at| is_close(at - 1)) {
            self.places.remove(needless);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_keeps_its_distance_and_its_last_place() {
        let mut trail = Trail::default();
        for number in 0..10_000u64 {
            // Also from the middle, as several followers leave them.
            for number in [number, number / 2] {
                trail.note(Place { sequence: number, offset: 72 + 100 * number });
            }
            let last = Place { sequence: number, offset: 72 + 100 * number };
            assert_eq!(trail.nearest(number), Some(last));
            assert_eq!(trail.nearest(u64::MAX), Some(last));
        }
        assert!(trail.places.is_sorted_by_key(|place| place.offset));
        let most = 2 * 1_000_000 / DISTANCE + 3;
        assert!(len64(trail.places.len()) <= most, "{} places", trail.places.len());
        for since in 0..10_000 {
            let near = trail.nearest(since).unwrap();
            assert!(near.sequence <= since && since - near.sequence <= 2 * DISTANCE / 100);
        }
    }
}
