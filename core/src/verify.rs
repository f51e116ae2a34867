//! Verifying: every byte of every segment, against its checksums and its hints.

use crate::catalog::SegmentState;
use crate::error::{Error, Result};
use crate::format::seal::{Seal, SealBuilder, Tally};
use crate::format::walk::{Depth, Exhausted, Walk};
use crate::format::{HEADER_LEN, Header, Kind, len64};
use crate::keydir::Location;
use crate::merge::Go;
use crate::open::{Cut, FoundSeal, Survey, Surveyed, check_tail, search_budget};
use crate::segment::{Segment, SegmentId, Storage};
use crate::store::Store;
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
        if let Some(seal) = &surveyed.seal {
            check_sealed(surveyed, seal, &store_id, &mut report)?;
        }
        report.segments += 1;
        report.bytes += surveyed.len;
        let segment = surveyed.header.id;
        let progress = VerifyProgress { segment, bytes_read: report.bytes, bytes_total };
        if on_progress(progress) == Go::Stop {
            report.stopped = true;
            return Ok(report);
        }
    }
    check_tail(storage, &mut report)?;
    Ok(report)
}

/// Reads a sealed segment whole, and makes its seal again.
fn check_sealed<G: Segment>(
    surveyed: &Surveyed<G>,
    seal: &FoundSeal,
    store_id: &[u8; 16],
    report: &mut VerifyReport,
) -> Result<()> {
    let Header { id, seed, .. } = surveyed.header;
    let form = Seal::decode(&seal.value, seal.offset).map(|decoded| decoded.form);
    let Some(form) = form else {
        report.note(Error::damaged(id, seal.offset, "the seal makes no sense"));
        return Ok(());
    };
    let mut builder = SealBuilder::new(form, store_id);
    let mut tally = Tally::default();
    let mut budget = search_budget(surveyed.len);
    let start = len64(HEADER_LEN);
    let mut walk = Walk::new(&surveyed.segment, seed, start, seal.offset, Depth::Whole);
    let failed = |source| Error::io("reading", id, source);
    let mut is_whole = true;
    while walk.offset() < seal.offset {
        let offset = walk.offset();
        match walk.next().map_err(failed)? {
            Ok((offset, record)) if record.head.kind != Kind::Seal => {
                tally.add(&record.head);
                builder.add(offset, &record.head, &record.key);
                if let Some(problem) = report.problems.last_mut().filter(|_| !is_whole) {
                    problem.sound_behind += 1;
                }
            }
            unsound => {
                let what = unsound.err().map_or("a seal before the seal", |why| why.describe());
                is_whole = false;
                report.note(Error::damaged(id, offset, what));
                match walk.find_from(offset.saturating_add(1), &mut budget).map_err(failed)? {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(Exhausted) => break,
                }
            }
        }
    }
    report.sealed += 1;
    report.records += tally.records;
    if is_whole && (tally.form() != form || builder.finish(seal.offset) != seal.value.as_ref()) {
        report.note(Error::damaged(id, seal.offset, "the hints are not those of the records"));
    }
    Ok(())
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
        let before = (inner.sequence(), self.stats().merges);
        let mut report = VerifyReport::default();
        let entries = inner.catalog.in_order();
        let bytes_total = entries.iter().map(|entry| entry.end()).sum();
        let mut accounts = Vec::new();
        for entry in entries.iter().filter(|entry| entry.state() != SegmentState::Retired) {
            let id = entry.id();
            let (mut live_records, mut live_bytes) = (0, 0);
            let end = entry.end();
            let start = len64(HEADER_LEN);
            let mut builder = SealBuilder::new(entry.tally().form(), &inner.store_id);
            let mut walk = Walk::new(&entry.segment, entry.header.seed, start, end, Depth::Whole);
            while walk.offset() < end {
                let offset = walk.offset();
                match walk.next().map_err(|source| Error::io("reading", id, source))? {
                    Ok((offset, record)) if record.head.kind == Kind::Seal => {
                        report.sealed += 1;
                        let made = std::mem::replace(
                            &mut builder,
                            SealBuilder::new(entry.tally().form(), &inner.store_id),
                        );
                        if made.finish(offset) != record.value.as_ref() {
                            let what = "the hints are not those of the records";
                            report.note(Error::damaged(id, offset, what));
                        }
                    }
                    Ok((offset, record)) => {
                        let at = Location { slot: entry.slot, offset: low32(offset) };
                        if matches!(record.head.kind, Kind::Put | Kind::Tombstone) {
                            report.records += 1;
                        }
                        builder.add(offset, &record.head, &record.key);
                        if inner.keydir.points_at(inner.keydir.key(&record.key), at) {
                            live_records += 1;
                            live_bytes += record.head.record_len();
                        }
                    }
                    Err(why) => {
                        report.note(Error::damaged(id, offset, why.describe()));
                        break;
                    }
                }
            }
            accounts.push((id, entry.live_records(), live_records, entry.live_bytes(), live_bytes));
            report.segments += 1;
            report.bytes += end;
            let progress = VerifyProgress { segment: id, bytes_read: report.bytes, bytes_total };
            if on_progress(progress) == Go::Stop {
                report.stopped = true;
                return Ok(report);
            }
        }
        if report.is_sound() && before == (inner.sequence(), self.stats().merges) {
            for (id, records, found_records, bytes, found_bytes) in accounts {
                if (records, bytes) != (found_records, found_bytes) {
                    let what = format!(
                        "the accounts say {records} live records of {bytes} bytes; there are {found_records} of {found_bytes}"
                    );
                    report.note(Error::damaged(id, len64(HEADER_LEN), what));
                }
            }
        }
        Ok(report)
    }
}
