//! The segment header: FORMAT.md, section 2.

use super::{array, crc32, u16_at, u32_at, u64_at};
use crate::segment::SegmentId;

/// Length of the header in bytes; the first record starts here.
pub(crate) const HEADER_LEN: usize = 72;

const MAGIC: [u8; 8] = *b"BITCASK\n";
const VERSION: u16 = 1;

/// Who wrote a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderKind {
    /// Writes, one log position a segment.
    Log,
    /// A merge; it stands for the positions of its inputs.
    Merge,
}

/// What the first 72 bytes of a segment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: HeaderKind,
    /// Goes into every checksum of the segment.
    pub(crate) seed: u32,
    pub(crate) store_id: [u8; 16],
    pub(crate) id: SegmentId,
    /// First log position that the segment stands for.
    pub(crate) first: u64,
    /// Last log position that the segment stands for.
    pub(crate) last: u64,
    /// Features that this version does not know, but that do not hinder reading.
    pub(crate) compatible: u32,
}

/// What the first bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeaderBytes {
    Valid(Header),
    /// Empty or zeros: a segment that was being created.
    Unwritten,
    /// Written by a newer version; says which.
    Newer(String),
    /// Anything else; says what is wrong.
    Wrong(&'static str),
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let kind: u16 = match self.kind {
            HeaderKind::Log => 1,
            HeaderKind::Merge => 2,
        };
        let fields: [&[u8]; 11] = [
            &MAGIC,
            &VERSION.to_le_bytes(),
            &kind.to_le_bytes(),
            &0_u32.to_le_bytes(),
            &self.compatible.to_le_bytes(),
            &self.seed.to_le_bytes(),
            &self.store_id,
            &self.id.0.to_le_bytes(),
            &self.first.to_le_bytes(),
            &self.last.to_le_bytes(),
            &0_u32.to_le_bytes(),
        ];
        let mut encoded = fields.concat();
        encoded.extend_from_slice(&crc32(0, &encoded).to_le_bytes());
        let mut bytes = [0; HEADER_LEN];
        for (place, byte) in bytes.iter_mut().zip(encoded) {
            *place = byte;
        }
        bytes
    }

    /// Reads a header from the first bytes of a file, which may be fewer than 72.
    pub(crate) fn decode(bytes: &[u8]) -> HeaderBytes {
        let bytes = bytes.get(..HEADER_LEN).unwrap_or(bytes);
        if bytes.iter().all(|byte| *byte == 0) {
            return HeaderBytes::Unwritten;
        }
        Header::fields(bytes).unwrap_or(HeaderBytes::Wrong("the header is cut short"))
    }

    /// `None` where the bytes end too early.
    fn fields(bytes: &[u8]) -> Option<HeaderBytes> {
        if array::<8>(bytes, 0)? != MAGIC {
            return Some(HeaderBytes::Wrong("the header does not begin as a segment's"));
        }
        if u32_at(bytes, 68)? != crc32(0, bytes.get(..68)?) {
            return Some(HeaderBytes::Wrong("the header's checksum is wrong"));
        }
        let version = u16_at(bytes, 8)?;
        if version != VERSION {
            return Some(HeaderBytes::Newer(format!(
                "format version {version}, this one knows {VERSION}"
            )));
        }
        let incompatible = u32_at(bytes, 12)?;
        if incompatible != 0 {
            return Some(HeaderBytes::Newer(format!("unknown features {incompatible:#x}")));
        }
        let kind = match u16_at(bytes, 10)? {
            1 => HeaderKind::Log,
            2 => HeaderKind::Merge,
            _ => return Some(HeaderBytes::Wrong("the header's kind is unknown")),
        };
        let header = Header {
            kind,
            seed: u32_at(bytes, 20)?,
            store_id: array(bytes, 24)?,
            id: SegmentId(u64_at(bytes, 40)?),
            first: u64_at(bytes, 48)?,
            last: u64_at(bytes, 56)?,
            compatible: u32_at(bytes, 16)?,
        };
        let span_is_right = 1 <= header.first
            && header.first <= header.last
            && (kind == HeaderKind::Merge || header.first == header.last);
        Some(match span_is_right {
            true => HeaderBytes::Valid(header),
            false => HeaderBytes::Wrong("the header's positions make no sense"),
        })
    }
}

/// The id in a segment's header, where the bytes begin with a whole and valid one: for bindings whose
/// files are slots that are not named after the segment they hold.
#[must_use]
pub fn segment_id_of(first_bytes: &[u8]) -> Option<SegmentId> {
    match Header::decode(first_bytes) {
        HeaderBytes::Valid(header) => Some(header.id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            kind: HeaderKind::Merge,
            seed: 0x0102_0304,
            store_id: [7; 16],
            id: SegmentId(9),
            first: 2,
            last: 5,
            compatible: 0,
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(Header::decode(&header().encode()), HeaderBytes::Valid(header()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = header().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Header::decode(&flipped), HeaderBytes::Wrong(_)), "bit {bit}");
        }
        for len in 1..bytes.len() {
            assert!(matches!(Header::decode(&bytes[..len]), HeaderBytes::Wrong(_)), "length {len}");
        }
        assert_eq!(Header::decode(&[]), HeaderBytes::Unwritten);
        assert_eq!(Header::decode(&[0; 100]), HeaderBytes::Unwritten);
    }

    #[test]
    fn a_newer_version_or_an_unknown_feature_is_told_from_damage() {
        for (at, what) in [(8, "version"), (12, "features")] {
            let mut bytes = header().encode();
            bytes[at] = 3;
            let checksum = crc32(0, &bytes[..68]).to_le_bytes();
            bytes[68..].copy_from_slice(&checksum);
            let HeaderBytes::Newer(found) = Header::decode(&bytes) else { panic!("{what}") };
            assert!(found.contains(what) && found.contains('3'), "{found}");
        }
    }
}
