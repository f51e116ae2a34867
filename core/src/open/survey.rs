//! Which segments count: FORMAT.md, section 5.

use crate::error::{Error, Result};
use crate::format::header::HeaderBytes;
use crate::format::seal::{BACK_POINTER_LEN, back_pointer};
use crate::format::walk::{Depth, Walk};
use crate::format::{HEADER_LEN, Header, HeaderKind, Kind, len_in_memory, len64};
use crate::open::report::{PassedOver, RecoveryReport};
use crate::order::sort_by_numbers;
use crate::segment::{Segment, SegmentId, Storage};

/// A segment that was opened and whose header was read.
pub(crate) struct Surveyed<G> {
    pub(crate) segment: G,
    pub(crate) header: Header,
    /// The length of the file when it was opened.
    pub(crate) len: u64,
    /// The seal, if it has one.
    pub(crate) seal: Option<FoundSeal>,
}

/// A seal whose checksums are right. Its value is read again when it is loaded: those of all segments at a time would
/// take a lot of memory.
#[derive(Clone, Copy)]
pub(crate) struct FoundSeal {
    pub(crate) offset: u64,
    /// Where the segment ends.
    pub(crate) end: u64,
    pub(crate) sequence: u64,
}

/// Which segments there are, and which of them count.
pub(crate) struct Survey<G> {
    pub(crate) store_id: Option<[u8; 16]>,
    /// Those that count, in the order of their positions.
    pub(crate) segments: Vec<Surveyed<G>>,
    /// Those that do not, and may be removed.
    pub(crate) ignored: Vec<SegmentId>,
    /// Committed merges that stand for a segment that is still there.
    pub(crate) retiring: Vec<SegmentId>,
    pub(crate) highest_id: u64,
    /// The last position that a segment stands for.
    pub(crate) positions: u64,
    /// The last position that any header names, that of a segment which does not count included.
    named: u64,
    /// A feature that this version can read but must not write.
    pub(crate) needs_newer_writer: Option<(SegmentId, String)>,
    pub(crate) report: RecoveryReport,
}

/// The files by what their first bytes say.
struct Sorted<G> {
    valid: Vec<Surveyed<G>>,
    unwritten: Vec<SegmentId>,
    /// Not what their names say.
    foreign: Vec<Error>,
    /// Header wrong; and whether nothing but zeros follows it.
    wrong: Vec<(SegmentId, &'static str, bool)>,
}

impl<G: Segment> Survey<G> {
    /// Whether there is nothing, or nothing but what a crash in the very first creation leaves.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Looks at all files. In a strict survey anything wrong is an error; salvage notes it and goes on.
    pub(crate) fn of<S: Storage<Segment = G>>(storage: &S, salvage: bool) -> Result<Survey<G>> {
        let mut ids = storage.list().map_err(|source| Error::Io {
            doing: "listing the segments",
            segment: None,
            source,
        })?;
        // From the newest to the oldest: a writer that works meanwhile has then sealed what a later one vouches for.
        sort_by_numbers(&mut ids, |id| [!id.0, 0, 0]);
        let highest_id = ids.first().map_or(0, |id| id.0);
        let mut sorted = Sorted {
            valid: Vec::new(),
            unwritten: Vec::new(),
            foreign: Vec::new(),
            wrong: Vec::new(),
        };
        for id in ids {
            sorted.sort(storage, id)?;
        }
        let mut survey = Survey {
            store_id: None,
            segments: Vec::new(),
            ignored: sorted.unwritten,
            retiring: Vec::new(),
            highest_id,
            positions: 0,
            named: 0,
            needs_newer_writer: None,
            report: RecoveryReport::default(),
        };
        sorted.foreign.into_iter().try_for_each(|error| survey.note(error, salvage))?;
        survey.take_own(sorted.valid, salvage)?;
        survey.retire(salvage);
        survey.check_positions(&sorted.wrong, salvage)?;
        survey.ignored.extend(sorted.wrong.iter().map(|(id, ..)| *id));
        Ok(survey)
    }

