//! Verifying: every byte of every segment, against its checksums and its hints.

use std::collections::VecDeque;

use crate::catalog::{Entry, SegmentState};
use crate::error::{Error, Result};
use crate::format::seal::{HintForm, Seal, SealBuilder, Tally};
use crate::format::walk::{Depth, Exhausted, Walk};
use crate::format::{HEADER_LEN, Header, HeaderKind, Kind, Record, len64};
use crate::keydir::Location;
use crate::merge::Go;
use crate::open::{Cut, FoundSeal, Survey, Surveyed, check_tail, search_budget, walk_to_seal};
use crate::segment::{Segment, SegmentId, Storage};
use crate::store::{Inner, Store};
use crate::sync::Arc;
use crate::write::low32;

/// What was found wrong. Its error says where.
#[derive(Debug)]
pub struct Problem {
    /// What and where.
    pub error: Error,
    /// Sound records of the same segment that were found behind it.
    pub sound_behind: u64,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyProgress {
    /// The segment that was just read.
    pub segment: SegmentId,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Bytes of all segments.
    pub bytes_total: u64,
}

/// What verifying found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Segments that were read.
    pub segments: u64,
    /// Of these, sealed ones, whose hints were compared.
    pub sealed: u64,
    /// Records that were read: puts and tombstones.
    pub records: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// What is wrong. Empty: all is well.
    pub problems: Vec<Problem>,
    /// Torn tails: never durable, no damage; the next opening for writing cuts them.
    pub torn: Vec<Cut>,
    /// It was stopped before its end.
    pub stopped: bool,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn note(&mut self, error: Error) {
        self.problems.push(Problem { error, sound_behind: 0 });
    }

    /// Counts a segment that was read, and asks whether to go on.
    fn read(
        &mut self,
        segment: SegmentId,
        len: u64,
        bytes_total: u64,
        on_progress: &mut dyn FnMut(VerifyProgress) -> Go,
    ) -> Go {
        self.segments += 1;
        self.bytes += len;
        let go = on_progress(VerifyProgress { segment, bytes_read: self.bytes, bytes_total });
        self.stopped = go == Go::Stop;
        go
    }
}

/// Verifies the segments of a storage without opening a store: also where one would not open. Changes nothing.
///
/// # Errors
///
/// `Io` where the storage fails, [`Error::NoStore`], [`Error::Version`]. Damage is no error here: it stands in the report.
pub fn verify<S: Storage>(
    storage: &S,
    on_progress: &mut dyn FnMut(VerifyProgress) -> Go,
) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    let survey = match Survey::of(storage, true) {
        Err(error) if error.is_damage() => {
            report.note(error);
            return Ok(report);
        }
        survey => survey?,
    };
    let passed_over = survey.report.passed_over;
    report
        .problems
        .extend(passed_over.into_iter().map(|over| Problem { error: over.error, sound_behind: 0 }));
    if survey.segments.is_empty() {
        return if report.problems.is_empty() { Err(Error::NoStore) } else { Ok(report) };
    }
    let Some(store_id) = survey.store_id else { return Err(Error::NoStore) };
    let bytes_total = survey.segments.iter().map(|segment| segment.len).sum();
    for surveyed in &survey.segments {
        // The rest of the tail is read by what decides on it.
        let seal = match surveyed.seal {
            // Growth may follow the seal of a log segment.
            None => walk_to_seal(&surveyed.segment, &surveyed.header, surveyed.len)?,
            found => found,
        };
        if let Some(seal) = &seal {
            check_sealed(surveyed, seal, store_id, &mut report)?;
        }
        if report.read(surveyed.header.id, surveyed.len, bytes_total, on_progress) == Go::Stop {
            return Ok(report);
        }
    }
    check_tail(storage, &mut report)?;
    Ok(report)
}

/// Reads a sealed segment whole.
fn check_sealed<G: Segment>(
    surveyed: &Surveyed<G>,
    seal: &FoundSeal,
    store_id: [u8; 16],
    report: &mut VerifyReport,
) -> Result<()> {
    let Surveyed { segment, header, .. } = surveyed;
    let failed = |source| Error::io("reading", header.id, source);
    let mut walk = Walk::new(segment, header.seed, seal.offset, seal.end, Depth::Whole);
    let record = walk.next().map_err(failed)?.ok();
    let form = record.and_then(|(offset, record)| Some(Seal::decode(&record.value, offset)?.form));
    let Some(form) = form else {
        report.note(Error::damaged(header.id, seal.offset, "the seal makes no sense"));
        return Ok(());
    };
    let mut check = Check::new(*header, seal.end, form, store_id);
    check.step(segment, report, u64::MAX, |_, _| ())?;
    Ok(())
}

