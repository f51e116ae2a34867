//! The seal and its hints: FORMAT.md, section 4.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::record::{Head, Kind};
use super::{HEADER_LEN, array, len64, u64_at};

const FIXED_LEN: usize = 40;
const END_LEN: usize = 16;
const END_MAGIC: [u8; 8] = *b"SEALED\r\n";

/// The shortest hint: flags, length, sequence number, and the length of a key and a byte of it.
const HINT_LEN_MIN: u64 = 5;

const TOMBSTONE: u8 = 1;
const EXPIRES: u8 = 2;
const SKIP: u8 = 4;

/// The hash of a key that form 2 of the hints holds and the `hash` keydir is built on: SipHash-1-3
/// (Aumasson and Bernstein, 2012), keyed with the store's random id, so that nobody outside can choose
/// keys that collide.
pub(crate) fn key_hash(store_id: &[u8; 16], key: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(store_id);
    hasher.write(key);
    hasher.finish()
}

/// Whether hints hold keys or hashes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HintForm {
    Keys,
    Hashes,
}

/// What is counted of the puts and tombstones of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) records: u64,
    pub(crate) tombstones: u64,
    /// Bytes of all puts and tombstones.
    pub(crate) record_bytes: u64,
    /// Bytes of all tombstones.
    pub(crate) tombstone_bytes: u64,
    /// Bytes of all keys.
    pub(crate) key_bytes: u64,
    /// Puts that expire.
    pub(crate) expiring: u64,
    /// Smallest and largest sequence number; 0 where there is no record.
    pub(crate) minimum: u64,
    pub(crate) maximum: u64,
}

impl Tally {
    /// Counts a put or a tombstone; other records do not count.
    pub(crate) fn add(&mut self, head: &Head) {
        let tombstone = match head.kind {
            Kind::Put => false,
            Kind::Tombstone => true,
            Kind::Mark | Kind::Seal => return,
        };
        self.add_record(tombstone, head.record_len(), head.sequence, u64::from(head.key_len));
        if head.expires_at_ms.is_some() {
            self.expiring = self.expiring.saturating_add(1);
        }
    }

    fn add_record(&mut self, tombstone: bool, len: u64, sequence: u64, key_len: u64) {
        self.minimum = if self.records == 0 { sequence } else { self.minimum.min(sequence) };
        self.maximum = self.maximum.max(sequence);
        self.records = self.records.saturating_add(1);
        self.record_bytes = self.record_bytes.saturating_add(len);
        self.key_bytes = self.key_bytes.saturating_add(key_len);
        if tombstone {
            self.tombstones = self.tombstones.saturating_add(1);
            self.tombstone_bytes = self.tombstone_bytes.saturating_add(len);
        }
    }

    /// The form of the hints for these records.
    pub(crate) fn form(&self) -> HintForm {
        match self.key_bytes.saturating_mul(8) <= self.record_bytes {
            true => HintForm::Keys,
            false => HintForm::Hashes,
        }
    }
}

/// Makes the value of a seal from the records of a segment, in their order.
pub(crate) struct SealBuilder {
    form: HintForm,
    store_id: [u8; 16],
    tally: Tally,
    /// End of the last put or tombstone.
    end: u64,
    hints: Vec<u8>,
}

impl SealBuilder {
    pub(crate) fn new(form: HintForm, store_id: [u8; 16]) -> SealBuilder {
        let end = len64(HEADER_LEN);
        SealBuilder { form, store_id, tally: Tally::default(), end, hints: vec![0; FIXED_LEN] }
    }

    /// Adds the next record; marks and seals leave no hint.
    pub(crate) fn add(&mut self, offset: u64, head: &Head, key: &[u8]) {
        if matches!(head.kind, Kind::Mark | Kind::Seal) {
            return;
        }
        let skip = offset.saturating_sub(self.end);
        let flag = |flag: u8, set: bool| if set { flag } else { 0 };
        self.hints.push(
            flag(TOMBSTONE, head.kind == Kind::Tombstone)
                | flag(EXPIRES, head.expires_at_ms.is_some())
                | flag(SKIP, skip > 0),
        );
        if skip > 0 {
            put_varint(&mut self.hints, skip);
        }
        put_varint(&mut self.hints, head.record_len());
        let before = if self.tally.records == 0 { head.sequence } else { self.tally.maximum };
        put_varint(&mut self.hints, head.sequence.saturating_sub(before));
        match self.form {
            HintForm::Keys => {
                put_varint(&mut self.hints, len64(key.len()));
                self.hints.extend_from_slice(key);
            }
            HintForm::Hashes => {
                self.hints.extend_from_slice(&key_hash(&self.store_id, key).to_le_bytes());
            }
        }
        self.tally.add(head);
        self.end = offset.saturating_add(head.record_len());
    }

