//! What `dump` says of a segment. Encoded again, from FORMAT.md, it must be the bytes that it was read from: so what is believed of
//! hostile bytes is what stands there.

use bitcask_core::{DumpItem, DumpKind, Go, SegmentId, dump};

use crate::image::{BATCH, HEADER_LEN, Header, MARK, PUT, Record, TOMBSTONE};
use crate::lent::Lent;

/// What a segment holds, as far as it is sound.
#[derive(Debug)]
pub(crate) struct Dumped {
    pub(crate) id: SegmentId,
    pub(crate) header: Option<Header>,
    /// Whether a seal is found as FORMAT.md says: at the end of the file, or by walking from the start.
    pub(crate) is_sealed: bool,
    is_whole: bool,
    pub(crate) records: Vec<Sound>,
}

/// A put or a tombstone, which has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sound {
    pub(crate) at: u64,
    pub(crate) sequence: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) expires_at_ms: Option<u64>,
}

pub(crate) fn dump_segment(lent: &Lent, id: SegmentId, bytes: &[u8]) -> Dumped {
    let mut dumped =
        Dumped { id, header: None, is_sealed: false, is_whole: true, records: Vec::new() };
    let mut end = 0;
    dump(lent, id, &mut |item| {
        if !matches!(item.kind, DumpKind::Hint { .. }) {
            assert_eq!(item.offset, end, "a dump leaves out nothing and says nothing twice");
            end = item.offset + item.len;
            assert!(end <= bytes.len() as u64);
        }
        dumped.take(item, bytes);
        Go::On
    })
    .unwrap();
    assert!(end == bytes.len() as u64 || bytes.is_empty(), "a dump ends at {end}");
    dumped
}

impl Dumped {
    fn take(&mut self, item: DumpItem, bytes: &[u8]) {
        let at = item.offset;
        let place = at as usize..(at + item.len).min(bytes.len() as u64) as usize;
        let record = match item.kind {
            DumpKind::Header { is_merge, id, store_id, seed, first_position, last_position } => {
                let kind = if is_merge { 2 } else { 1 };
                let positions = (first_position, last_position);
                let header = Header { kind, id: id.0, positions, seed, store_id };
                let mut expected = header.encode();
                // Features that do not hinder reading, and what is reserved, are not told.
                expected[16..20].copy_from_slice(&bytes[16..20]);
                expected[64..HEADER_LEN].copy_from_slice(&bytes[64..HEADER_LEN]);
                assert_eq!(bytes[place], expected, "a header");
                self.header = Some(header);
                return;
            }
            DumpKind::Put { key, value, sequence, batch, expires_at_ms, synced } => {
                let (key, value) = (key.to_vec(), value.to_vec());
                let flags = if batch { BATCH } else { 0 };
                Record {
                    kind: PUT,
                    flags,
                    sequence,
                    expires_at_ms,
                    synced,
                    key,
                    value,
                    lengths: None,
                }
            }
            DumpKind::Tombstone { key, sequence, batch, synced } => {
                let flags = if batch { BATCH } else { 0 };
                let key = key.to_vec();
                Record { kind: TOMBSTONE, flags, sequence, synced, key, ..Record::default() }
            }
            DumpKind::Mark { sequence, synced } => {
                Record { kind: MARK, sequence, synced: Some(synced), ..Record::default() }
            }
            DumpKind::Seal { .. } => {
                self.is_sealed = self.is_whole || place.end == bytes.len();
                return;
            }
            DumpKind::Unsound(_) => {
                self.is_whole = false;
                return;
            }
            _ => return,
        };
        let seed = self.header.expect("records come behind a header").seed;
        let expected = record.encode(seed, place.start);
        assert_eq!(bytes[place], expected, "a record is not what dump says");
        let Record { kind, sequence, key, value, expires_at_ms, .. } = record;
        if kind != MARK {
            let value = (kind == PUT).then_some(value);
            self.records.push(Sound { at, sequence, key, value, expires_at_ms });
        }
    }
}
