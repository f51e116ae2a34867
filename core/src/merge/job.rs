//! One merge: copy, commit, publish.

use crate::sync::Arc;

use crate::append::{AppendFailed, append_or_undo, create_segment};
use crate::catalog::{Entry, SegmentState};
use crate::error::{Error, Result};
use crate::format::walk::{Depth, Walk};
use crate::format::{HEADER_LEN, Head, HeaderKind, Kind, Record, len64};
use crate::keydir::Location;
use crate::merge::plan::is_all_live;
use crate::merge::{MergeProgress, MergeReport};
use crate::segment::{Segment, Storage};
use crate::store::Inner;
use crate::write::low32;

/// Records that are looked at under one hold of the writer's lock.
const CHUNK_RECORDS: usize = 256;

/// Bytes that are gathered before they are appended to the output.
const APPEND_BYTES: usize = 1 << 20;

/// A merge under way.
pub(super) struct Job<G> {
    inputs: Vec<Input<G>>,
    output: Arc<Entry<G>>,
    /// Segments that were last looked through for expired records before this were worth it.
    since_ms: u64,
    stage: Stage,
    /// Where each record of the output came from, in their order: what publishing repoints. `None` for tombstones.
    origins: Vec<Option<Origin>>,
    /// Records that had expired: the keydir forgets them when the merge is published.
    expired: Vec<(Vec<u8>, Location, u64)>,
    /// Encoded records that are not appended yet.
    buffer: Vec<u8>,
    report: MergeReport,
}

struct Input<G> {
    entry: Arc<Entry<G>>,
    /// Live bytes when the merge began.
    live_at_start: u64,
    /// Live bytes that the merge has met: copied or expired.
    met: u64,
}

/// Where a copied record came from.
#[derive(Clone, Copy)]
struct Origin {
    at: Location,
    /// It said how far the log was synced, which its copy does not: it was eight bytes longer.
    said_synced: bool,
}

#[derive(Clone, Copy)]
enum Stage {
    Copy { input: usize, offset: u64 },
    Publish { record: usize, offset: u64 },
}

/// What becomes of a record of an input.
enum Fate {
    Copy,
    /// The key is gone, but an older record of it may be outside the merge.
    CopyAsTombstone,
    Drop,
}

impl<G: Segment> Job<G> {
    /// Creates the output, and from now on keeps account of what dies in the inputs.
    pub(super) fn begin<S: Storage<Segment = G>>(
        inner: &Inner<S>,
        entries: Vec<Arc<Entry<G>>>,
        since_ms: u64,
    ) -> Result<Job<G>> {
        let id = inner.writer().take_id()?;
        let first = entries.first().map_or(1, |entry| entry.header.first);
        let last = entries.last().map_or(1, |entry| entry.header.last);
        let span = (HeaderKind::Merge, first, last);
        let output = create_segment(&inner.storage, &inner.catalog, inner.store_id, id, span)?;
        output.set_state(SegmentState::Pending);
        output.set_sequence(entries.iter().map(|entry| entry.sequence()).max().unwrap_or(0));
        let writer = inner.writer();
        let inputs: Vec<Input<G>> = entries.into_iter().map(Input::begin).collect();
        drop(writer);
        let bytes_total = inputs.iter().map(|input| input.entry.end()).sum();
        Ok(Job {
            report: MergeReport {
                runs: 1,
                inputs: len64(inputs.len()),
                bytes_freed: bytes_total,
                ..MergeReport::default()
            },
            inputs,
            output,
            since_ms,
            stage: Stage::Copy { input: 0, offset: len64(HEADER_LEN) },
            origins: Vec::new(),
            expired: Vec::new(),
            buffer: Vec::new(),
        })
    }

    pub(super) fn progress(&self) -> MergeProgress {
        let bytes_total = self.inputs.iter().map(|input| input.entry.end()).sum();
        MergeProgress { bytes_read: self.report.bytes_read.min(bytes_total), bytes_total }
    }

    /// Whether the output's seal is durable, so that there is no way back.
    pub(super) fn is_committed(&self) -> bool {
        matches!(self.stage, Stage::Publish { .. })
    }

