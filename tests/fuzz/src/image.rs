//! The bytes of segments, from FORMAT.md and not from the engine.

use std::collections::BTreeMap;
use std::hash::Hasher;

use bitcask_core::SegmentId;
use siphasher::sip::SipHasher13;

/// The files of a store.
pub type Image = BTreeMap<SegmentId, Vec<u8>>;

/// The store that all segments made here belong to.
pub const STORE_ID: [u8; 16] = *b"the store's name";

/// Bytes of a segment's header.
pub const HEADER_LEN: usize = 72;

/// Kinds of records.
pub const PUT: u8 = 1;
/// See [`PUT`].
pub const TOMBSTONE: u8 = 2;
/// See [`PUT`].
pub const MARK: u8 = 3;
/// See [`PUT`].
pub const SEAL: u8 = 4;

/// Flags of records.
pub const BATCH: u8 = 1;
/// See [`BATCH`].
pub const EXPIRES: u8 = 2;
/// See [`BATCH`].
pub const SYNCED: u8 = 4;

/// zlib's `crc32(init, bytes)`.
#[must_use]
pub fn crc32(init: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(init);
    hasher.update(bytes);
    hasher.finalize()
}

/// The hash of a key in hints of form 2.
#[must_use]
pub fn key_hash(key: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&STORE_ID);
    hasher.write(key);
    hasher.finish()
}

/// What a header says.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// 1 log, 2 merge.
    pub kind: u16,
    /// The segment's id.
    pub id: u64,
    /// The positions it stands for.
    pub positions: (u64, u64),
    /// Of its checksums.
    pub seed: u32,
    /// The store's name.
    pub store_id: [u8; 16],
}

impl Header {
    /// That of a log segment whose id is its position.
    #[must_use]
    pub fn log(position: u64) -> Header {
        let seed = 0x1357_9bdf_u32.wrapping_mul(position as u32);
        Header { kind: 1, id: position, positions: (position, position), seed, store_id: STORE_ID }
    }

    /// The 72 bytes, with their checksum.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = b"BITCASK\n\x01\x00".to_vec();
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend(self.store_id);
        for field in [self.id, self.positions.0, self.positions.1] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend([0; 4]);
        bytes.extend(crc32(0, &bytes).to_le_bytes());
        bytes
    }
}

/// A record as its fields say it is; the lengths may lie.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// [`PUT`] and so on.
    pub kind: u8,
    /// Where it is not one of the optional fields that is there: other bits.
    pub flags: u8,
    /// Its number.
    pub sequence: u64,
    /// With EXPIRES.
    pub expires_at_ms: Option<u64>,
    /// With SYNCED.
    pub synced: Option<u64>,
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// What is said of the lengths instead of the truth.
    pub lengths: Option<(u16, u32)>,
}

impl Record {
    /// Its bytes at the end of a segment, with right checksums.
    pub fn append(&self, seed: u32, segment: &mut Vec<u8>) {
        segment.extend(self.encode(seed, segment.len()));
    }

    /// Its bytes at an offset of a segment, with right checksums.
    #[must_use]
    pub fn encode(&self, seed: u32, offset: usize) -> Vec<u8> {
        let truth = (self.key.len() as u16, self.value.len() as u32);
        let (key_len, value_len) = self.lengths.unwrap_or(truth);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let mut bytes = vec![0; 8];
        bytes.push(self.kind);
        bytes.push(
            self.flags
                | flag(self.expires_at_ms.is_some(), EXPIRES)
                | flag(self.synced.is_some(), SYNCED),
        );
        bytes.extend(key_len.to_le_bytes());
        bytes.extend(value_len.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        for field in [self.expires_at_ms, self.synced].into_iter().flatten() {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(&self.key);
        let head_len = bytes.len();
        bytes.extend(&self.value);
        checksums(seed, offset, &mut bytes, head_len);
        bytes
    }
}

/// Writes both checksums of a record that stands at an offset of a segment.
fn checksums(seed: u32, offset: usize, record: &mut [u8], head_len: usize) {
    let init = seed ^ offset as u32;
    let head = crc32(init, &record[8..head_len]);
    record[4..8].copy_from_slice(&head.to_le_bytes());
    let body = crc32(init, &record[4..]);
    record[..4].copy_from_slice(&body.to_le_bytes());
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut all = [0; 8];
    all[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(all)
}

/// The end of the head and of the whole record that begins these bytes, as its lengths say; `None` where it would be none.
fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    if bytes.len() < 24 || !(PUT..=SEAL).contains(&bytes[8]) {
        return None;
    }
    let optional = (usize::from(bytes[9] & EXPIRES != 0) + usize::from(bytes[9] & SYNCED != 0)) * 8;
    let head_len = 24 + optional + number::<2>(bytes, 10) as usize;
    let len = head_len.checked_add(number::<4>(bytes, 12) as usize)?;
    (len <= bytes.len()).then_some((head_len, len))
}

/// Makes the checksums of a segment right: that of its header, and those of all records from the first on whose lengths lead from one
/// to the next. What is no record ends it.
pub fn repair(segment: &mut [u8]) {
    if segment.len() < HEADER_LEN {
        return;
    }
    let checksum = crc32(0, &segment[..68]);
    segment[68..HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
    let seed = number::<4>(segment, 20) as u32;
    let mut at = HEADER_LEN;
    while let Some((head_len, len)) = lengths(&segment[at..]) {
        checksums(seed, at, &mut segment[at..at + len], head_len);
        at += len;
    }
}

/// What a hint says of a put or tombstone.
#[derive(Clone, Debug)]
pub struct Hint {
    /// Bit 0 tombstone, bit 1 expires; not that of a skip.
    pub flags: u8,
    /// Where the record stands.
    pub at: u64,
    /// Its length.
    pub len: u64,
    /// Its number.
    pub sequence: u64,
    /// Its key.
    pub key: Vec<u8>,
}

/// The value of a seal at an offset: `form` 1 holds keys, 2 hashes.
#[must_use]
pub fn seal_value(form: u64, hints: &[Hint], offset: u64) -> Vec<u8> {
    let tombstones = hints.iter().filter(|hint| hint.flags & 1 == 1).count() as u64;
    let minimum = hints.first().map_or(0, |hint| hint.sequence);
    let maximum = hints.last().map_or(0, |hint| hint.sequence);
    let mut value = Vec::new();
    for field in [form, hints.len() as u64, tombstones, minimum, maximum] {
        value.extend(field.to_le_bytes());
    }
    let (mut end, mut before) = (HEADER_LEN as u64, minimum);
    for hint in hints {
        let skip = hint.at.wrapping_sub(end);
        value.push(hint.flags | if 0 < skip { 4 } else { 0 });
        if 0 < skip {
            varint(&mut value, skip);
        }
        varint(&mut value, hint.len);
        varint(&mut value, hint.sequence.wrapping_sub(before));
        if form == 2 {
            value.extend(key_hash(&hint.key).to_le_bytes());
        } else {
            varint(&mut value, hint.key.len() as u64);
            value.extend(&hint.key);
        }
        (end, before) = (hint.at.wrapping_add(hint.len), hint.sequence);
    }
    value.extend(offset.to_le_bytes());
    value.extend(b"SEALED\r\n");
    value
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while 0x7f < value {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The form that hints of these records take: keys where they are at most an eighth of the records.
#[must_use]
pub fn form_of(hints: &[Hint]) -> u64 {
    let keys: u64 = hints.iter().map(|hint| hint.key.len() as u64).sum();
    let records: u64 = hints.iter().map(|hint| hint.len).sum();
    if 8 * keys <= records { 1 } else { 2 }
}
