//! The export stream: FORMAT.md, section 13.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::record::checksum_init;
use super::{crc32, len64, u16_at, u32_at, u64_at};

/// Bytes before the first frame.
pub(crate) const STREAM_HEAD_LEN: usize = 40;

/// Bytes of a frame before its payload.
pub(crate) const FRAME_HEAD_LEN: usize = 20;

/// The longest payload of a frame of several entries: the frame has 256 KiB then. One entry alone may be longer.
pub(crate) const PAYLOAD_LEN_MAX: usize = (1 << 18) - FRAME_HEAD_LEN;

/// Bytes of an entry before its key, but for its expiry.
const ENTRY_FIXED_LEN: usize = 7;

/// The longest frame: one entry of the longest key and the longest value.
const ENTRY_LEN_MAX: u64 = len64(ENTRY_FIXED_LEN + 8 + super::KEY_LEN_MAX) + super::VALUE_LEN_MAX;

/// Bytes of the closing frame's payload.
const CLOSING_LEN: usize = 24;

const MAGIC: [u8; 8] = *b"BCEXPORT";
const VERSION: u16 = 1;
const EXPIRES: u8 = 1;

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamHead {
    pub(crate) store_id: [u8; 16],
    /// The store's last sequence number when it was exported.
    pub(crate) sequence: u64,
}

impl StreamHead {
    /// The bytes, and the seed of all checksums in frames.
    pub(crate) fn encode(&self) -> (Vec<u8>, u32) {
        let mut bytes = Vec::with_capacity(STREAM_HEAD_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.store_id);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        let seed = crc32(0, &bytes);
        bytes.extend_from_slice(&seed.to_le_bytes());
        (bytes, seed)
    }

    /// Reads the first [`STREAM_HEAD_LEN`] bytes of a stream.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(StreamHead, u32), String> {
        let head = || {
            let (magic, seed) = (super::array(bytes, 0)?, u32_at(bytes, 36)?);
            let (version, features) = (u16_at(bytes, 8)?, u16_at(bytes, 10)?);
            let is_sound = crc32(0, bytes.get(..36)?) == seed;
            let head =
                StreamHead { store_id: super::array(bytes, 12)?, sequence: u64_at(bytes, 28)? };
            Some((magic, is_sound, version, features, head, seed))
        };
        match head() {
            Some((MAGIC, true, VERSION, 0, head, seed)) => Ok((head, seed)),
            Some((MAGIC, true, version, features, ..)) => Err(format!(
                "a newer version of mini-bitcask wrote this stream: version {version}, features {features:#x}"
            )),
            Some((MAGIC, false, ..)) => {
                Err("the checksum of the stream's head is wrong".to_owned())
            }
            _ => Err("this is no stream that an export wrote".to_owned()),
        }
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Entries,
    /// The last frame: the sums.
    Closing,
}

/// A frame but for its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) kind: FrameKind,
    /// Bytes of the payload.
    pub(crate) len: u64,
    body_checksum: u32,
}

impl FrameHead {
    /// The bytes of the head of a frame at `offset` whose payload is these parts, one after another.
    pub(crate) fn encode(
        seed: u32,
        offset: u64,
        kind: FrameKind,
        parts: [&[u8]; 2],
    ) -> [u8; FRAME_HEAD_LEN] {
        let init = checksum_init(seed, offset);
        let code = match kind {
            FrameKind::Entries => 1,
            FrameKind::Closing => 2,
        };
        let len = parts.iter().fold(0, |len: u64, part| len.saturating_add(len64(part.len())));
        let [a, b, c, d, e, f, g, h] = len.to_le_bytes();
        let fields = [code, 0, 0, 0, a, b, c, d, e, f, g, h];
        let head_checksum = crc32(init, &fields);
        let covered = crc32(init, &head_checksum.to_le_bytes());
        let covered = crc32(covered, &fields);
        let body_checksum = parts.iter().fold(covered, |covered, part| crc32(covered, part));
        let mut bytes = [0; FRAME_HEAD_LEN];
        let all = body_checksum.to_le_bytes().into_iter().chain(head_checksum.to_le_bytes());
        for (place, byte) in bytes.iter_mut().zip(all.chain(fields)) {
            *place = byte;
        }
        bytes
    }

    /// Reads the head of the frame at `offset`: its first [`FRAME_HEAD_LEN`] bytes. Its length may be believed.
    pub(crate) fn decode(seed: u32, offset: u64, bytes: &[u8]) -> Result<FrameHead, &'static str> {
        let head = || {
            let covered = bytes.get(8..FRAME_HEAD_LEN)?;
            let is_sound = crc32(checksum_init(seed, offset), covered) == u32_at(bytes, 4)?;
            Some((is_sound, u32_at(bytes, 8)?, u64_at(bytes, 12)?, u32_at(bytes, 0)?))
        };
        let (kind, len, body_checksum) = match head() {
            Some((true, code, len, body_checksum)) => (code, len, body_checksum),
            _ => return Err("the checksum of a frame's head is wrong"),
        };
        match kind {
            1 if 0 < len && len <= ENTRY_LEN_MAX => {
                Ok(FrameHead { kind: FrameKind::Entries, len, body_checksum })
            }
            2 if len == len64(CLOSING_LEN) => {
                Ok(FrameHead { kind: FrameKind::Closing, len, body_checksum })
            }
            _ => Err("a frame's kind or length makes no sense"),
        }
    }

    /// Whether the checksum of a whole frame at `offset` is right.
    pub(crate) fn is_sound(&self, seed: u32, offset: u64, frame: &[u8]) -> bool {
        let covered = frame.get(4..).map(|covered| crc32(checksum_init(seed, offset), covered));
        covered == Some(self.body_checksum)
    }
}