    pub(super) fn into_inputs(self) -> Vec<Arc<Entry<G>>> {
        self.inputs.into_iter().map(|input| input.entry).collect()
    }

    /// Does about `budget` bytes of work. The report comes with the last step.
    pub(super) fn step<S: Storage<Segment = G>>(
        &mut self,
        inner: &Inner<S>,
        budget: u64,
    ) -> Result<Option<MergeReport>> {
        let mut left = budget;
        while 0 < left {
            let done = match self.stage {
                Stage::Copy { input, offset } => match self.inputs.get(input) {
                    Some(_) => self.copy_chunk(inner, input, offset)?,
                    None => {
                        self.commit(inner)?;
                        self.stage = Stage::Publish { record: 0, offset: len64(HEADER_LEN) };
                        budget
                    }
                },
                Stage::Publish { record, offset } => {
                    match self.publish_chunk(inner, record, offset)? {
                        Some(done) => done,
                        None => return self.finish(inner).map(Some),
                    }
                }
            };
            left = left.saturating_sub(done);
        }
        Ok(None)
    }

    /// Reads some records of an input, finds out under the writer's lock which of them count, and copies these.
    fn copy_chunk<S: Storage<Segment = G>>(
        &mut self,
        inner: &Inner<S>,
        number: usize,
        offset: u64,
    ) -> Result<u64> {
        let Some(input) = self.inputs.get(number) else { return Ok(0) };
        let entry = Arc::clone(&input.entry);
        let (records, end, at_end) = read_chunk(&entry, offset).inspect_err(|error| {
            if error.is_damage() {
                inner.quarantine(&entry);
            }
        })?;
        let fates = self.decide(inner, number, &records, end)?;
        for ((offset, record), fate) in records.iter().zip(fates) {
            match fate {
                Fate::Copy => self.copy(&entry, *offset, &record.head, record),
                Fate::CopyAsTombstone => {
                    let head = Head {
                        kind: Kind::Tombstone,
                        expires_at_ms: None,
                        value_len: 0,
                        ..record.head
                    };
                    self.copy(&entry, *offset, &head, record);
                }
                Fate::Drop => {}
            }
        }
        if APPEND_BYTES <= self.buffer.len() {
            self.flush()?;
        }
        let read = end.saturating_sub(offset);
        self.report.bytes_read += read;
        self.stage = Stage::Copy { input: number, offset: end };
        if at_end {
            self.check_input(inner, number)?;
            self.stage = Stage::Copy { input: number + 1, offset: len64(HEADER_LEN) };
        }
        Ok(read.max(1))
    }

    /// What becomes of each record. While the writer's lock is held nothing dies, so every record of the input is either
    /// met alive here or counted as dead before it was looked at.
    fn decide<S: Storage<Segment = G>>(
        &mut self,
        inner: &Inner<S>,
        number: usize,
        records: &[(u64, Record)],
        cursor: u64,
    ) -> Result<Vec<Fate>> {
        let _nothing_dies = inner.writer();
        let tombstones_go = self.older_are_all_live(inner);
        let now_ms = inner.storage.now_ms();
        let mut fates = Vec::with_capacity(records.len());
        for (offset, record) in records {
            let slot = self.inputs.get(number).map_or(u16::MAX, |input| input.entry.slot);
            let at = Location { slot, offset: low32(*offset) };
            let key = inner.keydir.key(&record.key);
            let fate = match record.head.kind {
                Kind::Put if inner.keydir.points_at(key, at) => {
                    if let Some(input) = self.inputs.get_mut(number) {
                        input.met += record.head.record_len();
                    }
                    if record.head.is_expired(now_ms) {
                        self.expired.push((record.key.to_vec(), at, record.head.record_len()));
                        self.report.expired += 1;
                        if tombstones_go { Fate::Drop } else { Fate::CopyAsTombstone }
                    } else {
                        Fate::Copy
                    }
                }
                // A later record of the key is there, or a later tombstone. The rule and its proof: FORMAT.md, section 8.
                Kind::Tombstone if !tombstones_go && may_be_newest(inner, record)? => Fate::Copy,
                Kind::Tombstone => {
                    self.report.tombstones_dropped += 1;
                    Fate::Drop
                }
                Kind::Put | Kind::Mark | Kind::Seal => Fate::Drop,
            };
            fates.push(fate);
        }
        if let Some(input) = self.inputs.get(number) {
            input.entry.advance_merge(cursor);
        }
        Ok(fates)
    }