    /// The value of a seal record that will stand at `offset`.
    pub(crate) fn finish(self, offset: u64) -> Vec<u8> {
        let mut value = self.hints;
        let form: u64 = match self.form {
            HintForm::Keys => 1,
            HintForm::Hashes => 2,
        };
        let Tally { records, tombstones, minimum, maximum, .. } = self.tally;
        let fields = [form, records, tombstones, minimum, maximum];
        for (place, field) in value.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        value.extend_from_slice(&offset.to_le_bytes());
        value.extend_from_slice(&END_MAGIC);
        value
    }
}

/// Where a seal would stand, by the last bytes of a file: the back pointer, if the end magic is there.
pub(crate) fn back_pointer(last_bytes: &[u8]) -> Option<u64> {
    let end = last_bytes.len().checked_sub(END_LEN)?;
    (array::<8>(last_bytes, end.checked_add(8)?)? == END_MAGIC).then_some(())?;
    u64_at(last_bytes, end)
}

/// Bytes that [`back_pointer`] looks at.
pub(crate) const BACK_POINTER_LEN: usize = END_LEN;

/// The value of a seal, whose checksums were found right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal<'a> {
    pub(crate) form: HintForm,
    pub(crate) records: u64,
    pub(crate) tombstones: u64,
    pub(crate) minimum: u64,
    pub(crate) maximum: u64,
    /// Where the seal stands, and so where the records end.
    offset: u64,
    hints: &'a [u8],
}

/// A record without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hint<'a> {
    pub(crate) tombstone: bool,
    pub(crate) expires: bool,
    /// Where the record stands.
    pub(crate) offset: u64,
    /// Bytes of the record.
    pub(crate) len: u64,
    pub(crate) sequence: u64,
    pub(crate) key: HintKey<'a>,
}

/// How a hint names its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HintKey<'a> {
    Key(&'a [u8]),
    Hash(u64),
}

impl<'a> Seal<'a> {
    /// Reads the value of a seal that stands at `offset`. `None` where it makes no sense.
    pub(crate) fn decode(value: &'a [u8], offset: u64) -> Option<Seal<'a>> {
        let hints_end = value.len().checked_sub(END_LEN)?;
        let form = match u64_at(value, 0)? {
            1 => HintForm::Keys,
            2 => HintForm::Hashes,
            _ => return None,
        };
        let seal = Seal {
            form,
            records: u64_at(value, 8)?,
            tombstones: u64_at(value, 16)?,
            minimum: u64_at(value, 24)?,
            maximum: u64_at(value, 32)?,
            offset,
            hints: value.get(FIXED_LEN..hints_end)?,
        };
        (back_pointer(value)? == offset).then_some(seal)
    }

    /// How many hints there can be at most, before any was looked at: the number that the seal says is believed no further than
    /// there are bytes for it.
    pub(crate) fn hints_at_most(&self) -> u64 {
        self.records.min(len64(self.hints.len()) / HINT_LEN_MIN)
    }

    /// Calls `each` with every hint, and returns what was counted; `None` where a hint makes no sense or
    /// the counts are not those of the seal.
    pub(crate) fn for_each_hint<E>(
        &self,
        mut each: impl FnMut(Hint<'a>) -> Result<(), E>,
    ) -> Result<Option<Tally>, E> {
        let mut rest = self.hints;
        let mut tally = Tally::default();
        let mut end = len64(HEADER_LEN);
        while !rest.is_empty() {
            let before = if tally.records == 0 { self.minimum } else { tally.maximum };
            let Some(hint) = self.next_hint(&mut rest, &mut end, before, tally.records == 0) else {
                return Ok(None);
            };
            let key_len = match hint.key {
                HintKey::Key(key) => len64(key.len()),
                HintKey::Hash(_) => 0,
            };
            tally.add_record(hint.tombstone, hint.len, hint.sequence, key_len);
            if hint.expires {
                tally.expiring = tally.expiring.saturating_add(1);
            }
            each(hint)?;
        }
        if self.form == HintForm::Hashes {
            // The keys' lengths are not told, but that they were long for such records: as the form says.
            tally.key_bytes = tally.record_bytes;
        }
        let agrees = (tally.records, tally.tombstones) == (self.records, self.tombstones)
            && (tally.minimum, tally.maximum) == (self.minimum, self.maximum)
            && end <= self.offset;
        Ok(agrees.then_some(tally))
    }

    fn next_hint(
        &self,
        rest: &mut &'a [u8],
        end: &mut u64,
        before: u64,
        first: bool,
    ) -> Option<Hint<'a>> {
        let flags = take(rest, 1)?.first().copied()?;
        if flags & !(TOMBSTONE | EXPIRES | SKIP) != 0 {
            return None;
        }
        let skip = if flags & SKIP == 0 { 0 } else { take_varint(rest)? };
        let offset = end.checked_add(skip)?;
        let len = take_varint(rest)?;
        let step = take_varint(rest)?;
        let key = match self.form {
            HintForm::Keys => {
                let len = usize::try_from(take_varint(rest)?).ok()?;
                HintKey::Key(take(rest, len)?)
            }
            HintForm::Hashes => HintKey::Hash(u64_at(take(rest, 8)?, 0)?),
        };
        *end = offset.checked_add(len)?;
        // Sequence numbers rise, and every record lies before the seal.
        (first == (step == 0) && len > 0 && *end <= self.offset).then_some(())?;
        Some(Hint {
            tombstone: flags & TOMBSTONE != 0,
            expires: flags & EXPIRES != 0,
            offset,
            len,
            sequence: before.checked_add(step)?,
            key,
        })
    }
}

#[inline]
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

#[inline]
fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for shift in (0..70).step_by(7) {
        let byte = take(rest, 1)?.first().copied()?;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit only.
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits.checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: Kind, sequence: u64, key_len: u16, value_len: u32) -> Head {
        let synced = (kind == Kind::Mark).then_some(72);
        Head { kind, batch: false, sequence, expires_at_ms: None, synced, key_len, value_len }
    }