    /// Keeps what belongs to this store.
    fn take_own(&mut self, valid: Vec<Surveyed<G>>, salvage: bool) -> Result<()> {
        // The store is the one that most files belong to.
        let mut counts: Vec<(usize, [u8; 16])> = Vec::new();
        for surveyed in &valid {
            let store_id = surveyed.header.store_id;
            match counts.iter_mut().find(|(_, counted)| *counted == store_id) {
                Some((count, _)) => *count += 1,
                None => counts.push((1, store_id)),
            }
        }
        self.store_id = counts.into_iter().max().map(|(_, store_id)| store_id);
        for surveyed in valid {
            let id = surveyed.header.id;
            if Some(surveyed.header.store_id) != self.store_id {
                let what = String::from("its header names another store");
                self.note(Error::Foreign { segment: id, what }, salvage)?;
                continue;
            }
            if surveyed.header.compatible != 0 {
                let found =
                    format!("features {:#x}: it can be read only", surveyed.header.compatible);
                self.needs_newer_writer = Some((id, found));
            }
            self.segments.push(surveyed);
        }
        Ok(())
    }

    fn note(&mut self, error: Error, salvage: bool) -> Result<()> {
        if !salvage {
            return Err(error);
        }
        self.report.passed_over.push(PassedOver { error, served: 0 });
        Ok(())
    }

    /// Sets aside merges that were not committed, and what a committed one stands for.
    ///
    /// Where nothing else stands for its positions, a merge without a valid seal was committed and is damaged: a
    /// strict survey finds them missing, salvage serves what is there.
    fn retire(&mut self, salvage: bool) {
        self.named = self.segments.iter().map(|s| s.header.last).max().unwrap_or(0);
        let merges: Vec<Header> = self
            .segments
            .iter()
            .filter(|s| s.header.kind == HeaderKind::Merge && s.seal.is_some())
            .map(|s| s.header)
            .collect();
        let stands_for =
            |y: &Header, x: &Header| y.first <= x.first && x.last <= y.last && x.id < y.id;
        let retires_any =
            |merge: &&Header| self.segments.iter().any(|s| stands_for(merge, &s.header));
        self.retiring = merges.iter().filter(retires_any).map(|merge| merge.id).collect();
        let (counting, ignored) = std::mem::take(&mut self.segments).into_iter().partition(|s| {
            let committed = s.header.kind == HeaderKind::Log || s.seal.is_some();
            committed && !merges.iter().any(|merge| stands_for(merge, &s.header))
        });
        let (counting, ignored): (Vec<Surveyed<G>>, Vec<Surveyed<G>>) = (counting, ignored);
        let overlaps = |x: &Header| {
            counting.iter().any(|y| y.header.first <= x.last && x.first <= y.header.last)
        };
        let (needed, ignored): (Vec<_>, Vec<_>) =
            ignored.into_iter().partition(|s| salvage && !overlaps(&s.header));
        self.segments = counting;
        self.segments.extend(needed);
        sort_by_numbers(&mut self.segments, |s| [s.header.first, s.header.id.0, 0]);
        self.ignored.extend(ignored.iter().map(|s| s.header.id));
    }

