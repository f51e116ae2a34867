//! The bytes of a segment, as FORMAT.md has them: pure functions from bytes to values and back.
//!
//! Decoding never trusts: every access is checked, no length is believed before its checksum, and any
//! bytes whatever give a value or a refusal.
#![deny(clippy::arithmetic_side_effects)]

mod crc;
pub(crate) mod header;
pub(crate) mod record;
pub(crate) mod seal;
pub(crate) mod stream;
pub(crate) mod walk;

pub(crate) use crc::crc32;
pub(crate) use header::{HEADER_LEN, Header, HeaderKind};
pub(crate) use record::{Head, Kind, Record};
pub(crate) use seal::HintForm;

/// The longest key in bytes.
pub const KEY_LEN_MAX: usize = 65_535;

/// The longest value in bytes.
pub const VALUE_LEN_MAX: u64 = 4_294_967_295;

/// Records of a segment start below this offset.
pub(crate) const RECORD_START_END: u64 = 1 << 32;

/// The `N` bytes at `at`, if they are there.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Length as the 64 bits that the format counts in. Lossless: no platform has a wider `usize`.
pub(crate) const fn len64(len: usize) -> u64 {
    len as u64
}

/// A length for indexing memory, or `None` where this platform's memory cannot hold it (wasm32).
pub(crate) fn len_in_memory(len: u64) -> Option<usize> {
    usize::try_from(len).ok()
}