/// A segment that is being checked, and how far.
struct Check {
    header: Header,
    /// Where the next record stands, and where the segment ends.
    offset: u64,
    end: u64,
    /// Of the hints there should be.
    form: HintForm,
    remade: SealBuilder,
    tally: Tally,
    /// Bytes of checksums that searching behind damage may still cost.
    budget: u64,
    /// Of the last record.
    sequence: u64,
    /// Nothing was damaged so far.
    is_whole: bool,
}

impl Check {
    fn new(header: Header, end: u64, form: HintForm, store_id: [u8; 16]) -> Check {
        Check {
            header,
            offset: len64(HEADER_LEN),
            end,
            form,
            remade: SealBuilder::new(form, store_id),
            tally: Tally::default(),
            budget: search_budget(end),
            sequence: 0,
            is_whole: true,
        }
    }

    /// Reads the next records, about so many bytes of them, and where there is a seal, makes it again and compares. Goes on behind
    /// whatever is damaged. Calls `each` with every sound record. Says whether there is more.
    fn step<G: Segment>(
        &mut self,
        segment: &G,
        report: &mut VerifyReport,
        budget_bytes: u64,
        mut each: impl FnMut(u64, &Record),
    ) -> Result<bool> {
        let Header { id, seed, .. } = self.header;
        let failed = |source| Error::io("reading", id, source);
        let mut walk = Walk::new(segment, seed, self.offset, self.end, Depth::Whole);
        let stop = self.offset.saturating_add(budget_bytes).min(self.end);
        while walk.offset() < stop {
            let offset = walk.offset();
            match walk.next().map_err(failed)? {
                Ok((_, record)) if record.head.kind == Kind::Seal => {
                    report.sealed += 1;
                    self.check_seal((offset, walk.offset()), &record, report);
                    walk.seek(self.end);
                }
                Ok((_, record)) => {
                    self.sequence = record.head.sequence;
                    self.tally.add(&record.head);
                    self.remade.add(offset, &record.head, &record.key);
                    each(offset, &record);
                    if let Some(problem) = report.problems.last_mut().filter(|_| !self.is_whole) {
                        problem.sound_behind += 1;
                    }
                }
                Err(why) => {
                    self.is_whole = false;
                    report.note(Error::damaged(id, offset, why.describe()));
                    let from = offset.saturating_add(1);
                    match walk.find_from(from, &mut self.budget).map_err(failed)? {
                        Ok(Some(_)) => {}
                        Ok(None) | Err(Exhausted) => walk.seek(self.end),
                    }
                }
            }
        }
        self.offset = walk.offset();
        let more = self.offset < self.end;
        if !more {
            report.records += self.tally.records;
        }
        Ok(more)
    }

    /// Whether a seal is what the records before it make it, and the last thing there is.
    fn check_seal(&mut self, (offset, end): (u64, u64), seal: &Record, report: &mut VerifyReport) {
        // There is one seal.
        let empty = SealBuilder::new(self.form, [0; 16]);
        let remade = std::mem::replace(&mut self.remade, empty).finish(offset);
        let has_right_number = match self.header.kind {
            HeaderKind::Log => self.sequence == seal.head.sequence,
            // It may have left a later tombstone out.
            HeaderKind::Merge => self.sequence <= seal.head.sequence,
        };
        let what = if self.tally.form() != self.form || remade != seal.value.as_ref() {
            "the hints are not those of the records"
        } else if !has_right_number {
            "the seal's number is not that of the last record"
        } else if end != self.end {
            "something follows the seal"
        } else {
            return;
        };
        if self.is_whole {
            report.note(Error::damaged(self.header.id, offset, what));
        }
    }
}

/// The accounts of a segment, and what was counted instead.
struct Account {
    id: SegmentId,
    said: (u64, u64),
    counted: (u64, u64),
}

