//! Writing: append, then apply. One appender, one path for single writes and batches.

use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use std::collections::VecDeque;
use std::io::ErrorKind;

use crate::append::{AppendFailed, append_or_undo, create_segment};
use crate::batch::{Batch, Operation};
use crate::catalog::Entry;
use crate::error::{Error, Result};
use crate::format::header::segment_id_of;
use crate::format::record::FIXED_LEN;
use crate::format::walk::Depth;
use crate::format::{HEADER_LEN, Head, HeaderKind, Kind, RECORD_START_END, len64};
use crate::keydir::{Key, Location};
use crate::read;
use crate::segment::{Segment, SegmentId, Storage};
use crate::stats::Operation as Counted;
use crate::store::Inner;

/// Values from this length on are appended from where they are, not copied into the buffer.
const COPIED_LEN_MAX: usize = 4096;

/// Rolled segments that may wait for whoever seals them. Each has an open file, and none of what follows them is vouched
/// for, so a writer that is faster than the sealing helps with it.
const PENDING_MAX: usize = 8;

/// What the one appender knows.
pub(crate) struct Writer<G> {
    /// Takes the next record. `None` in a store that is open for reading only.
    pub(crate) active: Option<Arc<Entry<G>>>,
    /// Header-only segments for the next positions; never empty while the active one holds a record.
    pub(crate) successors: VecDeque<Arc<Entry<G>>>,
    /// The last sequence number that was handed out or skipped.
    pub(crate) sequence: u64,
    pub(crate) next_id: u64,
    pub(crate) next_position: u64,
    /// The number that this session goes on from, before its first write.
    pub(crate) jump_to: Option<u64>,
    /// The furthest `synced` that the active segment's records say.
    pub(crate) said_synced: u64,
    /// Records on their way into the log, and where each will stand; kept for their memory.
    pub(crate) buffer: Vec<u8>,
    pub(crate) heads: Vec<(u64, Head)>,
}

impl<G> Writer<G> {
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// What an append came to.
pub(crate) struct Written {
    /// Of the last record.
    pub(crate) sequence: u64,
    /// What [`Inner::wait_durable`] takes.
    pub(crate) position: u64,
}

/// An operation that is about to be written, and the record that it supersedes.
pub(crate) struct Planned<'a> {
    pub(crate) operation: Operation<'a>,
    pub(crate) key: Key<'a>,
    pub(crate) old: Option<Old>,
}

/// What has to be known of a record that is superseded.
#[derive(Clone, Copy)]
pub(crate) struct Old {
    at: Location,
    sequence: u64,
    len: u64,
    tombstone: bool,
}

impl Old {
    pub(crate) fn of(at: Location, head: &Head) -> Old {
        let tombstone = head.kind == Kind::Tombstone;
        Old { at, sequence: head.sequence, len: head.record_len(), tombstone }
    }
}

/// What is known of the keys that a batch has more than once.
struct Repeated<T>(Vec<Option<T>>);

impl<T: Copy> Repeated<T> {
    fn new() -> Repeated<T> {
        Repeated(Vec::new())
    }

    /// What was said at the operation's key before.
    fn get(&self, operation: &Operation<'_>) -> Option<T> {
        *self.0.get(operation.repeated?)?
    }

    /// Does nothing where the key does not come again.
    fn set(&mut self, operation: &Operation<'_>, what: T) {
        let Some(number) = operation.repeated else { return };
        if self.0.len() <= number {
            self.0.resize(number + 1, None);
        }
        if let Some(place) = self.0.get_mut(number) {
            *place = Some(what);
        }
    }
}

