//! The record: FORMAT.md, section 3.

use bytes::{Buf, Bytes};

use super::{HEADER_LEN, crc32, len64, u16_at, u32_at, u64_at};

/// Bytes before the optional fields and the key.
pub(crate) const FIXED_LEN: usize = 24;

/// The longest head: fixed part, both optional fields, the longest key.
pub(crate) const HEAD_LEN_MAX: usize = FIXED_LEN + 8 + 8 + super::KEY_LEN_MAX;

const BATCH: u8 = 1;
const EXPIRES: u8 = 2;
const SYNCED: u8 = 4;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Put,
    Tombstone,
    /// Says only how far the log is durable.
    Mark,
    /// The last record of a sealed segment; its value holds the hints.
    Seal,
}

/// A record but for its key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    /// The next record belongs to the same batch.
    pub(crate) batch: bool,
    pub(crate) sequence: u64,
    /// Milliseconds since 1970 from which on the record counts as deleted.
    pub(crate) expires_at_ms: Option<u64>,
    /// The segment was durable up to this offset, and all before it sealed and durable.
    pub(crate) synced: Option<u64>,
    pub(crate) key_len: u16,
    pub(crate) value_len: u32,
}

impl Head {
    /// Bytes before the key.
    pub(crate) fn fields_len(&self) -> usize {
        let expires = if self.expires_at_ms.is_some() { 8 } else { 0 };
        let synced = if self.synced.is_some() { 8 } else { 0 };
        FIXED_LEN.saturating_add(expires).saturating_add(synced)
    }

    /// Bytes up to the end of the key, which the head checksum covers.
    pub(crate) fn head_len(&self) -> usize {
        self.fields_len().saturating_add(usize::from(self.key_len))
    }

    /// Bytes of the whole record.
    pub(crate) fn record_len(&self) -> u64 {
        len64(self.head_len()).saturating_add(u64::from(self.value_len))
    }

    /// Whether `now_ms` is at or beyond the expiry.
    pub(crate) fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|at| at <= now_ms)
    }

    fn kind_code(&self) -> u8 {
        match self.kind {
            Kind::Put => 1,
            Kind::Tombstone => 2,
            Kind::Mark => 3,
            Kind::Seal => 4,
        }
    }

    fn flags(&self) -> u8 {
        let batch = if self.batch { BATCH } else { 0 };
        let expires = if self.expires_at_ms.is_some() { EXPIRES } else { 0 };
        let synced = if self.synced.is_some() { SYNCED } else { 0 };
        batch | expires | synced
    }

    /// Appends the head of a record that will stand at `offset`: everything but the value. The value is
    /// only looked at for its checksum, so a large one need not be copied.
    ///
    /// `head.key_len` and `head.value_len` must be the lengths of `key` and `value`.
    pub(crate) fn encode_head(
        &self,
        seed: u32,
        offset: u64,
        key: &[u8],
        value: &[u8],
        out: &mut Vec<u8>,
    ) {
        let start = self.encode_unsummed(seed, offset, key, out);
        let init = checksum_init(seed, offset);
        let covered = out.get(start..).and_then(|record| record.get(4..));
        let checksum = crc32(covered.map_or(0, |covered| crc32(init, covered)), value);
        put_checksum(out, start, checksum);
    }

    /// Appends a whole record that will stand at `offset`. Its body's checksum is one pass over neighbouring bytes.
    pub(crate) fn encode(
        &self,
        seed: u32,
        offset: u64,
        key: &[u8],
        value: &[u8],
        out: &mut Vec<u8>,
    ) {
        let start = self.encode_unsummed(seed, offset, key, out);
        out.extend_from_slice(value);
        let init = checksum_init(seed, offset);
        let covered = out.get(start..).and_then(|record| record.get(4..));
        let checksum = covered.map_or(0, |covered| crc32(init, covered));
        put_checksum(out, start, checksum);
    }

    /// Appends the head but for the body's checksum; returns where it begins.
    fn encode_unsummed(&self, seed: u32, offset: u64, key: &[u8], out: &mut Vec<u8>) -> usize {
        let start = out.len();
        let [k0, k1] = self.key_len.to_le_bytes();
        let [v0, v1, v2, v3] = self.value_len.to_le_bytes();
        let (kind, flags) = (self.kind_code(), self.flags());
        let fixed: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, kind, flags, k0, k1, v0, v1, v2, v3];
        out.extend_from_slice(&fixed);
        out.extend_from_slice(&self.sequence.to_le_bytes());
        for field in [self.expires_at_ms, self.synced].into_iter().flatten() {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(key);
        let init = checksum_init(seed, offset);
        let covered = out.get(start..).and_then(|record| record.get(8..));
        let checksum = covered.map_or(0, |covered| crc32(init, covered));
        put_checksum(out, start.saturating_add(4), checksum);
        start
    }

    /// Reads the fixed part and the optional fields, checking only that they make sense: their lengths
    /// must not be believed before [`head_is_sound`] has said yes.
    pub(crate) fn decode_unchecked(bytes: &[u8]) -> Option<Head> {
        let (code, flags) = (*bytes.get(8)?, *bytes.get(9)?);
        if flags & !(BATCH | EXPIRES | SYNCED) != 0 {
            return None;
        }
        let kind = match code {
            1 => Kind::Put,
            2 => Kind::Tombstone,
            3 => Kind::Mark,
            4 => Kind::Seal,
            _ => return None,
        };
        let mut at = FIXED_LEN;
        let mut optional = |flag: u8| -> Option<Option<u64>> {
            if flags & flag == 0 {
                return Some(None);
            }
            let field = u64_at(bytes, at)?;
            at = at.checked_add(8)?;
            Some(Some(field))
        };
        let expires_at_ms = optional(EXPIRES)?;
        let synced = optional(SYNCED)?;
        let head = Head {
            kind,
            batch: flags & BATCH != 0,
            sequence: u64_at(bytes, 16)?,
            expires_at_ms,
            synced,
            key_len: u16_at(bytes, 10)?,
            value_len: u32_at(bytes, 12)?,
        };
        head.makes_sense().then_some(head)
    }

    /// The table of section 3: what each kind may look like.
    fn makes_sense(&self) -> bool {
        let (has_key, has_value) = (self.key_len > 0, self.value_len > 0);
        match self.kind {
            Kind::Put => has_key,
            Kind::Tombstone => has_key && !has_value && self.expires_at_ms.is_none(),
            Kind::Mark => {
                let bare = !has_key && !has_value && !self.batch;
                bare && self.expires_at_ms.is_none() && self.synced.is_some()
            }
            Kind::Seal => !has_key && self.value_len >= 56 && self.flags() == 0,
        }
    }
}