    /// Whether every segment older than the inputs holds only latest records of keys that are there. Newer ones hold only
    /// larger sequence numbers.
    fn older_are_all_live<S: Storage<Segment = G>>(&self, inner: &Inner<S>) -> bool {
        let first = self.output.header.first;
        inner
            .catalog
            .load()
            .iter()
            .flatten()
            .filter(|entry| entry.header.last < first && entry.state() != SegmentState::Retired)
            .all(|entry| is_all_live(entry, entry.tally().record_bytes))
    }

    /// Encodes a record for the output: the same number, without batch and synced.
    fn copy(&mut self, input: &Entry<G>, offset: u64, head: &Head, record: &Record) {
        let head = Head { batch: false, synced: None, ..*head };
        let at = self.output.end() + len64(self.buffer.len());
        let value = if head.kind == Kind::Put { record.value.as_ref() } else { &[] };
        head.encode(self.output.header.seed, at, &record.key, value, &mut self.buffer);
        let mut tally = self.output.tally();
        tally.add(&head);
        self.output.set_tally(tally);
        let at = Location { slot: input.slot, offset: low32(offset) };
        let origin = Origin { at, said_synced: record.head.synced.is_some() };
        self.report.bytes_copied += head.record_len();
        if head.kind == Kind::Put {
            self.report.records_copied += 1;
            self.origins.push(Some(origin));
        } else {
            self.report.tombstones_kept += 1;
            self.origins.push(None);
        }
    }

    fn flush(&mut self) -> Result<()> {
        append_or_undo(&self.output, &[&self.buffer]).map_err(|failed| match failed {
            AppendFailed::Undone(error) | AppendFailed::Torn(error) => error,
        })?;
        self.buffer.clear();
        Ok(())
    }

    /// The live bytes that were met, and those that died before they were, are those of the accounts: else records are
    /// missing, and the input must not go.
    fn check_input<S: Storage<Segment = G>>(&self, inner: &Inner<S>, number: usize) -> Result<()> {
        let Some(input) = self.inputs.get(number) else { return Ok(()) };
        let accounted = input.live_at_start;
        let met = input.met + input.entry.died_unseen();
        if met == accounted {
            return Ok(());
        }
        inner.quarantine(&input.entry);
        let what = format!("{met} live bytes were found where the keydir accounts for {accounted}");
        Err(Error::damaged(input.entry.id(), len64(HEADER_LEN), what))
    }

    /// The seal of the output is the commit: from then on the inputs are retired. So whatever made their records dead
    /// must be durable before it, or a power cut would take both.
    fn commit<S: Storage<Segment = G>>(&mut self, inner: &Inner<S>) -> Result<()> {
        self.flush()?;
        inner.wait_durable(inner.commit.appended())?;
        inner.seal(&self.output)?;
        // Never before the time that the plan asked for: with a clock that goes back, the same would be planned for ever.
        self.output.set_expiry_checked_ms(inner.storage.now_ms().max(self.since_ms));
        Ok(())
    }

    /// Repoints some keys from the inputs to the output, where they still point there.
    fn publish_chunk<S: Storage<Segment = G>>(
        &mut self,
        inner: &Inner<S>,
        record: usize,
        offset: u64,
    ) -> Result<Option<u64>> {
        let (records, end, at_end) = read_chunk(&self.output, offset)?;
        inner.counters.merge_changed();
        let writer = inner.writer();
        let origins = self.origins.get(record..).unwrap_or_default();
        for ((at, copy), origin) in records.iter().zip(origins) {
            let Some(Origin { at: from, said_synced }) = *origin else { continue };
            let to = Location { slot: self.output.slot, offset: low32(*at) };
            let len = copy.head.record_len();
            if inner.keydir.replace(inner.keydir.key(&copy.key), from, to) {
                self.output.record_lives(len);
                self.dies(from, if said_synced { len + 8 } else { len });
            }
        }
        drop(writer);
        if at_end && records.is_empty() {
            return Ok(None);
        }
        self.stage = Stage::Publish { record: record + records.len(), offset: end };
        Ok(Some(end.saturating_sub(offset).max(1)))
    }