    /// The positions must be there from 1 on, without gap and without overlap.
    fn check_positions(
        &mut self,
        wrong: &[(SegmentId, &'static str, bool)],
        salvage: bool,
    ) -> Result<()> {
        let mut problems = Vec::new();
        let mut next = 1;
        for surveyed in &self.segments {
            let Header { id, first, last, .. } = surveyed.header;
            if next < first {
                let unreadable = wrong.iter().map(|(id, ..)| *id).collect();
                problems.push(Error::Missing { first: next, last: first - 1, unreadable });
            } else if first < next {
                let what = format!("another segment stands for log position {first} too");
                problems.push(Error::damaged(id, 0, what));
            }
            next = next.max(last.saturating_add(1));
        }
        self.positions = next - 1;
        if self.positions < self.named {
            // A merge without a seal stands for positions that nothing else stands for.
            let unreadable = wrong.iter().map(|(id, ..)| *id).collect();
            problems.push(Error::Missing { first: next, last: self.named, unreadable });
        }
        if self.segments.is_empty() {
            // A crash in the very first creation leaves a torn header and nothing behind it.
            let lost = wrong.iter().find(|(.., only_zeros_follow)| !only_zeros_follow);
            problems.extend(lost.map(|(id, what, _)| Error::damaged(*id, 0, *what)));
        }
        problems.into_iter().try_for_each(|error| self.note(error, salvage))
    }
}

impl<G: Segment> Sorted<G> {
    fn sort<S: Storage<Segment = G>>(&mut self, storage: &S, id: SegmentId) -> Result<()> {
        let failed = |source| Error::io("opening", id, source);
        let segment = storage.open(id).map_err(failed)?;
        let len = segment.len();
        let start = len_in_memory(len.min(len64(HEADER_LEN))).unwrap_or(HEADER_LEN);
        let bytes = segment.read_at(0, start).map_err(failed)?;
        match Header::decode(&bytes) {
            HeaderBytes::Valid(header) if header.id == id => {
                let seal = find_seal(&segment, &header, len)?;
                self.valid.push(Surveyed { segment, header, len, seal });
            }
            HeaderBytes::Valid(header) => {
                let what = format!("its header says that it is segment {}", header.id);
                self.foreign.push(Error::Foreign { segment: id, what });
            }
            HeaderBytes::Unwritten => self.unwritten.push(id),
            HeaderBytes::Newer(found) => return Err(Error::Version { segment: id, found }),
            HeaderBytes::Wrong(what) => {
                let only_zeros_follow =
                    is_zero_from(&segment, len64(HEADER_LEN), len).map_err(failed)?;
                self.wrong.push((id, what, only_zeros_follow));
            }
        }
        Ok(())
    }
}

/// Whether all bytes of `from..end` are zero.
pub(crate) fn is_zero_from<G: Segment>(segment: &G, from: u64, end: u64) -> std::io::Result<bool> {
    Ok(last_nonzero(segment, from, end)?.is_none())
}

/// The end of the last byte of `from..end` that is not zero.
pub(crate) fn last_nonzero<G: Segment>(
    segment: &G,
    from: u64,
    end: u64,
) -> std::io::Result<Option<u64>> {
    const BLOCK_LEN: u64 = 1 << 20;
    let mut until = end;
    while from < until {
        let start = from.max(until.saturating_sub(BLOCK_LEN));
        let len = len_in_memory(until - start).ok_or(std::io::ErrorKind::OutOfMemory)?;
        let bytes = segment.read_at(start, len)?;
        if let Some(place) = bytes.iter().rposition(|byte| *byte != 0) {
            return Ok(Some(start + len64(place) + 1));
        }
        until = start;
    }
    Ok(None)
}

/// The seal of a segment: by the back pointer at the end of its file or, in a merge's output that a crash left with growth
/// behind it, by walking. (The walk of the tail finds that of a log segment.)
fn find_seal<G: Segment>(segment: &G, header: &Header, len: u64) -> Result<Option<FoundSeal>> {
    let failed = |source| Error::io("reading", header.id, source);
    let last_len = len_in_memory(len.min(len64(BACK_POINTER_LEN))).unwrap_or(0);
    let last = segment.read_at(len - len64(last_len), last_len).map_err(failed)?;
    if let Some(offset) = back_pointer(&last)
        && len64(HEADER_LEN) <= offset
        && offset < len
    {
        let mut walk = Walk::new(segment, header.seed, offset, len, Depth::Whole);
        if let Ok((offset, record)) = walk.next().map_err(failed)?
            && record.head.kind == Kind::Seal
            && walk.offset() == len
        {
            let sequence = record.head.sequence;
            return Ok(Some(FoundSeal { offset, end: len, sequence }));
        }
    }
    match header.kind {
        HeaderKind::Log => Ok(None),
        HeaderKind::Merge => walk_to_seal(segment, header, len),
    }
}

/// The seal that ends the records of a segment, whatever follows it. Reads all of them.
pub(crate) fn walk_to_seal<G: Segment>(
    segment: &G,
    header: &Header,
    len: u64,
) -> Result<Option<FoundSeal>> {
    let failed = |source| Error::io("reading", header.id, source);
    let mut walk = Walk::new(segment, header.seed, len64(HEADER_LEN), len, Depth::Whole);
    while let Ok((offset, record)) = walk.next().map_err(failed)? {
        if record.head.kind == Kind::Seal {
            let (end, sequence) = (walk.offset(), record.head.sequence);
            return Ok(Some(FoundSeal { offset, end, sequence }));
        }
    }
    Ok(None)
}
