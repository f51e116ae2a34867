//! The un-sealed end of the log: what is whole, what is torn, what is damaged. FORMAT.md, section 6.

use crate::sync::Arc;

use crate::catalog::{Entry, SegmentState};
use crate::error::{Error, Result};
use crate::format::walk::{Depth, Walk, WalkEnd};
use crate::format::{HEADER_LEN, Head, HeaderKind, Kind, len64};
use crate::open::add_to_catalog;
use crate::open::load::{Loader, search_budget};
use crate::open::renew;
use crate::open::report::{Cut, PassedOver, RecoveryReport};
use crate::open::survey::{FoundSeal, Surveyed, last_nonzero};
use crate::segment::Segment;
use crate::write::MARK_LEN;

/// The un-sealed log segments, and what opening decided on them.
pub(super) struct Tail<G> {
    /// In the order of their positions. Each one's end is where it is whole.
    pub(super) entries: Vec<Arc<Entry<G>>>,
    /// The last sequence number of the log.
    pub(super) sequence: u64,
    /// Whether the log ends as a close leaves it.
    pub(super) ends_in_mark: bool,
    /// Whether a record says that all before the tail is sealed and durable.
    pub(super) vouches: bool,
}

/// What walking one segment showed.
struct Walked {
    /// End of the last whole batch.
    whole: u64,
    /// Where the records end, or the first thing that is none.
    bad: u64,
    why: &'static str,
    /// Nothing follows the last whole batch but zeros.
    clean: bool,
    /// What stands at `bad` is no record, and ends no batch: perhaps a seal that was cut short.
    may_be_a_seal: bool,
    /// The sequence number of the first record, and that of the last one before `whole`.
    first: Option<u64>,
    sequence: u64,
    /// The furthest point that any valid record here vouches for, those behind `bad` included; 0 where none does.
    synced: u64,
    /// There is a seal where none should be: behind something that is no record, or before un-sealed segments.
    sealed: bool,
    /// The seal that ends the records: the file is longer than its content.
    seal: Option<FoundSeal>,
    /// The last record is a mark that vouches for all before it.
    ends_in_mark: bool,
    /// Bytes of the file.
    len: u64,
}

/// Reads the tail into the keydir, as far as it counts.
pub(super) fn read<G: Segment>(
    loader: &Loader<'_, G>,
    segments: Vec<Surveyed<G>>,
    sequence: u64,
    salvage: bool,
    report: &mut RecoveryReport,
) -> Result<Tail<G>> {
    let mut entries = Vec::new();
    let mut walked = Vec::new();
    let mut sequence = sequence;
    let mut before = sequence;
    for mut segment in segments {
        if entries.is_empty() && segment.seal.is_some() {
            // Behind a sealed one with growth, whose seal only the walk below finds. A merge's output must not be
            // walked: its numbers have gaps.
            sequence = loader.sealed(segment, before, salvage, report)?;
            before = sequence;
            continue;
        }
        // Behind a segment that is missing, which was told, numbers are missing too.
        let is_first = entries.is_empty() && report.passed_over.is_empty();
        let mut found = walk(&segment, before, is_first)?;
        if entries.is_empty() && found.seal.is_some() {
            segment.seal = found.seal;
            sequence = loader.sealed(segment, before, salvage, report)?;
            before = sequence;
            continue;
        }
        found.sealed |= found.seal.is_some();
        // A merge without its seal stands here only in a salvage, because nothing else does.
        found.sealed |= segment.seal.is_some() || segment.header.kind == HeaderKind::Merge;
        before = found.sequence;
        let entry = add_to_catalog(loader.catalog, segment, SegmentState::Active)?;
        entry.set_synced(found.synced.min(found.whole));
        entries.push(entry);
        walked.push(found);
    }
    let vouches = walked.iter().any(|found| 0 < found.synced);
    let mut tail = Tail { entries, sequence, ends_in_mark: false, vouches };
    let mut torn = false;
    for (number, entry) in tail.entries.iter().enumerate() {
        let (Some(found), later) = (walked.get(number), walked.get(number + 1..)) else { break };
        let later = later.unwrap_or_default();
        let verdict = if torn { Verdict::Torn(AFTER_A_TEAR) } else { judge(found, later) };
        let end = match verdict {
            Verdict::Damage(what) if salvage => {
                let error = Error::damaged(entry.id(), found.bad, what);
                entry.set_state(SegmentState::Quarantined);
                let served = loader.salvage(entry)?;
                // Scans and snapshots go by it.
                tail.sequence = tail.sequence.max(entry.sequence());
                report.passed_over.push(PassedOver { error, served });
                continue;
            }
            Verdict::Damage(what) => return Err(Error::damaged(entry.id(), found.bad, what)),
            Verdict::Whole => found.whole,
            // They are those of a segment that is missing, which was told.
            Verdict::Torn(RECORDS_MISSING) if !report.passed_over.is_empty() => found.whole,
            Verdict::Torn(why) => {
                let end = if torn { len64(HEADER_LEN) } else { found.whole };
                report.cuts.extend(cut(entry, end, found.len, why)?);
                torn = true;
                end
            }
        };
        entry.set_end(end);
        if end <= len64(HEADER_LEN) {
            continue;
        }
        loader.heads(entry, end)?;
        report.walked += 1;
        entry.set_sequence(found.sequence);
        tail.sequence = tail.sequence.max(found.sequence);
        tail.ends_in_mark = found.ends_in_mark && found.clean;
    }
    tail.ends_in_mark &= !torn;
    report.clean = tail.ends_in_mark;
    Ok(tail)
}