/// Bytes of an entry in a frame.
pub(crate) fn entry_len(key_len: usize, value_len: usize, expires: bool) -> usize {
    let expiry = if expires { 8 } else { 0 };
    ENTRY_FIXED_LEN.saturating_add(expiry).saturating_add(key_len).saturating_add(value_len)
}

/// Adds an entry to a payload: all but the value, of which only the length is wanted.
pub(crate) fn put_entry_head(
    out: &mut Vec<u8>,
    key_len: u16,
    value_len: u32,
    expires_at_ms: Option<u64>,
    key: &[u8],
) {
    out.push(if expires_at_ms.is_some() { EXPIRES } else { 0 });
    out.extend_from_slice(&key_len.to_le_bytes());
    out.extend_from_slice(&value_len.to_le_bytes());
    if let Some(at_ms) = expires_at_ms {
        out.extend_from_slice(&at_ms.to_le_bytes());
    }
    out.extend_from_slice(key);
}

/// An entry of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamEntry<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) expires_at_ms: Option<u64>,
}

/// Takes the first entry off a payload whose checksum is right. `None` where it makes no sense.
pub(crate) fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<StreamEntry<'a>> {
    let flags = *rest.first()?;
    let (key_len, value_len) = (usize::from(u16_at(rest, 1)?), u32_at(rest, 3)?);
    let value_len = usize::try_from(value_len).ok()?;
    let mut after = rest.get(ENTRY_FIXED_LEN..)?;
    let expires_at_ms = match flags {
        0 => None,
        EXPIRES => {
            let at_ms = u64_at(after, 0)?;
            after = after.get(8..)?;
            Some(at_ms)
        }
        _ => return None,
    };
    let (key, after) = after.split_at_checked(key_len)?;
    let (value, after) = after.split_at_checked(value_len)?;
    (0 < key_len).then_some(())?;
    *rest = after;
    Some(StreamEntry { key, value, expires_at_ms })
}

/// The sums in the closing frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) entries: u64,
    /// Of all keys and values.
    pub(crate) bytes: u64,
    /// Of all that stands before the closing frame.
    pub(crate) digest: u64,
}

impl Closing {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [self.entries, self.bytes, self.digest].into_iter().flat_map(u64::to_le_bytes).collect()
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<Closing> {
        Some(Closing {
            entries: u64_at(payload, 0)?,
            bytes: u64_at(payload, 8)?,
            digest: u64_at(payload, 16)?,
        })
    }
}

/// The digest of a stream: SipHash-1-3 of its bytes, keyed with the store's id. Finds what two CRC-32 do not.
#[derive(Clone, Debug)]
pub(crate) struct Digest(SipHasher13);

impl Digest {
    pub(crate) fn new(store_id: &[u8; 16]) -> Digest {
        Digest(SipHasher13::new_with_key(store_id))
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_does_not_depend_on_the_pieces() {
        let bytes: Vec<u8> = (0..200).collect();
        let mut whole = Digest::new(&[7; 16]);
        whole.add(&bytes);
        for piece_len in 1..40 {
            let mut pieces = Digest::new(&[7; 16]);
            bytes.chunks(piece_len).for_each(|piece| pieces.add(piece));
            assert_eq!(pieces.finish(), whole.finish(), "{piece_len}");
        }
    }

    #[test]
    fn a_frame_is_bound_to_its_place_and_its_stream() {
        let bytes = FrameHead::encode(9, 40, FrameKind::Entries, [b"ab", b"c"]);
        let head = FrameHead::decode(9, 40, &bytes).unwrap();
        assert_eq!((head.kind, head.len), (FrameKind::Entries, 3));
        let frame: Vec<u8> = bytes.iter().copied().chain(*b"abc").collect();
        assert!(head.is_sound(9, 40, &frame));
        for (seed, offset) in [(8, 40), (9, 41)] {
            assert!(FrameHead::decode(seed, offset, &bytes).is_err());
            assert!(!head.is_sound(seed, offset, &frame));
        }
    }

    #[test]
    fn lengths_that_nothing_can_have_are_refused() {
        for (kind, len) in [(1_u32, 0), (1, ENTRY_LEN_MAX + 1), (2, 23), (2, 25), (3, 24), (0, 1)] {
            let mut fields = kind.to_le_bytes().to_vec();
            fields.extend(len.to_le_bytes());
            let mut bytes = vec![0; 4];
            bytes.extend(crc32(checksum_init(9, 40), &fields).to_le_bytes());
            bytes.extend(fields);
            assert!(FrameHead::decode(9, 40, &bytes).is_err(), "{kind}, {len}");
        }
    }
}