impl<S: Storage> Inner<S> {
    /// Looks up what a batch supersedes, and leaves out deletes of keys that are not there.
    pub(crate) fn plan_batch<'a>(&self, batch: &'a Batch) -> Result<Vec<Planned<'a>>> {
        let mut planned = Vec::with_capacity(batch.len());
        // Whether a key that comes again is there after what was decided so far.
        let mut there = Repeated::new();
        for (operation, hash) in batch.operations(&self.store_id) {
            let key = self.keydir.hashed(operation.key, hash);
            let earlier = there.get(&operation);
            let old = match earlier {
                Some(_) => None,
                None => read::find(&self.keydir, &self.catalog, key, Depth::Heads)?,
            };
            let is_there = earlier.unwrap_or(old.is_some());
            there.set(&operation, operation.value.is_some());
            if is_there || operation.value.is_some() {
                let old = old.map(|found| Old::of(found.at, &found.head));
                planned.push(Planned { operation, key, old });
            }
        }
        Ok(planned)
    }

    /// Appends records for the operations, all or nothing, and applies them. Each key's first operation comes with what
    /// it supersedes.
    pub(crate) fn append(
        &self,
        writer: &mut Writer<S::Segment>,
        operations: &[Planned<'_>],
    ) -> Result<Written> {
        self.begin_session(writer)?;
        let active = self.make_room(writer, operations)?;
        self.encode(writer, &active, operations)?;
        let position = self.append_buffer(writer, &active, operations)?;
        // Nothing fails from here on: the records are in the log.
        active.count(writer.heads.iter().map(|(_, head)| head));
        let sequence = writer.heads.last().map_or(writer.sequence, |(_, head)| head.sequence);
        writer.sequence = sequence;
        active.set_sequence(sequence);
        self.apply(&active, &writer.heads, operations);
        Ok(Written { sequence, position })
    }

    /// Numbers that an earlier session handed out and a power cut took must not be handed out again, and a clean end does not
    /// tell that there was no such session: a synced mark raises the count before the first number of each.
    fn begin_session(&self, writer: &mut Writer<S::Segment>) -> Result<()> {
        let Some(sequence) = writer.jump_to else { return Ok(()) };
        let active = self.make_room(writer, &[])?;
        // The mark says that all earlier segments are sealed, also one that was rolled just now and would wait for a thread.
        self.seal_pending()?;
        self.append_mark(writer, &active, sequence)?;
        self.sync_segment(&active)?;
        writer.jump_to = None;
        Ok(())
    }

    /// Appends a mark: everything before it is durable.
    fn append_mark(
        &self,
        writer: &mut Writer<S::Segment>,
        active: &Arc<Entry<S::Segment>>,
        sequence: u64,
    ) -> Result<()> {
        let offset = active.end();
        let mark = Head {
            kind: Kind::Mark,
            batch: false,
            sequence,
            expires_at_ms: None,
            synced: Some(offset),
            key_len: 0,
            value_len: 0,
        };
        writer.buffer.clear();
        mark.encode(active.header.seed, offset, &[], &[], &mut writer.buffer);
        self.append_buffer(writer, active, &[])?;
        writer.sequence = sequence;
        writer.said_synced = offset;
        active.set_sequence(sequence);
        Ok(())
    }

    /// The active segment, after a roll where the records would not fit into the present one.
    fn make_room(
        &self,
        writer: &mut Writer<S::Segment>,
        operations: &[Planned<'_>],
    ) -> Result<Arc<Entry<S::Segment>>> {
        let active = writer.active.clone().ok_or(Error::ReadOnly)?;
        let mut len: u64 = 8;
        let mut last_start = 0;
        for Planned { operation, .. } in operations {
            last_start = len;
            let expiry = if operation.expires_at_ms.is_some() { 8 } else { 0 };
            let value = operation.value.map_or(0, <[u8]>::len);
            len += len64(FIXED_LEN + expiry + operation.key.len()) + len64(value);
        }
        if RECORD_START_END <= len64(HEADER_LEN) + last_start {
            return Err(Error::BatchLen(len));
        }
        let end = active.end();
        let fits = end + len <= self.options.segment_bytes && end + last_start < RECORD_START_END;
        if fits || active.tally().records == 0 {
            self.make_successor(writer)?;
            return Ok(active);
        }
        self.roll(writer)
    }

    /// Makes sure that the position behind the active one exists before the active one takes a record, so that a lost
    /// file always leaves a gap.
    fn make_successor(&self, writer: &mut Writer<S::Segment>) -> Result<()> {
        if writer.successors.is_empty() {
            let successor = self.create_log(writer)?;
            writer.successors.push_back(successor);
        }
        Ok(())
    }

    /// Goes on in the next segment; the one before is sealed at once or soon.
    pub(crate) fn roll(&self, writer: &mut Writer<S::Segment>) -> Result<Arc<Entry<S::Segment>>> {
        self.make_successor(writer)?;
        if writer.successors.len() < 2 {
            let next = self.create_log(writer)?;
            writer.successors.push_back(next);
        }
        let Some(next) = writer.successors.pop_front() else {
            return Err(Error::Limit("no segment to go on in"));
        };
        if let Some(rolled) = writer.active.replace(Arc::clone(&next)) {
            self.sealing.push(rolled);
        }
        writer.said_synced = 0;
        if self.options.seal_on_roll || PENDING_MAX < self.sealing.len() {
            match self.seal_pending() {
                // The seal waits until there is room for it; the record may fit.
                Err(error) if error.is_full() => {}
                sealed => drop(sealed?),
            }
        }
        Ok(next)
    }

    /// Creates the log segment for the next position, durably.
    pub(crate) fn create_log(
        &self,
        writer: &mut Writer<S::Segment>,
    ) -> Result<Arc<Entry<S::Segment>>> {
        let position = writer.next_position;
        let id = writer.take_id()?;
        let span = (HeaderKind::Log, position, position);
        let created = create_segment(&self.storage, &self.catalog, self.store_id, id, span);
        let entry = created.map_err(|error| match self.storage.remove(id) {
            Err(left) if left.kind() == ErrorKind::NotFound => error,
            Ok(()) => error,
            // What cannot be removed and has a whole header would stand for this position later: no other segment may.
            Err(_) if self.may_count(id) => self.poisoned_by(error),
            Err(_) => error,
        })?;
        writer.next_position = position.saturating_add(1);
        Ok(entry)
    }

    /// Whether an opening may take this for a segment: without a whole header it is ignored.
    fn may_count(&self, id: SegmentId) -> bool {
        let header = self.storage.open(id).and_then(|segment| segment.read_at(0, HEADER_LEN));
        match header {
            Ok(bytes) => segment_id_of(&bytes).is_some(),
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof),
        }
    }

    /// Encodes the records into the writer's buffer, but for one large value, and says in its heads where each will stand.
    fn encode(
        &self,
        writer: &mut Writer<S::Segment>,
        active: &Entry<S::Segment>,
        operations: &[Planned<'_>],
    ) -> Result<()> {
        let known_synced = self.known_synced(active);
        let mut synced = (writer.said_synced < known_synced).then_some(known_synced);
        let large = large_value(operations).is_some();
        let seed = active.header.seed;
        let mut offset = active.end();
        let mut sequence = writer.sequence;
        writer.buffer.clear();
        writer.heads.clear();
        for (number, Planned { operation, .. }) in operations.iter().enumerate() {
            sequence = sequence.checked_add(1).ok_or(Error::Limit("sequence numbers"))?;
            let Operation { key, value, expires_at_ms, .. } = *operation;
            let value_bytes = value.unwrap_or_default();
            let head = Head {
                kind: if value.is_some() { Kind::Put } else { Kind::Tombstone },
                batch: number + 1 < operations.len(),
                sequence,
                expires_at_ms,
                synced: synced.take(),
                key_len: u16::try_from(key.len()).map_err(|_| Error::KeyLen(key.len()))?,
                value_len: u32::try_from(value_bytes.len())
                    .map_err(|_| Error::ValueLen(value_bytes.len()))?,
            };
            match large {
                true => head.encode_head(seed, offset, key, value_bytes, &mut writer.buffer),
                false => head.encode(seed, offset, key, value_bytes, &mut writer.buffer),
            }
            writer.heads.push((offset, head));
            offset = offset.saturating_add(head.record_len());
        }
        writer.said_synced = writer.said_synced.max(known_synced);
        Ok(())
    }

    /// How far records of this segment may say that it is durable: nothing before the earlier ones are sealed.
    fn known_synced(&self, active: &Entry<S::Segment>) -> u64 {
        match self.sealing.is_empty() {
            true => active.synced(),
            false => 0,
        }
    }

    /// Appends the buffer, and the one large value. Undoes a failed append.
    fn append_buffer(
        &self,
        writer: &Writer<S::Segment>,
        active: &Entry<S::Segment>,
        operations: &[Planned<'_>],
    ) -> Result<u64> {
        let value = large_value(operations).unwrap_or_default();
        let parts: [&[u8]; 2] = [&writer.buffer, value];
        let parts = if value.is_empty() { &parts[..1] } else { &parts[..] };
        append_or_undo(active, parts).map_err(|failed| match failed {
            AppendFailed::Undone(error) => error,
            AppendFailed::Torn(error) => self.poisoned_by(error),
        })?;
        Ok(self.commit.append(len64(writer.buffer.len()) + len64(value.len())))
    }

    /// Points the keydir at the new records and keeps the accounts.
    fn apply(
        &self,
        active: &Arc<Entry<S::Segment>>,
        heads: &[(u64, Head)],
        operations: &[Planned<'_>],
    ) {
        let remembers = self.snapshots.any();
        let slots = self.catalog.load();
        // Where the keys of a batch stand that it has written more than once.
        let mut written: Repeated<Old> = Repeated::new();
        for ((offset, head), Planned { operation, key, old }) in heads.iter().zip(operations) {
            let at = Location { slot: active.slot, offset: low32(*offset) };
            let old = written.get(operation).or(*old);
            // A tombstone that an earlier one of the same batch already made superfluous supersedes nothing.
            let old = old.filter(|old| !old.tombstone);
            if let Some(old) = &old
                && remembers
            {
                self.snapshots.remember(operation.key, old.sequence, head.sequence, old.at);
            }
            if operation.value.is_some() {
                active.record_lives(head.record_len());
                self.counters.count(Counted::Put);
            } else {
                self.counters.count(Counted::Delete);
            }
            match (&old, operation.value.is_some()) {
                (Some(old), true) => drop(self.keydir.replace(*key, old.at, at)),
                (Some(old), false) => drop(self.keydir.remove(*key, old.at)),
                (None, true) => self.keydir.insert(*key, at),
                (None, false) => {}
            }
            if let Some(old) = old
                && let Some(Some(entry)) = slots.get(usize::from(old.at.slot))
            {
                entry.record_dies(u64::from(old.at.offset), old.len);
            }
            written.set(operation, Old::of(at, head));
        }
    }

    /// Syncs, seals a long tail, marks the log as complete, and takes no more calls.
    pub(crate) fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) || !self.options.writes() {
            return Ok(());
        }
        self.check_poison()?;
        self.abandon_merge()?;
        self.release_retired()?;
        self.sync_log()?;
        match self.mark_end() {
            // Everything is durable; seal and mark only say so, and wait for room.
            Err(error) if error.is_full() => Ok(()),
            marked => marked,
        }
    }

    /// Seals a long tail, and leaves a mark at the end of the log: it is whole up to here.
    fn mark_end(&self) -> Result<()> {
        let mut writer = self.writer();
        let Some(mut active) = writer.active.clone() else { return Ok(()) };
        if self.options.segment_bytes / 4 < active.tally().record_bytes {
            // Long enough for its hints to make the next opening faster.
            active = self.roll(&mut writer)?;
        }
        self.seal_pending()?;
        self.sync_segment(&active)?;
        let ends_in_mark = writer.said_synced + MARK_LEN == active.end();
        if ends_in_mark {
            return Ok(());
        }
        let sequence = writer.sequence;
        self.make_successor(&mut writer)?;
        self.append_mark(&mut writer, &active, sequence)?;
        self.sync_segment(&active)
    }
}

/// Bytes of a mark.
pub(crate) const MARK_LEN: u64 = 32;

impl<G> Writer<G> {
    /// The next id, for a segment that is about to be created.
    pub(crate) fn take_id(&mut self) -> Result<SegmentId> {
        let id = SegmentId(self.next_id);
        self.next_id = self.next_id.checked_add(1).ok_or(Error::Limit("segment ids"))?;
        Ok(id)
    }
}

/// The value of a single write, if it is too long to be worth a copy.
fn large_value<'a>(operations: &[Planned<'a>]) -> Option<&'a [u8]> {
    match operations {
        [Planned { operation, .. }] => operation.value.filter(|value| COPIED_LEN_MAX < value.len()),
        _ => None,
    }
}

/// The offset of a record, which stands below 4 GiB.
pub(crate) fn low32(offset: u64) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
