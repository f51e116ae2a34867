//! The checksum: zlib's CRC-32.

/// zlib's `crc32(init, bytes)`.
pub(crate) fn crc32(init: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(init);
    hasher.update(bytes);
    hasher.finalize()
}
