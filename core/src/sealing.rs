//! Sealing, and what makes the log durable.
//!
//! A rolled segment waits here until it is sealed: at once, or by a thread of the binding, so that a writer that
//! did not ask for durability does not pay for it. Segments are sealed in the order of their positions.

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::collections::VecDeque;

use crate::append::{AppendFailed, append_or_undo};
use crate::catalog::{Entry, SegmentState};
use crate::error::{Error, Result};
use crate::format::seal::SealBuilder;
use crate::format::walk::{Depth, Walk};
use crate::format::{HEADER_LEN, Head, Kind, len64};
use crate::merge::MergePolicy;
use crate::segment::{Segment, Storage};
use crate::store::{Inner, Store};

/// The rolled segments that are not sealed yet.
pub(crate) struct Sealing<G> {
    pending: Mutex<VecDeque<Arc<Entry<G>>>>,
    count: AtomicUsize,
    /// Held while segments are sealed: one at a time, in order.
    one_at_a_time: Mutex<()>,
}

impl<G: Segment> Sealing<G> {
    pub(crate) fn new() -> Sealing<G> {
        let (count, one_at_a_time) = (AtomicUsize::new(0), Mutex::new(()));
        Sealing { pending: Mutex::default(), count, one_at_a_time }
    }

    /// Whether all segments before the active one are sealed.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(crate) fn push(&self, entry: Arc<Entry<G>>) {
        entry.set_state(SegmentState::Pending);
        let mut pending = self.pending();
        pending.push_back(entry);
        self.count.store(pending.len(), Ordering::Release);
    }

    fn pop(&self) {
        let mut pending = self.pending();
        pending.pop_front();
        self.count.store(pending.len(), Ordering::Release);
    }

    fn all(&self) -> Vec<Arc<Entry<G>>> {
        self.pending().iter().cloned().collect()
    }

    fn pending(&self) -> MutexGuard<'_, VecDeque<Arc<Entry<G>>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Storage> Store<S> {
    /// As [`Store::roll`], where a policy finds what the active segment holds worth merging: only sealed segments are
    /// merged, and all that a small store holds may stand in the active one. For the beginning of a merge on demand.
    ///
    /// # Errors
    ///
    /// As [`Store::roll`].
    pub fn roll_for(&self, policy: &MergePolicy) -> Result<bool> {
        let active = self.inner().writer().active.clone();
        let is_worth = active.is_some_and(|active| {
            let dead = active.tally().record_bytes.saturating_sub(active.live_bytes());
            0 < dead && policy.dead_ratio * active.end() as f64 <= dead as f64
        });
        if is_worth { self.roll() } else { Ok(false) }
    }

    /// Ends the active segment and seals it, so that a merge can take it; says whether there was a record in it. The next
    /// write goes on in a new segment.
    ///
    /// # Errors
    ///
    /// As [`Store::put`](Store::put).
    pub fn roll(&self) -> Result<bool> {
        let inner = self.inner();
        let mut writer = inner.writer_for_writing()?;
        let holds_records = writer.active.as_ref().is_some_and(|active| 0 < active.tally().records);
        if holds_records {
            inner.roll(&mut writer)?;
        }
        drop(writer);
        inner.seal_pending()?;
        Ok(holds_records)
    }
}

impl<S: Storage> Inner<S> {
    /// Seals all pending segments; returns how many.
    pub(crate) fn seal_pending(&self) -> Result<usize> {
        if self.sealing.is_empty() {
            return Ok(0);
        }
        let _one_at_a_time =
            self.sealing.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sealed = 0;
        for entry in self.sealing.all() {
            self.check_poison()?;
            self.seal(&entry)?;
            self.sealing.pop();
            sealed += 1;
        }
        Ok(sealed)
    }

