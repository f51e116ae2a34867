//! Dumping: a segment record by record, whatever state it is in.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::format::header::HeaderBytes;
use crate::format::seal::{Hint, HintKey, Seal};
use crate::format::walk::{Depth, Exhausted, Walk, WalkEnd};
use crate::format::{HEADER_LEN, Header, HeaderKind, Kind, len_in_memory, len64};
use crate::merge::Go;
use crate::open::search_budget;
use crate::segment::{Segment, SegmentId, Storage};

/// Some bytes of a segment, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DumpItem {
    /// Where they begin.
    pub offset: u64,
    /// How many they are.
    pub len: u64,
    /// What they are.
    pub kind: DumpKind,
}

/// What some bytes of a segment are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DumpKind {
    /// The header.
    Header {
        /// Whether a merge wrote the segment.
        is_merge: bool,
        /// The segment's name.
        id: SegmentId,
        /// The store's name.
        store_id: [u8; 16],
        /// What goes into every checksum.
        seed: u32,
        /// First log position that it stands for.
        first_position: u64,
        /// Last log position that it stands for.
        last_position: u64,
    },
    /// A put.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
        /// Its place in the total order.
        sequence: u64,
        /// Whether the next record belongs to the same batch.
        batch: bool,
        /// From when on it counts as deleted, in milliseconds since 1970.
        expires_at_ms: Option<u64>,
        /// Up to where the segment was durable when this was written.
        synced: Option<u64>,
    },
    /// A tombstone.
    Tombstone {
        /// The key.
        key: Bytes,
        /// Its place in the total order.
        sequence: u64,
        /// Whether the next record belongs to the same batch.
        batch: bool,
        /// Up to where the segment was durable when this was written.
        synced: Option<u64>,
    },
    /// A mark.
    Mark {
        /// The number before the next.
        sequence: u64,
        /// Up to where the segment was durable when this was written.
        synced: u64,
    },
    /// The seal. Its hints follow as items of their own.
    Seal {
        /// Puts and tombstones that it counts.
        records: u64,
        /// Tombstones that it counts.
        tombstones: u64,
        /// Smallest and largest sequence number.
        sequences: (u64, u64),
        /// Whether its hints hold hashes of keys instead of keys.
        hashed: bool,
    },
    /// A hint: its offset and length are those of the record that it stands for.
    Hint {
        /// Whether the record is a tombstone.
        tombstone: bool,
        /// The record's number.
        sequence: u64,
        /// The key, or the hash of it.
        key: Result<Bytes, u64>,
    },
    /// Zeros, or stale bytes, behind the last record or the seal.
    Slack,
    /// Bytes that should be something and are not.
    Unsound(&'static str),
}

/// Calls `on_item` with everything that a segment holds, in order. Works on segments of stores that do not open.
///
/// # Errors
///
/// `Io` where the storage fails.
pub fn dump<S: Storage>(
    storage: &S,
    id: SegmentId,
    on_item: &mut dyn FnMut(DumpItem) -> Go,
) -> Result<()> {
    let failed = |source| Error::io("reading", id, source);
    let segment = storage.open(id).map_err(failed)?;
    let len = segment.len();
    let start = len.min(len64(HEADER_LEN));
    let bytes = segment.read_at(0, len_in_memory(start).unwrap_or(HEADER_LEN)).map_err(failed)?;
    let header = match Header::decode(&bytes) {
        HeaderBytes::Valid(header) => header,
        HeaderBytes::Unwritten => {
            on_item(DumpItem { offset: 0, len, kind: DumpKind::Slack });
            return Ok(());
        }
        HeaderBytes::Newer(_) => {
            let kind = DumpKind::Unsound("a newer version wrote this segment");
            on_item(DumpItem { offset: 0, len, kind });
            return Ok(());
        }
        // Without the seed nothing behind a wrong header can be checked.
        HeaderBytes::Wrong(what) => {
            on_item(DumpItem { offset: 0, len, kind: DumpKind::Unsound(what) });
            return Ok(());
        }
    };
    if on_item(DumpItem { offset: 0, len: start, kind: describe_header(&header) }) == Go::Stop {
        return Ok(());
    }
    dump_records(&segment, &header, len, on_item)
}