/// A verification under way, of the segments that an open store had when it began: see [`Store::verifying`].
///
/// It holds these segments, also when a merge removes them: do not keep it for long.
pub struct Verification<S: Storage> {
    /// What is left, and where each ended.
    entries: VecDeque<(Arc<Entry<S::Segment>>, u64)>,
    /// The check of the first of them, and what was counted of its live records.
    check: Option<(Check, (u64, u64))>,
    accounts: Vec<Account>,
    before: (u64, u64),
    bytes_total: u64,
    report: VerifyReport,
    // Last, as in `Inner`: having the storage is having the store's lock.
    inner: Arc<Inner<S>>,
}

impl<S: Storage> Verification<S> {
    /// Reads about so many bytes more, of one segment at most. `None`: all was read.
    ///
    /// # Errors
    ///
    /// `Io`, after which it is of no use.
    pub fn step(&mut self, budget_bytes: u64) -> Result<Option<VerifyProgress>> {
        let Some((entry, end)) = self.entries.front() else { return Ok(None) };
        let (mut check, mut counted) = self.check.take().unwrap_or_else(|| {
            let form = entry.tally().form();
            (Check::new(entry.header, *end, form, self.inner.store_id), (0, 0))
        });
        let (offset, keydir) = (check.offset, &self.inner.keydir);
        let each = |offset, record: &Record| {
            let at = Location { slot: entry.slot, offset: low32(offset) };
            if keydir.points_at(keydir.key(&record.key), at) {
                counted = (counted.0 + 1, counted.1 + record.head.record_len());
            }
        };
        let more = check.step(&entry.segment, &mut self.report, budget_bytes.max(1), each)?;
        let segment = entry.id();
        // The header goes with the first step.
        let header = if offset == len64(HEADER_LEN) { offset } else { 0 };
        self.report.bytes += check.offset.saturating_sub(offset) + header;
        if more {
            self.check = Some((check, counted));
        } else {
            let said = (entry.live_records(), entry.live_bytes());
            self.accounts.push(Account { id: segment, said, counted });
            self.report.segments += 1;
            self.entries.pop_front();
        }
        let (bytes_read, bytes_total) = (self.report.bytes, self.bytes_total);
        Ok(Some(VerifyProgress { segment, bytes_read, bytes_total }))
    }

    /// What was found. Where it is asked before all was read, it says that it was stopped.
    #[must_use]
    pub fn finish(mut self) -> VerifyReport {
        self.report.stopped = !self.entries.is_empty();
        // While something is written, the accounts and the count are of different moments.
        let comparable = !self.report.stopped && self.before == self.inner.moment();
        if comparable && self.report.is_sound() {
            for Account { id, said, counted } in std::mem::take(&mut self.accounts) {
                if said != counted {
                    let what = format!(
                        "the accounts say {} live records of {} bytes; there are {} of {}",
                        said.0, said.1, counted.0, counted.1
                    );
                    self.report.note(Error::damaged(id, len64(HEADER_LEN), what));
                }
            }
        }
        self.report
    }
}

impl<S: Storage> Store<S> {
    /// Verifies every byte of every segment of an open store, and where nothing is written meanwhile, that the accounts of live
    /// bytes and records are exact.
    ///
    /// # Errors
    ///
    /// `Io`, [`Error::Closed`]. Damage is no error here: it stands in the report.
    pub fn verify(
        &self,
        on_progress: &mut dyn FnMut(VerifyProgress) -> Go,
    ) -> Result<VerifyReport> {
        let mut verification = self.verifying()?;
        while let Some(progress) = verification.step(u64::MAX)? {
            if on_progress(progress) == Go::Stop {
                let mut report = verification.finish();
                report.stopped = true;
                return Ok(report);
            }
        }
        Ok(verification.finish())
    }

    /// As [`Store::verify`], in steps, between which the store can be used.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn verifying(&self) -> Result<Verification<S>> {
        let inner = self.inner();
        inner.check_open()?;
        let before = inner.moment();
        let mut entries = inner.catalog.in_order();
        entries.retain(|entry| entry.state() != SegmentState::Retired);
        let entries: VecDeque<_> = entries
            .into_iter()
            .map(|entry| {
                let end = entry.end();
                (entry, end)
            })
            .collect();
        Ok(Verification {
            bytes_total: entries.iter().map(|(_, end)| end).sum(),
            entries,
            check: None,
            accounts: Vec::new(),
            before,
            report: VerifyReport::default(),
            inner: Arc::clone(inner),
        })
    }
}

impl<S: Storage> Inner<S> {
    /// Differs from an earlier one if something was written or merged between.
    fn moment(&self) -> (u64, u64) {
        (self.sequence(), self.counters.changes())
    }
}