    /// Seals one segment. The seal is durable when this returns.
    pub(crate) fn seal(&self, entry: &Entry<S::Segment>) -> Result<()> {
        // The records are durable before the seal, which vouches for them, is written.
        self.sync_segment(entry)?;
        let offset = entry.end();
        let value = seal_value(entry, &self.store_id, offset)?;
        let seal = Head {
            kind: Kind::Seal,
            batch: false,
            sequence: entry.sequence(),
            expires_at_ms: None,
            synced: None,
            key_len: 0,
            value_len: u32::try_from(value.len())
                .map_err(|_| Error::Limit("more than 4 GiB of hints in one segment"))?,
        };
        let mut record = Vec::new();
        seal.encode(entry.header.seed, offset, &[], &value, &mut record);
        append_or_undo(entry, &[&record]).map_err(|failed| match failed {
            AppendFailed::Undone(error) => error,
            AppendFailed::Torn(error) => self.poisoned_by(error),
        })?;
        self.sync_segment(entry)?;
        entry.set_state(SegmentState::Sealed);
        // A courtesy to the binding. Where it fails the segment is sealed all the same, and reads as before; an error
        // would have it sealed again, or a committed merge given up.
        let _ = entry.segment.freeze();
        Ok(())
    }

    /// Syncs one segment. A failure poisons the store: a later sync that succeeds would prove nothing.
    pub(crate) fn sync_segment(&self, entry: &Entry<S::Segment>) -> Result<()> {
        let end = entry.end();
        if end <= entry.synced() {
            return Ok(());
        }
        self.check_poison()?;
        entry
            .segment
            .sync()
            .map_err(|source| self.poisoned_by(Error::io("syncing", entry.id(), source)))?;
        entry.set_synced(end);
        Ok(())
    }

    /// Returns once everything up to a position of the log is durable.
    pub(crate) fn wait_durable(&self, position: u64) -> Result<()> {
        self.commit.wait(position, || {
            if !self.commit.is_complete() {
                self.storage.gather(&|| self.commit.is_complete());
            }
            self.sync_log()
        })
    }

    /// Makes everything that was appended durable; returns how far that is.
    pub(crate) fn sync_log(&self) -> Result<u64> {
        self.check_poison()?;
        let writer = self.writer();
        let (active, position) = (writer.active.clone(), self.commit.appended());
        drop(writer);
        self.commit.reaches(position);
        // Before the segment is synced that a later one vouches for, the order of the log is kept.
        for pending in self.sealing.all() {
            self.sync_segment(&pending)?;
        }
        match self.seal_pending() {
            // The records are durable; the seals wait for room.
            Err(error) if error.is_full() => {}
            sealed => drop(sealed?),
        }
        if let Some(active) = active {
            self.sync_segment(&active)?;
        }
        Ok(position)
    }
}

/// The value of the seal: made by reading the segment back, so that the active one keeps no second copy of its keys.
pub(crate) fn seal_value<G: Segment>(
    entry: &Entry<G>,
    store_id: &[u8; 16],
    offset: u64,
) -> Result<Vec<u8>> {
    let mut builder = SealBuilder::new(entry.tally().form(), *store_id);
    walk_heads(entry, |at, head, key| builder.add(at, head, key))?;
    Ok(builder.finish(offset))
}

/// Walks the heads and keys of all records up to the segment's end or its seal.
pub(crate) fn walk_heads<G: Segment>(
    entry: &Entry<G>,
    mut each: impl FnMut(u64, &Head, &[u8]),
) -> Result<()> {
    let (id, end) = (entry.id(), entry.end());
    let mut walk =
        Walk::new(&entry.segment, entry.header.seed, len64(HEADER_LEN), end, Depth::Heads);
    while walk.offset() < end {
        match walk.next_head().map_err(|source| Error::io("reading", id, source))? {
            Ok((_, head, _)) if head.kind == Kind::Seal => break,
            Ok((at, head, key)) => each(at, &head, key),
            Err(why) => return Err(Error::damaged(id, walk.offset(), why.describe())),
        }
    }
    Ok(())
}
