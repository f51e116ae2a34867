//! Reading records: one read for most of them, two for long ones, both checksums where they matter.

use crate::sync::Arc;

use bytes::Bytes;

use crate::catalog::{Catalog, Entry};
use crate::error::{Error, Result};
use crate::format::record::{body_is_sound, head_is_sound};
use crate::format::walk::Depth;
use crate::format::{Head, Record, len_in_memory, len64};
use crate::keydir::{Candidates, Key, Keydir, Location};
use crate::segment::Segment;

/// Reads the record at an offset that the keydir or a hint names.
///
/// # Errors
///
/// `Damaged` where there is no sound record, `Io` where the storage fails.
pub(crate) fn record_at<G: Segment>(entry: &Entry<G>, offset: u64, depth: Depth) -> Result<Record> {
    let (id, seed) = (entry.id(), entry.header.seed);
    let left = entry.end().saturating_sub(offset);
    let mut bytes = read(entry, offset, left.min(entry.first_read_len()))?;
    let head = Head::decode_unchecked(&bytes)
        .ok_or_else(|| Error::damaged(id, offset, "there is no record where one should stand"))?;
    let wanted = match depth {
        Depth::Heads => len64(head.head_len()),
        Depth::Whole => head.record_len(),
    };
    if left < wanted {
        return Err(Error::damaged(id, offset, "a record runs past the end of the segment"));
    }
    if len64(bytes.len()) < wanted {
        // The head's checksum comes before its lengths are believed, in a read of at most 64 KiB.
        let head_len = len64(head.head_len());
        if len64(bytes.len()) < head_len {
            bytes = read(entry, offset, head_len)?;
        }
        if !head_is_sound(seed, offset, &head, &bytes) {
            return Err(wrong_head(entry, offset));
        }
        bytes = read(entry, offset, wanted)?;
    }
    match len_in_memory(wanted) {
        Some(len) => bytes.truncate(len),
        None => return Err(Error::Limit("a value larger than this platform's memory")),
    }
    match depth {
        // The body's checksum covers the head too.
        Depth::Whole if !body_is_sound(seed, offset, &bytes) => {
            Err(Error::damaged(id, offset, "the checksum of the record is wrong"))
        }
        Depth::Heads if !head_is_sound(seed, offset, &head, &bytes) => {
            Err(wrong_head(entry, offset))
        }
        _ => Ok(Record::from_parts(head, bytes)),
    }
}

fn wrong_head<G: Segment>(entry: &Entry<G>, offset: u64) -> Error {
    Error::damaged(entry.id(), offset, "the checksum of the record's head is wrong")
}

fn read<G: Segment>(entry: &Entry<G>, offset: u64, len: u64) -> Result<Bytes> {
    let len =
        len_in_memory(len).ok_or(Error::Limit("a value larger than this platform's memory"))?;
    entry.segment.read_at(offset, len).map_err(|source| Error::io("reading", entry.id(), source))
}

/// A key's latest record, and where it stands.
pub(crate) struct Found<G> {
    pub(crate) at: Location,
    pub(crate) entry: Arc<Entry<G>>,
    pub(crate) record: Record,
}

/// Looks a key up. Takes no lock across the reads: where a merge moved the record meanwhile, it looks again.
pub(crate) fn find<G: Segment>(
    keydir: &Keydir,
    catalog: &Catalog<G>,
    key: Key<'_>,
    depth: Depth,
) -> Result<Option<Found<G>>> {
    loop {
        let slots = catalog.load();
        let candidates = keydir.candidates(key);
        let mut failed = None;
        for at in candidates.iter() {
            let Some(Some(entry)) = slots.get(usize::from(at.slot)) else {
                failed = Some(Error::Limit("a segment that is not open"));
                continue;
            };
            match record_at(entry, u64::from(at.offset), depth) {
                Ok(record) if record.key == key.bytes => {
                    return Ok(Some(Found { at, entry: Arc::clone(entry), record }));
                }
                // Another key with the same hash.
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        }
        if candidates.iter().next().is_none() {
            return Ok(None);
        }
        // What was read counts only if nothing moved meanwhile: else a slot may hold another segment now.
        if same(&candidates, &keydir.candidates(key)) && Arc::ptr_eq(&slots, &catalog.load()) {
            return failed.map_or(Ok(None), Err);
        }
    }
}

fn same(before: &Candidates, now: &Candidates) -> bool {
    before.iter().eq(now.iter())
}