fn put_checksum(out: &mut [u8], at: usize, checksum: u32) {
    if let Some(place) = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = checksum.to_le_bytes();
    }
}

/// What the checksums of a record at `offset` start from: stale, copied and moved bytes differ in it.
pub(crate) fn checksum_init(seed: u32, offset: u64) -> u32 {
    let [a, b, c, d, ..] = offset.to_le_bytes();
    seed ^ u32::from_le_bytes([a, b, c, d])
}

/// Whether the head checksum is right; `bytes` start at the record and reach at least to the end of its
/// head. Also checks what `synced` may be.
pub(crate) fn head_is_sound(seed: u32, offset: u64, head: &Head, bytes: &[u8]) -> bool {
    let covered = bytes.get(8..head.head_len());
    let checksum = covered.map(|covered| crc32(checksum_init(seed, offset), covered));
    let synced_is_right =
        head.synced.is_none_or(|synced| len64(HEADER_LEN) <= synced && synced <= offset);
    checksum.is_some() && checksum == u32_at(bytes, 4) && synced_is_right
}

/// Whether the body checksum is right; `record` is the whole record.
pub(crate) fn body_is_sound(seed: u32, offset: u64, record: &[u8]) -> bool {
    let covered = record.get(4..).map(|covered| crc32(checksum_init(seed, offset), covered));
    covered.is_some() && covered == u32_at(record, 0)
}

/// A record in memory. Key and value are lent from one read.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) head: Head,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

impl Record {
    /// Takes a record apart; `bytes` is exactly the record.
    pub(crate) fn from_parts(head: Head, bytes: Bytes) -> Record {
        let mut value = bytes;
        value.advance(head.fields_len().min(value.len()));
        let key = value.split_to(usize::from(head.key_len).min(value.len()));
        Record { head, key, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(synced: Option<u64>, expires_at_ms: Option<u64>) -> Head {
        Head {
            kind: Kind::Put,
            batch: false,
            sequence: 77,
            expires_at_ms,
            synced,
            key_len: 3,
            value_len: 5,
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for (synced, expires) in
            [(None, None), (Some(100), None), (None, Some(5)), (Some(72), Some(5))]
        {
            let head = put(synced, expires);
            let mut bytes = Vec::new();
            head.encode(9, 100, b"key", b"value", &mut bytes);
            assert_eq!(len64(bytes.len()), head.record_len());
            assert_eq!(Head::decode_unchecked(&bytes), Some(head));
            assert!(head_is_sound(9, 100, &head, &bytes) && body_is_sound(9, 100, &bytes));
            let record = Record::from_parts(head, bytes.into());
            assert_eq!((&record.key[..], &record.value[..]), (&b"key"[..], &b"value"[..]));
        }
    }

    #[test]
    fn another_seed_or_place_fails_both_checksums() {
        let head = put(None, None);
        let mut bytes = Vec::new();
        head.encode(9, 100, b"key", b"value", &mut bytes);
        for (seed, offset) in [(8, 100), (9, 101), (9, 100 + (1 << 31))] {
            assert!(!head_is_sound(seed, offset, &head, &bytes), "seed {seed}, offset {offset}");
            assert!(!body_is_sound(seed, offset, &bytes), "seed {seed}, offset {offset}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let head = put(Some(80), Some(5));
        let mut bytes = Vec::new();
        head.encode(9, 100, b"key", b"value", &mut bytes);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let head_wrong = match Head::decode_unchecked(&flipped) {
                Some(head) => !head_is_sound(9, 100, &head, &flipped),
                None => true,
            };
            let in_head = (32..8 * head.head_len()).contains(&bit);
            assert_eq!(
                head_wrong, in_head,
                "bit {bit}: the head checksum covers the head, no more"
            );
            assert!(!body_is_sound(9, 100, &flipped), "bit {bit}: the body checksum covers all");
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(Head::decode_unchecked(&[0; 64]), None);
    }
}
