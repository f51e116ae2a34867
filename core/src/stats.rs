//! Counters and statistics.

use crate::sync::atomic::{AtomicU64, Ordering};

use crate::catalog::SegmentState;
use crate::keydir::Index;
use crate::merge::MergeReport;
use crate::segment::{Segment, SegmentId, Storage};
use crate::store::Store;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Hit,
    Miss,
    Put,
    Delete,
}

/// Operations since the store was opened.
#[derive(Default)]
pub(crate) struct Counters {
    reads: [Reads; STRIPES],
    puts: AtomicU64,
    deletes: AtomicU64,
    merges: AtomicU64,
    merge_bytes_read: AtomicU64,
    merge_bytes_copied: AtomicU64,
    merge_bytes_freed: AtomicU64,
    merge_changes: AtomicU64,
}

/// What reads count, each thread mostly for itself: a cache line that two processors write to costs more than a lookup.
#[derive(Default)]
#[repr(align(128))]
struct Reads {
    hits: AtomicU64,
    misses: AtomicU64,
}

const STRIPES: usize = 8;

/// A number of this thread, by where its stack lies. Threads may share one, and one thread may have two.
fn stripe() -> usize {
    let on_the_stack = 0_u8;
    let page = std::ptr::from_ref(&on_the_stack).addr() >> 16;
    (page ^ page >> 5 ^ page >> 10) % STRIPES
}

impl Counters {
    pub(crate) fn count(&self, operation: Operation) {
        let reads = || self.reads.get(stripe()).unwrap_or(&self.reads[0]);
        let counter = match operation {
            Operation::Hit => &reads().hits,
            Operation::Miss => &reads().misses,
            Operation::Put => &self.puts,
            Operation::Delete => &self.deletes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Rises with every step of a merge that moves records or gives some up.
    pub(crate) fn changes(&self) -> u64 {
        self.merge_changes.load(Ordering::Acquire)
    }

    /// A merge has changed the keydir.
    pub(crate) fn merge_changed(&self) {
        self.merge_changes.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn merged(&self, report: &MergeReport) {
        self.merges.fetch_add(report.runs, Ordering::Relaxed);
        self.merge_bytes_read.fetch_add(report.bytes_read, Ordering::Relaxed);
        self.merge_bytes_copied.fetch_add(report.bytes_copied, Ordering::Relaxed);
        self.merge_bytes_freed.fetch_add(report.bytes_freed, Ordering::Relaxed);
    }
}

/// How a store is: sizes as they are now, counts since it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys, the expired ones that no merge has dropped yet included.
    pub keys: u64,
    /// The kind of keydir.
    pub index: Index,
    /// Bytes of memory that the keydir takes, about.
    pub keydir_bytes: u64,
    /// The last sequence number that was handed out.
    pub sequence: u64,
    /// All segments, in the order of the log.
    pub segments: Vec<SegmentStats>,
    /// Bytes of all segments.
    pub total_bytes: u64,
    /// Bytes of the records that the keydir points to.
    pub live_bytes: u64,
    /// Bytes of all other records.
    pub dead_bytes: u64,
    /// Snapshots that live, scans included.
    pub snapshots: usize,
    /// Merged segments that are kept because a snapshot may need them.
    pub held_by_snapshots: usize,
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Puts.
    pub puts: u64,
    /// Deletes that deleted something.
    pub deletes: u64,
    /// Syncs that were done for callers; many callers may have shared one.
    pub syncs: u64,
    /// Merges that came to their end.
    pub merges: u64,
    /// Bytes that merges read.
    pub merge_bytes_read: u64,
    /// Bytes that merges copied.
    pub merge_bytes_copied: u64,
    /// Bytes that merges freed.
    pub merge_bytes_freed: u64,
    /// Why the store takes no more writes, if so.
    pub poisoned: Option<String>,
}

/// How a segment is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentStats {
    /// Its name.
    pub id: SegmentId,
    /// What it is at the moment.
    pub state: SegmentState,
    /// Whether a merge wrote it.
    pub is_merge: bool,
    /// The log positions that it stands for.
    pub first_position: u64,
    /// The last of them.
    pub last_position: u64,
    /// Bytes, header and seal included.
    pub total_bytes: u64,
    /// Bytes of the records that the keydir points to.
    pub live_bytes: u64,
    /// Bytes of all other records.
    pub dead_bytes: u64,
    /// Of the dead bytes, those of tombstones: they may have to stay.
    pub tombstone_bytes: u64,
    /// Puts and tombstones.
    pub records: u64,
    /// Records that the keydir points to.
    pub live_records: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Smallest sequence number, 0 if there is no record.
    pub minimum_sequence: u64,
    /// Largest sequence number, 0 if there is no record.
    pub maximum_sequence: u64,
}

impl Stats {
    /// Bytes of the files for each live byte; 0 where nothing is live.
    #[must_use]
    pub fn amplification(&self) -> f64 {
        match self.live_bytes {
            0 => 0.0,
            live => self.total_bytes as f64 / live as f64,
        }
    }
}

impl<S: Storage> Store<S> {
    /// How the store is. Exact where nothing is written meanwhile.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let inner = self.inner();
        let mut segments: Vec<SegmentStats> =
            inner.catalog.in_order().iter().map(|entry| segment_stats(entry)).collect();
        // Records go into the first of those that take some.
        let is_active = |segment: &&mut SegmentStats| segment.state == SegmentState::Active;
        for spare in segments.iter_mut().filter(is_active).skip(1) {
            spare.state = SegmentState::Spare;
        }
        let sum = |of: fn(&SegmentStats) -> u64| segments.iter().map(of).sum();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &inner.counters;
        Stats {
            keys: inner.keydir.len(),
            index: inner.options.index,
            keydir_bytes: inner.keydir.memory_bytes(),
            sequence: inner.sequence(),
            total_bytes: sum(|segment| segment.total_bytes),
            live_bytes: sum(|segment| segment.live_bytes),
            dead_bytes: sum(|segment| segment.dead_bytes),
            segments,
            snapshots: inner.snapshots.count(),
            held_by_snapshots: inner.retired(),
            hits: counters.reads.iter().map(|reads| count(&reads.hits)).sum(),
            misses: counters.reads.iter().map(|reads| count(&reads.misses)).sum(),
            puts: count(&counters.puts),
            deletes: count(&counters.deletes),
            syncs: inner.commit.syncs(),
            merges: count(&counters.merges),
            merge_bytes_read: count(&counters.merge_bytes_read),
            merge_bytes_copied: count(&counters.merge_bytes_copied),
            merge_bytes_freed: count(&counters.merge_bytes_freed),
            poisoned: inner.poison.get().cloned(),
        }
    }
}

fn segment_stats<G: Segment>(entry: &crate::catalog::Entry<G>) -> SegmentStats {
    let tally = entry.tally();
    let live_bytes = entry.live_bytes();
    SegmentStats {
        id: entry.id(),
        state: entry.state(),
        is_merge: entry.is_merge(),
        first_position: entry.header.first,
        last_position: entry.header.last,
        total_bytes: entry.end(),
        live_bytes,
        dead_bytes: tally.record_bytes.saturating_sub(live_bytes),
        tombstone_bytes: tally.tombstone_bytes,
        records: tally.records,
        live_records: entry.live_records(),
        tombstones: tally.tombstones,
        minimum_sequence: tally.minimum,
        maximum_sequence: tally.maximum,
    }
}
