//! Reading records: looked at in place where the binding has them in memory; else one read for most of them, two for long
//! ones. Both checksums where they matter.

use crate::sync::Arc;

use bytes::Bytes;

use crate::catalog::{Catalog, Entry};
use crate::error::{Error, Result};
use crate::format::record::{body_is_sound, head_is_sound};
use crate::format::walk::Depth;
use crate::format::{Head, Kind, Record, len_in_memory, len64};
use crate::keydir::{Candidates, Key, Keydir, Location};
use crate::segment::Segment;

/// Reads the record at an offset that the keydir or a hint names.
///
/// # Errors
///
/// `Damaged` where there is no sound record, `Io` where the storage fails.
pub(crate) fn record_at<G: Segment>(entry: &Entry<G>, offset: u64, depth: Depth) -> Result<Record> {
    let left = entry.end().saturating_sub(offset);
    if let Some(bytes) = peek(entry, offset, left) {
        let head = sound_head(entry, offset, depth, bytes)?;
        return Ok(Record::from_parts(head, read(entry, offset, wanted(&head, depth))?));
    }
    let mut bytes = read(entry, offset, left.min(entry.first_read_len()))?;
    let head = decode_head(entry, offset, &bytes)?;
    let wanted = wanted(&head, depth);
    if len64(bytes.len()) < wanted && wanted <= left {
        // The head's checksum comes before its lengths are believed, in a read of at most 64 KiB.
        let head_len = len64(head.head_len());
        if len64(bytes.len()) < head_len {
            bytes = read(entry, offset, head_len)?;
        }
        if !head_is_sound(entry.header.seed, offset, &head, &bytes) {
            return Err(wrong_head(entry, offset));
        }
        bytes = read(entry, offset, wanted)?;
    }
    let head = sound_head(entry, offset, depth, &bytes)?;
    bytes.truncate(len_in_memory(wanted).unwrap_or(usize::MAX));
    Ok(Record::from_parts(head, bytes))
}

/// Bytes that a look of this depth needs.
fn wanted(head: &Head, depth: Depth) -> u64 {
    match depth {
        Depth::Heads => len64(head.head_len()),
        Depth::Whole => head.record_len(),
    }
}

fn decode_head<G: Segment>(entry: &Entry<G>, offset: u64, bytes: &[u8]) -> Result<Head> {
    Head::decode_unchecked(bytes).ok_or_else(|| damaged(entry, offset, NO_RECORD))
}

/// The head of the record that `bytes` begin with, after the checksum of what is wanted was found right.
fn sound_head<G: Segment>(
    entry: &Entry<G>,
    offset: u64,
    depth: Depth,
    bytes: &[u8],
) -> Result<Head> {
    let head = decode_head(entry, offset, bytes)?;
    let seed = entry.header.seed;
    let record = len_in_memory(wanted(&head, depth)).and_then(|len| bytes.get(..len));
    let record = record.ok_or_else(|| damaged(entry, offset, PAST_THE_END))?;
    match depth {
        // The body's checksum covers the head too.
        Depth::Whole if !body_is_sound(seed, offset, record) => {
            Err(damaged(entry, offset, "the checksum of the record is wrong"))
        }
        Depth::Heads if !head_is_sound(seed, offset, &head, record) => {
            Err(wrong_head(entry, offset))
        }
        _ => Ok(head),
    }
}

const NO_RECORD: &str = "there is no record where one should stand";
/// Only where hints lie: the keydir points at puts.
pub(crate) const NO_PUT: &str = "a hint says that a put stands here, and another record does";
const PAST_THE_END: &str = "a record runs past the end of the segment";

#[cold]
fn damaged<G: Segment>(entry: &Entry<G>, offset: u64, what: &str) -> Error {
    Error::damaged(entry.id(), offset, what)
}

fn wrong_head<G: Segment>(entry: &Entry<G>, offset: u64) -> Error {
    damaged(entry, offset, "the checksum of the record's head is wrong")
}

