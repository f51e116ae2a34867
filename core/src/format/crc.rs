//! The checksum: zlib's CRC-32.

/// zlib's `crc32(init, bytes)`.
pub(crate) fn crc32(init: u32, bytes: &[u8]) -> u32 {
    #[cfg(not(target_arch = "wasm32"))]
    return by_processor(init, bytes);
    #[cfg(target_arch = "wasm32")]
    return by_tables(init, bytes);
}

#[cfg(not(target_arch = "wasm32"))]
fn by_processor(init: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(init);
    hasher.update(bytes);
    hasher.finalize()
}

/// By tables that the first call makes, in some microseconds.
#[cfg(any(target_arch = "wasm32", test))]
fn by_tables(init: u32, bytes: &[u8]) -> u32 {
    use crc::{CRC_32_ISO_HDLC, Crc, Table};

    use crate::sync::OnceLock;

    static TABLES: OnceLock<Crc<u32, Table<16>>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC));
    // It takes its first value from before zlib's two reflections.
    let mut digest = tables.digest_with_initial((!init).reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_processor_agree() {
        let bytes: Vec<u8> =
            (0..300_u32).map(|n| (n.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect();
        for init in [0, 1, 0x1234_5678, u32::MAX] {
            for len in 0..bytes.len() {
                for start in [0, 1, 7] {
                    let part = &bytes[start.min(len)..len];
                    assert_eq!(by_tables(init, part), by_processor(init, part), "{init} {len}");
                }
            }
        }
        assert_eq!(crc32(0, b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xcbf4_3926);
    }
}
