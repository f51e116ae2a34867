//! Snapshots: the store as it was at a sequence number.
//!
//! Nothing is copied when one is taken. While any lives, a write that supersedes a record leaves its old place in
//! the history, and segments that a merge has replaced stay until the snapshots are gone.

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, PoisonError, RwLock};
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::catalog::{SegmentState, Slots};
use crate::error::{Error, Result};
use crate::format::walk::Depth;
use crate::format::{Kind, Record};
use crate::keydir::{Bounds, Location};
use crate::read::{Found, NO_PUT, record_at};
use crate::scan::{Keys, Range, Scan};
use crate::segment::Storage;
use crate::store::{Entry, Inner};

/// A record that was superseded while a snapshot might need it.
#[derive(Clone, Copy, Debug)]
struct Old {
    sequence: u64,
    /// The sequence number of what superseded it.
    until: u64,
    at: Location,
}

/// Which snapshots live, and what they need.
#[derive(Default)]
pub(crate) struct Snapshots {
    /// The sequence number of each, in rising order.
    live: Mutex<Vec<u64>>,
    /// Their sum, to be asked without a lock.
    count: AtomicUsize,
    history: RwLock<BTreeMap<Box<[u8]>, Vec<Old>>>,
}

impl Snapshots {
    /// Whether any snapshot lives.
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// The smallest sequence number of a snapshot that lives.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.first().copied()
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Remembers a record that is about to be superseded. Called before the keydir changes, so that a reader that
    /// no longer finds the record in the keydir finds it here.
    pub(crate) fn remember(&self, key: &[u8], sequence: u64, until: u64, at: Location) {
        let mut history = self.history.write().unwrap_or_else(PoisonError::into_inner);
        history.entry(key.into()).or_default().push(Old { sequence, until, at });
    }

    /// Where the record stood that was a key's latest at `sequence`, if it was superseded since.
    fn at(&self, key: &[u8], sequence: u64) -> Option<Location> {
        let history = self.history.read().unwrap_or_else(PoisonError::into_inner);
        let is_it = |old: &&Old| old.sequence <= sequence && sequence < old.until;
        history.get(key)?.iter().find(is_it).map(|old| old.at)
    }

    /// The keys within bounds that were superseded while a snapshot lived.
    pub(crate) fn superseded(&self, bounds: &Bounds) -> Vec<Vec<u8>> {
        let history = self.history.read().unwrap_or_else(PoisonError::into_inner);
        if history.is_empty() || bounds.is_empty() {
            return Vec::new();
        }
        history.keys().filter(|key| bounds.contains(key)).map(|key| key.to_vec()).collect()
    }

    fn register(&self, sequence: u64) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        // Nearly always at the end.
        let place = live.partition_point(|other| *other <= sequence);
        live.insert(place, sequence);
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    fn release(&self, sequence: u64) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(place) = live.binary_search(&sequence) {
            live.remove(place);
        }
        self.count.fetch_sub(1, Ordering::AcqRel);
        let oldest = live.first().copied();
        let mut history = self.history.write().unwrap_or_else(PoisonError::into_inner);
        match oldest {
            None => history.clear(),
            Some(oldest) if sequence < oldest => history.retain(|_, olds| {
                olds.retain(|old| oldest < old.until);
                !olds.is_empty()
            }),
            Some(_) => {}
        }
    }
}

/// The store as it was when the snapshot was taken. Writes and merges go on beside it; it never changes and never
/// blocks them. It holds disk space: see [`Stats`](crate::Stats).
///
/// A key that expires does so in a snapshot too.
pub struct Snapshot<S: Storage> {
    inner: Arc<Inner<S>>,
    sequence: u64,
}

impl<S: Storage> Snapshot<S> {
    /// Takes one; the caller makes sure that no write is under way.
    pub(crate) fn at(inner: &Arc<Inner<S>>, sequence: u64) -> Snapshot<S> {
        inner.snapshots.register(sequence);
        Snapshot { inner: Arc::clone(inner), sequence }
    }

    /// The number of the last write that it sees.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The value that the key had.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Io` where the record cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.get_entry(key)?.map(|entry| entry.value))
    }

    /// Whether the key was there.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::get`].
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        Ok(self.found(key, Depth::Heads)?.is_some())
    }

    /// The value that the key had, with its version and expiry.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::get`].
    pub fn get_entry(&self, key: &[u8]) -> Result<Option<Entry>> {
        Ok(self.found(key, Depth::Whole)?.map(|found| found.into_entry(key)))
    }

    /// The record that was the key's latest, unless it has expired.
    pub(crate) fn found(&self, key: &[u8], depth: Depth) -> Result<Option<Found>> {
        let found = self.inner.find_also_closed(key, depth)?;
        let found = match found.filter(|found| found.head.sequence <= self.sequence) {
            Some(found) => Some(found),
            None => match self.inner.snapshots.at(key, self.sequence) {
                Some(at) => self
                    .record_at(&self.inner.catalog.load(), key, at, depth)?
                    .map(|Record { head, value, .. }| Found { at, head, value }),
                None => None,
            },
        };
        Ok(found.filter(|found| !self.inner.is_expired(&found.head)))
    }

    /// The entry at a place that a scan found, if the key stood there for this snapshot.
    pub(crate) fn at_location(
        &self,
        slots: &Slots<S::Segment>,
        key: &[u8],
        at: Location,
    ) -> Result<Option<Entry>> {
        let record = self.record_at(slots, key, at, Depth::Whole)?;
        Ok(record.and_then(|record| self.inner.visible(record)))
    }

    fn record_at(
        &self,
        slots: &Slots<S::Segment>,
        key: &[u8],
        at: Location,
        depth: Depth,
    ) -> Result<Option<Record>> {
        let Some(Some(entry)) = slots.get(usize::from(at.slot)) else { return Ok(None) };
        let record = record_at(entry, u64::from(at.offset), depth)?;
        if record.key == key && record.head.kind != Kind::Put {
            return Err(Error::damaged(entry.id(), u64::from(at.offset), NO_PUT));
        }
        Ok((record.key == key && record.head.sequence <= self.sequence).then_some(record))
    }

    /// Whether all that the keydir points to in a segment was there for this snapshot, and still is: then nothing of it
    /// need be read to know that a key is there. Asked after the keydir.
    pub(crate) fn sees_all_of(&self, slot: u16) -> bool {
        let Some(entry) = self.inner.catalog.get(slot) else { return false };
        // What is known of a damaged segment, or of one that is being written by a merge, is not the whole of it.
        let is_whole = match entry.state() {
            SegmentState::Quarantined => false,
            SegmentState::Pending => !entry.is_merge(),
            _ => true,
        };
        let tally = entry.tally();
        is_whole && tally.expiring == 0 && tally.maximum <= self.sequence
    }

    /// The entries within a range, in byte order of the keys.
    #[must_use]
    pub fn scan(&self, range: Range) -> Scan<S> {
        Scan::new(self.clone(), range)
    }

    /// The keys within a range, in byte order.
    #[must_use]
    pub fn keys(&self, range: Range) -> Keys<S> {
        Keys::new(self.scan(range))
    }

    pub(crate) fn inner(&self) -> &Arc<Inner<S>> {
        &self.inner
    }
}

impl<S: Storage> Clone for Snapshot<S> {
    fn clone(&self) -> Snapshot<S> {
        Snapshot::at(&self.inner, self.sequence)
    }
}

impl<S: Storage> Drop for Snapshot<S> {
    fn drop(&mut self) {
        self.inner.snapshots.release(self.sequence);
    }
}