const RECORDS_MISSING: &str = "records are missing before those of the next segment";

const AFTER_A_TEAR: &str = "an earlier segment is torn, and nothing vouches for what follows";

enum Verdict {
    Whole,
    Torn(&'static str),
    Damage(&'static str),
}

/// The table of FORMAT.md, section 6.
fn judge(found: &Walked, later: &[Walked]) -> Verdict {
    if later.iter().any(|later| 0 < later.synced || later.sealed) {
        return Verdict::Damage(
            "a later segment says that this one was sealed, and it has no valid seal",
        );
    }
    if found.sealed {
        return Verdict::Damage("a record before the seal is not valid");
    }
    if found.bad < found.synced {
        return Verdict::Damage(found.why);
    }
    let next = later.iter().find_map(|later| later.first);
    let follows_on = next == Some(found.sequence.saturating_add(1));
    if follows_on && (found.clean || found.may_be_a_seal) {
        // No record is missing, so what stands at b is none that was lost but a seal that was cut short.
        return Verdict::Whole;
    }
    if !found.clean {
        return Verdict::Torn(found.why);
    }
    match next {
        Some(_) => Verdict::Torn(RECORDS_MISSING),
        None => Verdict::Whole,
    }
}

/// Walks a segment to its end, and beyond the first thing that is no record in search of later ones.
/// `is_first`: it follows on sealed segments, which are whole, so its first number is known.
fn walk<G: Segment>(
    surveyed: &Surveyed<G>,
    sequence_before: u64,
    is_first: bool,
) -> Result<Walked> {
    let Surveyed { segment, header, len, .. } = surveyed;
    let failed = |source| Error::io("reading", header.id, source);
    let start = len64(HEADER_LEN);
    let mut walk = Walk::new(segment, header.seed, start, *len, Depth::Whole);
    let mut found = Walked {
        whole: start,
        bad: start,
        why: "",
        clean: false,
        may_be_a_seal: false,
        first: None,
        sequence: sequence_before,
        synced: 0,
        sealed: false,
        seal: None,
        ends_in_mark: false,
        len: *len,
    };
    let mut in_batch = false;
    let mut sequence = sequence_before;
    let why = loop {
        found.bad = walk.offset();
        let (offset, head) = match walk.next_head().map_err(failed)? {
            Ok((offset, head, _)) => (offset, head),
            Err(WalkEnd::End | WalkEnd::Zeros) if in_batch => break "a batch has no end",
            Err(why) => {
                found.clean = matches!(why, WalkEnd::End | WalkEnd::Zeros);
                found.may_be_a_seal = !found.clean && !in_batch;
                break why.describe();
            }
        };
        if let Err(why) = follows(&head, sequence, in_batch, !is_first && found.first.is_none()) {
            found.note_later(&head);
            break why;
        }
        if head.kind == Kind::Seal {
            let (end, sequence) = (walk.offset(), head.sequence);
            found.seal = Some(FoundSeal { offset, end, sequence });
            break "a seal stands here";
        }
        found.first = found.first.or(Some(head.sequence));
        // A mark that raises the number begins a session: what was written behind it may have been lost.
        let repeats = sequence == head.sequence;
        sequence = head.sequence;
        in_batch = head.batch;
        found.note_later(&head);
        found.ends_in_mark = head.kind == Kind::Mark && head.synced == Some(offset) && repeats;
        if !in_batch {
            (found.whole, found.sequence) = (walk.offset(), sequence);
        }
    };
    found.why = why;
    if !found.clean && found.seal.is_none() {
        let mut budget = search_budget(*len);
        let mut from = found.bad.saturating_add(1);
        loop {
            match walk.find_from(from, &mut budget).map_err(failed)? {
                Ok(Some(at)) => {
                    if let Ok((_, record)) = walk.next().map_err(failed)? {
                        found.note_later(&record.head);
                    }
                    from = walk.offset().max(at.saturating_add(1));
                }
                Ok(None) => break,
                Err(_) => {
                    found.synced = u64::MAX;
                    found.why = "what follows cannot be searched in reasonable time";
                    break;
                }
            }
        }
    }
    Ok(found)
}

impl Walked {
    /// Takes in what a valid record vouches for, wherever it stands.
    fn note_later(&mut self, head: &Head) {
        self.synced = self.synced.max(head.synced.unwrap_or(0));
        self.sealed |= head.kind == Kind::Seal;
    }
}

/// Whether a valid record may follow: section 3 on sequence numbers and batches. The first record of a segment is
/// compared with the earlier segments by [`judge`], so here it only has to lie behind them.
fn follows(head: &Head, before: u64, in_batch: bool, first: bool) -> Result<(), &'static str> {
    let right = match head.kind {
        Kind::Put | Kind::Tombstone if first => before < head.sequence,
        Kind::Put | Kind::Tombstone => before.checked_add(1) == Some(head.sequence),
        Kind::Mark => before <= head.sequence,
        Kind::Seal => before == head.sequence,
    };
    if !right {
        return Err("a record's sequence number is not the next one");
    }
    if in_batch && matches!(head.kind, Kind::Mark | Kind::Seal) {
        return Err("a batch has no end");
    }
    Ok(())
}

/// What is to be told of a cut: nothing where only growth goes.
fn cut<G: Segment>(entry: &Entry<G>, end: u64, len: u64, why: &'static str) -> Result<Option<Cut>> {
    let last = last_nonzero(&entry.segment, end, len)
        .map_err(|source| Error::io("reading", entry.id(), source))?;
    let cut = |last: u64| Cut { segment: entry.id(), offset: end, bytes: last - end, why };
    Ok(last.map(cut))
}

impl<G: Segment> Tail<G> {
    /// Cuts what is torn, and makes what was read durable: it may have been in the cache only. The last segment comes
    /// first, so that an interrupted cut leaves a tear where there was one.
    pub(super) fn cut(&self) -> Result<()> {
        let mark = self.closing_mark();
        for (number, entry) in self.entries.iter().enumerate().rev() {
            let segment = &entry.segment;
            if mark == Some(number) {
                // It vouches for all before it, and is itself the one thing that may not be durable. The next mark takes its place.
                entry.set_end(entry.end().saturating_sub(MARK_LEN));
            }
            let end = entry.end();
            if segment.len() != end {
                segment.truncate(end).map_err(|source| Error::io("cutting", entry.id(), source))?;
            }
            if mark != Some(number) {
                if !self.header_is_durable(number) {
                    renew::header(entry)?;
                }
                renew::records(entry)?;
                segment.sync().map_err(|source| Error::io("syncing", entry.id(), source))?;
            }
            entry.set_synced(end);
            segment.settle(end);
        }
        Ok(())
    }

    /// The segment that ends in the mark of a close, after which nothing was written.
    fn closing_mark(&self) -> Option<usize> {
        let last = self.entries.iter().rposition(|entry| len64(HEADER_LEN) < entry.end())?;
        self.ends_in_mark.then_some(last)
    }

    /// A record is written only where its segment, and the next one, exist durably.
    fn header_is_durable(&self, number: usize) -> bool {
        let holds_records = |number: usize| {
            self.entries.get(number).is_some_and(|entry| len64(HEADER_LEN) < entry.end())
        };
        holds_records(number) || number.checked_sub(1).is_some_and(holds_records)
    }
}