    /// A live record of an input is no longer its key's latest.
    fn dies(&self, from: Location, len: u64) {
        if let Some(input) = self.inputs.iter().find(|input| input.entry.slot == from.slot) {
            input.entry.record_dies(u64::from(from.offset), len);
        }
    }

    /// Forgets what has expired, and looks once more that nothing points into the inputs.
    fn finish<S: Storage<Segment = G>>(&mut self, inner: &Inner<S>) -> Result<MergeReport> {
        inner.counters.merge_changed();
        let writer = inner.writer();
        for (key, at, len) in std::mem::take(&mut self.expired) {
            if inner.keydir.remove(inner.keydir.key(&key), at) {
                self.dies(at, len);
            }
        }
        for input in &self.inputs {
            if 0 < input.entry.live_bytes() {
                inner.quarantine(&input.entry);
                let what = "the keydir points into a segment that was merged";
                let error = Error::damaged(input.entry.id(), len64(HEADER_LEN), what);
                return Err(inner.poisoned_by(error));
            }
            input.entry.end_merge();
            input.entry.set_state(SegmentState::Retired);
        }
        drop(writer);
        self.report.bytes_freed = self.report.bytes_freed.saturating_sub(self.output.end());
        Ok(self.report)
    }

    /// Gives the merge up. Before the commit the output goes and the inputs stay; after it the keydir may point into the
    /// output already, and the next opening finishes what is left to do.
    pub(super) fn abandon<S: Storage<Segment = G>>(self, inner: &Inner<S>) -> Result<()> {
        if self.is_committed() {
            let id = self.output.id();
            let stopped =
                Error::damaged(id, 0, "a merge was stopped between its commit and its end");
            let _ = inner.poisoned_by(stopped);
            return Ok(());
        }
        self.inputs.iter().for_each(|input| input.entry.end_merge());
        inner.catalog.remove(&self.output);
        let id = self.output.id();
        inner.storage.remove(id).map_err(|source| Error::io("removing", id, source))
    }
}

/// Whether a tombstone may be the newest record of its key. Where a damaged record stands in the way, in whatever segment,
/// it may be: one that is kept does no harm.
fn may_be_newest<S: Storage>(inner: &Inner<S>, tombstone: &Record) -> Result<bool> {
    match inner.find(&tombstone.key, Depth::Heads) {
        Ok(found) => Ok(found.is_none()),
        Err(error) if error.is_damage() => Ok(true),
        Err(error) => Err(error),
    }
}

/// Reads some records: up to the segment's end or its seal, and not more than one chunk. Returns where they end, and whether
/// that is the end of all.
#[expect(clippy::type_complexity, reason = "three results of one read, used in one place each")]
fn read_chunk<G: Segment>(
    entry: &Entry<G>,
    offset: u64,
) -> Result<(Vec<(u64, Record)>, u64, bool)> {
    let (id, end) = (entry.id(), entry.end());
    let mut walk = Walk::new(&entry.segment, entry.header.seed, offset, end, Depth::Whole);
    let mut records = Vec::new();
    let chunk_end = offset.saturating_add(len64(APPEND_BYTES));
    while walk.offset() < end {
        if CHUNK_RECORDS <= records.len() || chunk_end <= walk.offset() {
            return Ok((records, walk.offset(), false));
        }
        let before = walk.offset();
        match walk.next().map_err(|source| Error::io("reading", id, source))? {
            Ok((_, record)) if record.head.kind == Kind::Seal => {
                return Ok((records, before, true));
            }
            Ok(next) => records.push(next),
            Err(why) => return Err(Error::damaged(id, before, why.describe())),
        }
    }
    Ok((records, end, true))
}

impl<G: Segment> Input<G> {
    fn begin(entry: Arc<Entry<G>>) -> Input<G> {
        entry.begin_merge();
        Input { live_at_start: entry.live_bytes(), met: 0, entry }
    }
}
