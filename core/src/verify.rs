//! Verifying: every byte of every segment, against its checksums and its hints.

use crate::catalog::SegmentState;
use crate::error::{Error, Result};
use crate::format::seal::{HintForm, Seal, SealBuilder, Tally};
use crate::format::walk::{Depth, Exhausted, Walk};
use crate::format::{HEADER_LEN, Header, Kind, Record, len64};
use crate::keydir::Location;
use crate::merge::Go;
use crate::open::{Cut, FoundSeal, Survey, Surveyed, check_tail, search_budget};
use crate::segment::{Segment, SegmentId, Storage};
use crate::store::{Inner, Store};
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
        // The tail is read by what decides on it.
        if let Some(seal) = &surveyed.seal {
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
    let check = Check { header: *header, end: seal.end, form, store_id };
    check.run(segment, report, |_, _| ())
}

/// What a segment is checked against.
struct Check {
    header: Header,
    end: u64,
    form: HintForm,
    store_id: [u8; 16],
}

impl Check {
    /// Reads every record of a segment up to its end, and where it has a seal, makes that again and compares. Goes on behind
    /// whatever is damaged. Calls `each` with every sound record.
    fn run<G: Segment>(
        &self,
        segment: &G,
        report: &mut VerifyReport,
        mut each: impl FnMut(u64, &Record),
    ) -> Result<()> {
        let Check { header: Header { id, seed, .. }, end, form, store_id } = self;
        let failed = |source| Error::io("reading", *id, source);
        let mut walk = Walk::new(segment, *seed, len64(HEADER_LEN), *end, Depth::Whole);
        let mut builder = SealBuilder::new(*form, store_id);
        let mut tally = Tally::default();
        let mut budget = search_budget(*end);
        let mut is_whole = true;
        while walk.offset() < *end {
            let offset = walk.offset();
            match walk.next().map_err(failed)? {
                Ok((_, record)) if record.head.kind == Kind::Seal => {
                    report.sealed += 1;
                    let remade = builder.finish(offset);
                    if is_whole && (tally.form() != *form || remade != record.value.as_ref()) {
                        let what = "the hints are not those of the records";
                        report.note(Error::damaged(*id, offset, what));
                    }
                    break;
                }
                Ok((_, record)) => {
                    tally.add(&record.head);
                    builder.add(offset, &record.head, &record.key);
                    each(offset, &record);
                    if let Some(problem) = report.problems.last_mut().filter(|_| !is_whole) {
                        problem.sound_behind += 1;
                    }
                }
                Err(why) => {
                    is_whole = false;
                    report.note(Error::damaged(*id, offset, why.describe()));
                    let from = offset.saturating_add(1);
                    match walk.find_from(from, &mut budget).map_err(failed)? {
                        Ok(Some(_)) => {}
                        Ok(None) | Err(Exhausted) => break,
                    }
                }
            }
        }
        report.records += tally.records;
        Ok(())
    }
}

/// The accounts of a segment, and what was counted instead.
struct Account {
    id: SegmentId,
    said: (u64, u64),
    counted: (u64, u64),
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
        let inner = self.inner();
        inner.check_open()?;
        let before = inner.moment();
        let mut report = VerifyReport::default();
        let mut entries = inner.catalog.in_order();
        entries.retain(|entry| entry.state() != SegmentState::Retired);
        let bytes_total = entries.iter().map(|entry| entry.end()).sum();
        let mut accounts = Vec::new();
        for entry in &entries {
            let (end, form) = (entry.end(), entry.tally().form());
            let check = Check { header: entry.header, end, form, store_id: inner.store_id };
            let mut counted = (0, 0);
            check.run(&entry.segment, &mut report, |offset, record| {
                let at = Location { slot: entry.slot, offset: low32(offset) };
                if inner.keydir.points_at(inner.keydir.key(&record.key), at) {
                    counted = (counted.0 + 1, counted.1 + record.head.record_len());
                }
            })?;
            let said = (entry.live_records(), entry.live_bytes());
            accounts.push(Account { id: entry.id(), said, counted });
            if report.read(entry.id(), end, bytes_total, on_progress) == Go::Stop {
                return Ok(report);
            }
        }
        // While something is written, the accounts and the count are of different moments.
        if report.is_sound() && before == inner.moment() {
            for Account { id, said, counted } in accounts {
                if said != counted {
                    let what = format!(
                        "the accounts say {} live records of {} bytes; there are {} of {}",
                        said.0, said.1, counted.0, counted.1
                    );
                    report.note(Error::damaged(id, len64(HEADER_LEN), what));
                }
            }
        }
        Ok(report)
    }
}

impl<S: Storage> Inner<S> {
    /// Differs from an earlier one if something was written or merged between.
    fn moment(&self) -> (u64, u64) {
        (self.sequence(), self.counters.changes())
    }
}