fn describe_header(header: &Header) -> DumpKind {
    DumpKind::Header {
        is_merge: header.kind == HeaderKind::Merge,
        id: header.id,
        store_id: header.store_id,
        seed: header.seed,
        first_position: header.first,
        last_position: header.last,
    }
}

fn dump_records<G: Segment>(
    segment: &G,
    header: &Header,
    len: u64,
    on_item: &mut dyn FnMut(DumpItem) -> Go,
) -> Result<()> {
    let failed = |source| Error::io("reading", header.id, source);
    let mut walk = Walk::new(segment, header.seed, len64(HEADER_LEN), len, Depth::Whole);
    let mut budget = search_budget(len);
    loop {
        let offset = walk.offset();
        let item = match walk.next().map_err(failed)? {
            Ok((_, record)) => {
                let len = record.head.record_len();
                let value = record.value.clone();
                let is_seal = record.head.kind == Kind::Seal;
                let item = DumpItem { offset, len, kind: describe_record(record, offset) };
                if is_seal {
                    if on_item(item) == Go::On && dump_hints(&value, offset, on_item) == Go::On {
                        slack(walk.offset(), segment.len(), on_item);
                    }
                    return Ok(());
                }
                item
            }
            Err(WalkEnd::End) => return Ok(()),
            Err(WalkEnd::Zeros) => {
                slack(offset, len, on_item);
                return Ok(());
            }
            Err(why) => {
                let found =
                    walk.find_from(offset.saturating_add(1), &mut budget).map_err(failed)?;
                let next = match found {
                    Ok(Some(next)) => next,
                    Ok(None) | Err(Exhausted) => len,
                };
                walk.seek(next);
                let kind = DumpKind::Unsound(why.describe());
                DumpItem { offset, len: next.saturating_sub(offset), kind }
            }
        };
        if on_item(item) == Go::Stop {
            return Ok(());
        }
    }
}

fn slack(offset: u64, end: u64, on_item: &mut dyn FnMut(DumpItem) -> Go) {
    if offset < end {
        on_item(DumpItem { offset, len: end - offset, kind: DumpKind::Slack });
    }
}

fn describe_record(record: crate::format::Record, offset: u64) -> DumpKind {
    let crate::format::Record { head, key, value } = record;
    let (sequence, batch, synced) = (head.sequence, head.batch, head.synced);
    match head.kind {
        Kind::Put => {
            let expires_at_ms = head.expires_at_ms;
            DumpKind::Put { key, value, sequence, batch, expires_at_ms, synced }
        }
        Kind::Tombstone => DumpKind::Tombstone { key, sequence, batch, synced },
        Kind::Mark => DumpKind::Mark { sequence, synced: synced.unwrap_or_default() },
        Kind::Seal => match Seal::decode(&value, offset) {
            Some(seal) => DumpKind::Seal {
                records: seal.records,
                tombstones: seal.tombstones,
                sequences: (seal.minimum, seal.maximum),
                hashed: seal.form == crate::format::HintForm::Hashes,
            },
            None => DumpKind::Unsound("the seal makes no sense"),
        },
    }
}

fn dump_hints(value: &Bytes, offset: u64, on_item: &mut dyn FnMut(DumpItem) -> Go) -> Go {
    let Some(seal) = Seal::decode(value, offset) else { return Go::On };
    let each = |hint: Hint<'_>| {
        let key = match hint.key {
            HintKey::Key(key) => Ok(value.slice_ref(key)),
            HintKey::Hash(hash) => Err(hash),
        };
        let (tombstone, sequence) = (hint.tombstone, hint.sequence);
        let kind = DumpKind::Hint { tombstone, sequence, key };
        match on_item(DumpItem { offset: hint.offset, len: hint.len, kind }) {
            Go::On => Ok(()),
            Go::Stop => Err(()),
        }
    };
    match seal.for_each_hint(each) {
        Ok(_) => Go::On,
        Err(()) => Go::Stop,
    }
}