    fn build(form: HintForm, store_id: &[u8; 16]) -> Vec<u8> {
        let mut builder = SealBuilder::new(form, *store_id);
        builder.add(72, &head(Kind::Put, 500, 1, 300), b"a");
        builder.add(397, &head(Kind::Mark, 500, 0, 0), b"");
        builder.add(429, &head(Kind::Tombstone, 501, 2, 0), b"bb");
        builder.add(455, &head(Kind::Put, 1 << 33, 1, 0), b"c");
        builder.finish(480)
    }

    #[test]
    fn hints_come_back() {
        for form in [HintForm::Keys, HintForm::Hashes] {
            let value = build(form, &[3; 16]);
            let seal = Seal::decode(&value, 480).unwrap();
            let mut hints = Vec::new();
            let tally = seal
                .for_each_hint(|hint| {
                    hints.push((hint.tombstone, hint.offset, hint.len, hint.sequence));
                    Ok::<(), ()>(())
                })
                .unwrap()
                .unwrap();
            assert_eq!(
                hints,
                [(false, 72, 325, 500), (true, 429, 26, 501), (false, 455, 25, 1 << 33)]
            );
            assert_eq!((tally.records, tally.tombstones, tally.record_bytes), (3, 1, 376));
            assert_eq!(back_pointer(&value), Some(480));
        }
    }

    #[test]
    fn no_flip_and_no_cut_of_a_seal_makes_it_panic_or_count_wrong() {
        let value = build(HintForm::Keys, &[3; 16]);
        let read = |value: &[u8]| {
            let seal = Seal::decode(value, 480)?;
            seal.for_each_hint(|_| Ok::<(), ()>(())).ok().flatten()
        };
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Some(tally) = read(&flipped) {
                assert_eq!((tally.records, tally.tombstones), (3, 1), "bit {bit}");
            }
        }
        for len in 0..value.len() {
            assert!(read(&value[..len]).is_none(), "length {len}");
        }
    }

    #[test]
    fn varints_come_back_and_too_long_ones_are_refused() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut rest = bytes.as_slice();
            assert_eq!((take_varint(&mut rest), rest.len()), (Some(value), 0));
        }
        assert_eq!(take_varint(&mut [0xff; 9].as_slice()), None);
        assert_eq!(take_varint(&mut [0xff; 11].as_slice()), None);
        assert_eq!(
            take_varint(&mut [255, 255, 255, 255, 255, 255, 255, 255, 255, 2].as_slice()),
            None
        );
    }

    #[test]
    fn the_hash_is_siphash_1_3() {
        // Key 00 01 … 0f, message 00 01 … 0e: from an implementation of the published algorithm in Python.
        let key = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let message = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
        assert_eq!(key_hash(&key, &message), 0xd320_d86d_2a51_9956);
    }
}