/// All of a segment from `offset` on, if it is in memory.
fn peek<G: Segment>(entry: &Entry<G>, offset: u64, left: u64) -> Option<&[u8]> {
    entry.segment.peek(offset, len_in_memory(left)?)
}

/// The beginning of a record, if it is in memory.
pub(crate) fn beginning_of<G: Segment>(entry: &Entry<G>, offset: u64) -> &[u8] {
    let left = entry.end().saturating_sub(offset);
    peek(entry, offset, left.min(TOUCHED_LEN)).unwrap_or_default()
}

/// Behind these the processor goes on by itself.
const TOUCHED_LEN: u64 = 192;

/// Brings bytes that lie anywhere into the processor's cache. It waits for several at a time, as many as it comes to between two waits: so there
/// is nothing else to do in here.
pub(crate) fn touch(beginnings: &[&[u8]]) {
    let mut sum = 0;
    for bytes in beginnings {
        for line in bytes.chunks(64) {
            sum ^= line.first().copied().unwrap_or_default();
        }
    }
    std::hint::black_box(sum);
}

pub(crate) fn read<G: Segment>(entry: &Entry<G>, offset: u64, len: u64) -> Result<Bytes> {
    let len =
        len_in_memory(len).ok_or(Error::Limit("a value larger than this platform's memory"))?;
    entry.segment.read_at(offset, len).map_err(|source| Error::io("reading", entry.id(), source))
}

/// A key's latest record, and where it stands.
pub(crate) struct Found {
    pub(crate) at: Location,
    pub(crate) head: Head,
    /// Empty where only the head was looked at.
    pub(crate) value: Bytes,
}

/// Looks a key up. Takes no lock across the reads: where a merge moved the record meanwhile, it looks again.
pub(crate) fn find<G: Segment>(
    keydir: &Keydir,
    catalog: &Catalog<G>,
    key: Key<'_>,
    depth: Depth,
) -> Result<Option<Found>> {
    loop {
        let slots = catalog.load();
        let candidates = keydir.candidates(key);
        let mut failed = None;
        for at in candidates.iter() {
            let Some(Some(entry)) = slots.get(usize::from(at.slot)) else {
                failed = Some(Error::Limit("a segment that is not open"));
                continue;
            };
            match look(entry, u64::from(at.offset), key.bytes, depth) {
                Ok(Some((head, _))) if head.kind != Kind::Put => {
                    failed = Some(damaged(entry, u64::from(at.offset), NO_PUT));
                }
                Ok(Some((head, value))) => return Ok(Some(Found { at, head, value })),
                // Another key with the same hash.
                Ok(None) => {}
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

/// The head and the value of a record, if it is this key's.
fn look<G: Segment>(
    entry: &Entry<G>,
    offset: u64,
    key: &[u8],
    depth: Depth,
) -> Result<Option<(Head, Bytes)>> {
    let left = entry.end().saturating_sub(offset);
    let Some(bytes) = peek(entry, offset, left) else {
        let record = record_at(entry, offset, depth)?;
        return Ok((record.key == key).then_some((record.head, record.value)));
    };
    let head = sound_head(entry, offset, depth, bytes)?;
    if bytes.get(head.fields_len()..head.head_len()) != Some(key) {
        return Ok(None);
    }
    let value = match depth {
        Depth::Heads => Bytes::new(),
        Depth::Whole => {
            read(entry, offset.saturating_add(len64(head.head_len())), u64::from(head.value_len))?
        }
    };
    Ok(Some((head, value)))
}

/// The head of this key's put, if all of it is in memory and sound.
pub(crate) fn in_place<G: Segment>(entry: &Entry<G>, offset: u64, key: &[u8]) -> Option<Head> {
    let bytes = peek(entry, offset, entry.end().checked_sub(offset)?)?;
    let head = sound_head(entry, offset, Depth::Whole, bytes).ok()?;
    let is_it =
        head.kind == Kind::Put && bytes.get(head.fields_len()..head.head_len()) == Some(key);
    is_it.then_some(head)
}

fn same(before: &Candidates, now: &Candidates) -> bool {
    before.iter().eq(now.iter())
}
