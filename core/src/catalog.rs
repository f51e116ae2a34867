//! The catalog: the open segments of a store, each in a numbered slot that locations name.
//!
//! Readers load it without a lock; it changes only when a segment comes or goes.

use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::changes::Trail;
use crate::error::{Error, Result};
use crate::format::seal::Tally;
use crate::format::{HEADER_LEN, Head, Header, HeaderKind, len64};
use crate::order::sort_by_numbers;
use crate::segment::{Segment, SegmentId};

/// What a segment is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentState {
    /// Takes the next record.
    Active,
    /// Rolled, and not sealed yet.
    Pending,
    /// Never changes again.
    Sealed,
    /// Damaged: its sound records are served, it is never merged and never removed.
    Quarantined,
    /// Merged into another; kept while a snapshot needs it.
    Retired,
    /// Empty; takes records after the active one. Only statistics tell it from that.
    Spare,
}

const STATES: [SegmentState; 6] = [
    SegmentState::Active,
    SegmentState::Pending,
    SegmentState::Sealed,
    SegmentState::Quarantined,
    SegmentState::Retired,
    SegmentState::Spare,
];

/// A segment that is open, and what is known of it.
pub(crate) struct Entry<G> {
    pub(crate) segment: G,
    pub(crate) header: Header,
    pub(crate) slot: u16,
    state: AtomicU8,
    /// Where what may be read ends: behind the last whole append.
    end: AtomicU64,
    /// Up to where it is known to be durable.
    synced: AtomicU64,
    /// The number of its last record, marks included.
    sequence: AtomicU64,
    tally: Mutex<Tally>,
    live_records: AtomicU64,
    live_bytes: AtomicU64,
    /// While a merge reads this segment: records from here on were not looked at yet. Else `u64::MAX`.
    merge_cursor: AtomicU64,
    /// While a merge reads this segment: bytes that died beyond the cursor.
    died_unseen: AtomicU64,
    expiry_checked_ms: AtomicU64,
    /// Where change feeds began or ended.
    trail: Mutex<Trail>,
}

impl<G: Segment> Entry<G> {
    pub(crate) fn new(segment: G, header: Header, slot: u16, state: SegmentState) -> Entry<G> {
        let end = len64(HEADER_LEN);
        Entry {
            segment,
            header,
            slot,
            state: AtomicU8::new(code(state)),
            end: AtomicU64::new(end),
            synced: AtomicU64::new(end),
            sequence: AtomicU64::new(0),
            tally: Mutex::default(),
            live_records: AtomicU64::new(0),
            live_bytes: AtomicU64::new(0),
            merge_cursor: AtomicU64::new(u64::MAX),
            died_unseen: AtomicU64::new(0),
            expiry_checked_ms: AtomicU64::new(0),
            trail: Mutex::default(),
        }
    }

    pub(crate) fn id(&self) -> SegmentId {
        self.header.id
    }

    pub(crate) fn is_merge(&self) -> bool {
        self.header.kind == HeaderKind::Merge
    }

    pub(crate) fn state(&self) -> SegmentState {
        let code = usize::from(self.state.load(Ordering::Acquire));
        STATES.get(code).copied().unwrap_or(SegmentState::Quarantined)
    }

    pub(crate) fn set_state(&self, state: SegmentState) {
        self.state.store(code(state), Ordering::Release);
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Says how far reads may go. The bytes up to there have been appended.
    pub(crate) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    pub(crate) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    pub(crate) fn set_synced(&self, synced: u64) {
        self.synced.fetch_max(synced, Ordering::AcqRel);
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    pub(crate) fn set_sequence(&self, sequence: u64) {
        self.sequence.store(sequence, Ordering::Release);
    }

    pub(crate) fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_tally(&self, tally: Tally) {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = tally;
    }

    /// Counts records that were appended.
    pub(crate) fn count<'a>(&self, heads: impl Iterator<Item = &'a Head>) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        heads.for_each(|head| tally.add(head));
    }

