//! Segments made by hand, from FORMAT.md and not from the engine: also such as no writer would write.

use bitcask_core::SegmentId;

use crate::stores::Image;

pub(crate) const STORE_ID: [u8; 16] = *b"the store's name";

pub(crate) const PUT: u8 = 1;
pub(crate) const TOMBSTONE: u8 = 2;
pub(crate) const MARK: u8 = 3;
pub(crate) const SEAL: u8 = 4;

const BATCH: u8 = 1;
const EXPIRES: u8 = 2;
const SYNCED: u8 = 4;

/// A record as its fields say it is; the lengths may lie.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    pub(crate) kind: u8,
    pub(crate) batch: bool,
    pub(crate) sequence: u64,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) synced: Option<u64>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) key_len: Option<u16>,
    pub(crate) value_len: Option<u32>,
}

/// zlib's `crc32(init, bytes)`.
pub(crate) fn crc32(init: u32, bytes: &[u8]) -> u32 {
    let mut crc = !init;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// The bytes of a record at `offset` of a segment with this seed.
pub(crate) fn record(seed: u32, offset: u64, fields: &Fields) -> Vec<u8> {
    let init = seed ^ offset as u32;
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let mut covered = vec![
        fields.kind,
        flag(fields.batch, BATCH)
            | flag(fields.expires_at_ms.is_some(), EXPIRES)
            | flag(fields.synced.is_some(), SYNCED),
    ];
    covered.extend(fields.key_len.unwrap_or(fields.key.len() as u16).to_le_bytes());
    covered.extend(fields.value_len.unwrap_or(fields.value.len() as u32).to_le_bytes());
    covered.extend(fields.sequence.to_le_bytes());
    for field in [fields.expires_at_ms, fields.synced].into_iter().flatten() {
        covered.extend(field.to_le_bytes());
    }
    covered.extend(&fields.key);
    let mut body = crc32(init, &covered).to_le_bytes().to_vec();
    body.extend(covered);
    body.extend(&fields.value);
    let mut bytes = crc32(init, &body).to_le_bytes().to_vec();
    bytes.extend(body);
    bytes
}

/// The fields of a segment header.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(crate) version: u16,
    pub(crate) kind: u16,
    pub(crate) incompatible: u32,
    pub(crate) compatible: u32,
    pub(crate) seed: u32,
    pub(crate) store_id: [u8; 16],
    pub(crate) id: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Header {
    /// That of a log segment whose id is its position.
    pub(crate) fn log(position: u64) -> Header {
        let seed = 0x1357_9bdf_u32.wrapping_mul(position as u32);
        let (id, first, last) = (position, position, position);
        let (version, kind, incompatible, compatible) = (1, 1, 0, 0);
        let store_id = STORE_ID;
        Header { version, kind, incompatible, compatible, seed, store_id, id, first, last }
    }

    pub(crate) fn merge(id: u64, first: u64, last: u64) -> Header {
        Header { kind: 2, id, first, last, ..Header::log(id) }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = b"BITCASK\n".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend(self.incompatible.to_le_bytes());
        bytes.extend(self.compatible.to_le_bytes());
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend(self.store_id);
        bytes.extend(self.id.to_le_bytes());
        bytes.extend(self.first.to_le_bytes());
        bytes.extend(self.last.to_le_bytes());
        bytes.extend([0; 4]);
        let checksum = crc32(0, &bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }
}

/// A segment that is being made.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) header: Header,
    pub(crate) bytes: Vec<u8>,
    pub(crate) sequence: u64,
    pub(crate) hints: Vec<Hint>,
}

/// What a hint says of a put or tombstone.
#[derive(Clone)]
pub(crate) struct Hint {
    /// Without that of a skip.
    pub(crate) flags: u8,
    pub(crate) at: u64,
    pub(crate) len: u64,
    pub(crate) sequence: u64,
    pub(crate) key: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(header: Header, sequence: u64) -> Writer {
        Writer { header, bytes: header.encode(), sequence, hints: Vec::new() }
    }

    /// A log segment at this position, whose records go on behind this sequence number.
    pub(crate) fn log(position: u64, sequence: u64) -> Writer {
        Writer::new(Header::log(position), sequence)
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds a record; where its sequence number is 0, it gets the next.
    pub(crate) fn add(&mut self, fields: &Fields) -> &mut Writer {
        let mut fields = fields.clone();
        if fields.sequence == 0 && matches!(fields.kind, PUT | TOMBSTONE) {
            fields.sequence = self.sequence + 1;
        }
        self.sequence = fields.sequence;
        let bytes = record(self.header.seed, self.len(), &fields);
        if matches!(fields.kind, PUT | TOMBSTONE) {
            let flags = u8::from(fields.kind == TOMBSTONE)
                | if fields.expires_at_ms.is_some() { 2 } else { 0 };
            let (at, len) = (self.len(), bytes.len() as u64);
            let (sequence, key) = (fields.sequence, fields.key.clone());
            self.hints.push(Hint { flags, at, len, sequence, key });
        }
        self.bytes.extend(bytes);
        self
    }

    pub(crate) fn put(&mut self, key: &str, value: &str) -> &mut Writer {
        self.add(&Fields { kind: PUT, key: key.into(), value: value.into(), ..Fields::default() })
    }

    pub(crate) fn put_synced(&mut self, key: &str, value: &str, synced: u64) -> &mut Writer {
        let (key, value) = (key.into(), value.into());
        self.add(&Fields { kind: PUT, key, value, synced: Some(synced), ..Fields::default() })
    }

    pub(crate) fn put_batch(&mut self, key: &str, value: &str) -> &mut Writer {
        let (key, value) = (key.into(), value.into());
        self.add(&Fields { kind: PUT, key, value, batch: true, ..Fields::default() })
    }

    pub(crate) fn tombstone(&mut self, key: &str) -> &mut Writer {
        self.add(&Fields { kind: TOMBSTONE, key: key.into(), ..Fields::default() })
    }

    pub(crate) fn mark(&mut self) -> &mut Writer {
        let (sequence, synced) = (self.sequence, Some(self.len()));
        self.add(&Fields { kind: MARK, sequence, synced, ..Fields::default() })
    }

    /// Adds the seal, with keys in its hints (form 1): right for records with keys of at most three bytes.
    pub(crate) fn seal(&mut self) -> &mut Writer {
        let value = self.seal_value();
        self.add(&Fields { kind: SEAL, sequence: self.sequence, value, ..Fields::default() })
    }

    pub(crate) fn seal_value(&self) -> Vec<u8> {
        seal_value(&self.hints, self.len())
    }
}

/// The value of a seal at this offset.
pub(crate) fn seal_value(hints: &[Hint], offset: u64) -> Vec<u8> {
    let tombstones = hints.iter().filter(|hint| hint.flags & 1 == 1).count() as u64;
    let minimum = hints.first().map_or(0, |hint| hint.sequence);
    let maximum = hints.last().map_or(0, |hint| hint.sequence);
    let mut value = Vec::new();
    for field in [1, hints.len() as u64, tombstones, minimum, maximum] {
        value.extend(field.to_le_bytes());
    }
    let (mut end, mut before) = (72, minimum);
    for hint in hints {
        let skip = hint.at.saturating_sub(end);
        value.push(hint.flags | if 0 < skip { 4 } else { 0 });
        if 0 < skip {
            varint(&mut value, skip);
        }
        varint(&mut value, hint.len);
        varint(&mut value, hint.sequence.wrapping_sub(before));
        varint(&mut value, hint.key.len() as u64);
        value.extend(&hint.key);
        (end, before) = (hint.at.wrapping_add(hint.len), hint.sequence);
    }
    value.extend(offset.to_le_bytes());
    value.extend(b"SEALED\r\n");
    value
}

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while 0x7f < value {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The image of these segments.
pub(crate) fn image(segments: &[&Writer]) -> Image {
    segments.iter().map(|s| (SegmentId(s.header.id), s.bytes.clone())).collect()
}
