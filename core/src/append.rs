//! Appends that are whole or undone, and how a segment begins.

use crate::catalog::{Catalog, Entry, SegmentState};
use crate::error::{Error, Result};
use crate::format::{Header, HeaderKind, len64};
use crate::segment::{Segment, SegmentId, Storage};
use crate::sync::Arc;

/// What became of a failed append.
pub(crate) enum AppendFailed {
    /// The segment ends where it ended before.
    Undone(Error),
    /// Nobody knows where the segment ends: nothing may be written any more.
    Torn(Error),
}

/// Appends at the end of a segment. After a failure the segment is cut back to where it ended, synced, and looked at.
pub(crate) fn append_or_undo<G: Segment>(
    entry: &Entry<G>,
    parts: &[&[u8]],
) -> std::result::Result<(), AppendFailed> {
    let (id, end) = (entry.id(), entry.end());
    if entry.segment.len() != end {
        let error = Error::damaged(id, end, "the segment does not end where its last record does");
        return Err(AppendFailed::Torn(error));
    }
    let len: u64 = parts.iter().map(|part| len64(part.len())).sum();
    let failed = match entry.segment.append(parts) {
        Ok(()) if entry.segment.len() == end + len => {
            entry.segment.settle(end + len);
            entry.set_end(end + len);
            return Ok(());
        }
        Ok(()) => std::io::Error::other("the platform wrote another number of bytes than it said"),
        Err(error) => error,
    };
    let error = Error::io("appending to", id, failed);
    // The cut is synced: else a power cut could undo it, and records of a batch that failed would follow on a shorter
    // record that was written in their place.
    match entry.segment.truncate(end).and_then(|()| entry.segment.sync()) {
        Ok(()) if entry.segment.len() == end => Err(AppendFailed::Undone(error)),
        _ => Err(AppendFailed::Torn(error)),
    }
}

/// Creates a segment with nothing but its header, durably, and puts it into the catalog.
pub(crate) fn create_segment<S: Storage>(
    storage: &S,
    catalog: &Catalog<S::Segment>,
    store_id: [u8; 16],
    id: SegmentId,
    (kind, first, last): (HeaderKind, u64, u64),
) -> Result<Arc<Entry<S::Segment>>> {
    let [a, b, c, d, ..] = storage.random().to_le_bytes();
    let seed = u32::from_le_bytes([a, b, c, d]);
    let header = Header { kind, seed, store_id, id, first, last, compatible: 0 };
    let segment = storage.create(id).map_err(|source| Error::io("creating", id, source))?;
    let begun = segment
        .truncate(0)
        .and_then(|()| segment.append(&[&header.encode()]))
        .and_then(|()| segment.sync());
    if let Err(source) = begun {
        drop(segment);
        // Best effort: what stays is a segment that was being created, which the next opening removes.
        let _ = storage.remove(id);
        return Err(Error::io("creating", id, source));
    }
    catalog.add(|slot| Entry::new(segment, header, slot, SegmentState::Active))
}
