//! Making durable what was only read back: it is written once more, then synced.
//!
//! A process before may have failed to sync, and the system may since call bytes clean that it never wrote: it goes on showing
//! them, and a sync says yes and does nothing. Only what is written again is written out. What a record says is synced was
//! synced by a call that succeeded, so it is left alone: mostly that is all but the last few bytes.

use std::ops::Range;

use crate::catalog::Entry;
use crate::error::{Error, Result};
use crate::format::seal::{BACK_POINTER_LEN, back_pointer};
use crate::format::walk::{Depth, Walk};
use crate::format::{HEADER_LEN, len64};
use crate::read::record_at;
use crate::segment::Segment;

/// Writes the header again.
pub(super) fn header<G: Segment>(entry: &Entry<G>) -> Result<()> {
    rewrite(entry, 0..len64(HEADER_LEN))
}

/// Writes the records again that are not known to be durable.
pub(super) fn records<G: Segment>(entry: &Entry<G>) -> Result<()> {
    let (mut from, end) = (entry.synced(), entry.end());
    let walk_from = |from| Walk::new(&entry.segment, entry.header.seed, from, end, Depth::Whole);
    let failed = |source| Error::io("reading", entry.id(), source);
    if from < end && walk_from(from).next().map_err(failed)?.is_err() {
        // A forged store says that it is synced up to a place where no record begins.
        from = len64(HEADER_LEN);
    }
    rewrite(entry, from..end)?;
    // The cache may have lost them since they were looked at first: then it is the disk's bytes that were written.
    let mut walk = walk_from(from);
    while walk.offset() < end {
        if let Err(why) = walk.next().map_err(failed)? {
            return Err(Error::damaged(entry.id(), walk.offset(), why.describe()));
        }
    }
    Ok(())
}

/// Writes the seal again, and syncs it.
pub(super) fn seal<G: Segment>(entry: &Entry<G>) -> Result<()> {
    let (id, end) = (entry.id(), entry.end());
    let at = end.saturating_sub(len64(BACK_POINTER_LEN));
    let last = entry.segment.read_at(at, BACK_POINTER_LEN);
    let offset = back_pointer(&last.map_err(|source| Error::io("reading", id, source))?)
        .ok_or_else(|| Error::damaged(id, at, "there is no seal where one was read"))?;
    rewrite(entry, offset..end)?;
    entry.segment.sync().map_err(|source| Error::io("syncing", id, source))?;
    record_at(entry, offset, Depth::Whole).map(drop)
}

fn rewrite<G: Segment>(entry: &Entry<G>, place: Range<u64>) -> Result<()> {
    let rewritten = entry.segment.rewrite(place);
    rewritten.map_err(|source| Error::io("writing again in", entry.id(), source))
}