    pub(crate) fn trail(&self) -> MutexGuard<'_, Trail> {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes to read first of a record whose length is not known: twice the usual record, so that one read is nearly always
    /// enough.
    pub(crate) fn first_read_len(&self) -> u64 {
        let tally = self.tally();
        let usual = tally.record_bytes.checked_div(tally.records).unwrap_or(FIRST_READ_LEN_MAX);
        usual.saturating_mul(2).clamp(FIRST_READ_LEN_MIN, FIRST_READ_LEN_MAX)
    }

    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Acquire)
    }

    pub(crate) fn live_records(&self) -> u64 {
        self.live_records.load(Ordering::Acquire)
    }

    /// A record here became its key's latest.
    pub(crate) fn record_lives(&self, len: u64) {
        self.records_live(1, len);
    }

    /// So many records here, of so many bytes together, became their keys' latest.
    pub(crate) fn records_live(&self, records: u64, bytes: u64) {
        self.live_records.fetch_add(records, Ordering::AcqRel);
        self.live_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// A record here is its key's latest no more.
    pub(crate) fn record_dies(&self, offset: u64, len: u64) {
        self.live_records.fetch_sub(1, Ordering::AcqRel);
        self.live_bytes.fetch_sub(len, Ordering::AcqRel);
        if self.merge_cursor.load(Ordering::Acquire) <= offset {
            self.died_unseen.fetch_add(len, Ordering::AcqRel);
        }
    }

    /// A merge begins to look at the records from here on. Called while no write can happen.
    pub(crate) fn begin_merge(&self) {
        self.died_unseen.store(0, Ordering::Release);
        self.merge_cursor.store(0, Ordering::Release);
    }

    /// A merge has looked at all records before `cursor`. Called while no write can happen.
    pub(crate) fn advance_merge(&self, cursor: u64) {
        self.merge_cursor.store(cursor, Ordering::Release);
    }

    /// When a merge last looked for expired records here, in milliseconds since 1970; 0: never.
    pub(crate) fn expiry_checked_ms(&self) -> u64 {
        self.expiry_checked_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_expiry_checked_ms(&self, now_ms: u64) {
        self.expiry_checked_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Bytes that died since the merge began, before it looked at them.
    pub(crate) fn died_unseen(&self) -> u64 {
        self.died_unseen.load(Ordering::Acquire)
    }

    /// The merge no longer looks.
    pub(crate) fn end_merge(&self) {
        self.merge_cursor.store(u64::MAX, Ordering::Release);
    }
}

fn code(state: SegmentState) -> u8 {
    match state {
        SegmentState::Active => 0,
        SegmentState::Pending => 1,
        SegmentState::Sealed => 2,
        SegmentState::Quarantined => 3,
        SegmentState::Retired => 4,
        SegmentState::Spare => 5,
    }
}

/// Bounds of the first read of a record that is not in memory: a call costs more than some hundred bytes, but bytes have to
/// be copied.
const FIRST_READ_LEN_MIN: u64 = 256;
const FIRST_READ_LEN_MAX: u64 = 4096;

/// All open segments by slot.
pub(crate) type Slots<G> = Vec<Option<Arc<Entry<G>>>>;

pub(crate) struct Catalog<G> {
    slots: ArcSwap<Slots<G>>,
    changing: Mutex<()>,
}

impl<G: Segment> Catalog<G> {
    pub(crate) fn new() -> Catalog<G> {
        Catalog { slots: ArcSwap::from_pointee(Vec::new()), changing: Mutex::new(()) }
    }

    /// What is open right now.
    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Slots<G>>> {
        self.slots.load()
    }

    pub(crate) fn get(&self, slot: u16) -> Option<Arc<Entry<G>>> {
        self.load().get(usize::from(slot))?.clone()
    }

    /// All segments in the order of their positions; a retired one comes before what replaced it.
    pub(crate) fn in_order(&self) -> Vec<Arc<Entry<G>>> {
        let mut entries: Vec<_> = self.load().iter().flatten().cloned().collect();
        sort_by_numbers(&mut entries, |entry| [entry.header.first, entry.id().0, 0]);
        entries
    }

    /// Puts a segment into a free slot, which `make` is told.
    pub(crate) fn add(&self, make: impl FnOnce(u16) -> Entry<G>) -> Result<Arc<Entry<G>>> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut slots = Slots::clone(&self.load());
        let free = slots.iter().position(Option::is_none).unwrap_or(slots.len());
        let slot = u16::try_from(free)
            .ok()
            .filter(|slot| *slot < u16::MAX)
            .ok_or(Error::Limit("65,535 segments at a time"))?;
        let entry = Arc::new(make(slot));
        if free == slots.len() {
            slots.push(None);
        }
        if let Some(place) = slots.get_mut(free) {
            *place = Some(Arc::clone(&entry));
        }
        self.slots.store(Arc::new(slots));
        Ok(entry)
    }

    /// Empties the slot of a segment, if it is still there: by the second call another may have taken it.
    pub(crate) fn remove(&self, entry: &Entry<G>) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut slots = Slots::clone(&self.load());
        let place = slots.get_mut(usize::from(entry.slot));
        if let Some(place) =
            place.filter(|place| place.as_ref().is_some_and(|e| e.id() == entry.id()))
        {
            *place = None;
        }
        self.slots.store(Arc::new(slots));
    }
}
