//! The checksum: zlib's CRC-32.
//!
//! The crate `crc32fast` uses what processors have for it. Where they have nothing, in WebAssembly, it has a table of 16 kB
//! that no compression makes smaller: a tenth of what a browser loads. There the same table is made when it is first needed.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn crc32(init: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(init);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(target_arch = "wasm32")]
pub(crate) use by_table::crc32;

#[cfg(any(test, target_arch = "wasm32"))]
mod by_table {
    use std::sync::OnceLock;

    /// Bytes that one step takes.
    const STEP: usize = 16;

    /// The checksum's change by one byte, followed by as many zeros as the number of the table.
    type Tables = [[u32; 256]; STEP];

    /// x³² + x²⁶ + x²³ + … + 1, the lowest bit first.
    const POLYNOMIAL: u32 = 0xedb8_8320;

    static TABLES: OnceLock<Tables> = OnceLock::new();

    /// zlib's `crc32(init, bytes)`: several bytes at a time, each by a table of its own ("slicing", Kounavis and Berry, 2005).
    pub(crate) fn crc32(init: u32, bytes: &[u8]) -> u32 {
        let tables = TABLES.get_or_init(tables);
        let (steps, rest) = bytes.as_chunks::<STEP>();
        let mut crc = !init;
        for step in steps {
            let [a, b, c, d] = crc.to_le_bytes();
            let mut taken = *step;
            for (byte, mixed) in taken.iter_mut().zip([a, b, c, d]) {
                *byte ^= mixed;
            }
            crc = 0;
            for (byte, table) in taken.iter().zip(tables.iter().rev()) {
                crc ^= entry(table, *byte);
            }
        }
        let [first, ..] = tables;
        for byte in rest {
            let [low, ..] = crc.to_le_bytes();
            crc = (crc >> 8) ^ entry(first, low ^ byte);
        }
        !crc
    }

    #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
    fn entry(table: &[u32; 256], byte: u8) -> u32 {
        table[usize::from(byte)]
    }

    fn tables() -> Tables {
        let mut table = [0; 256];
        for (byte, place) in (0..).zip(&mut table) {
            *place = (0..8).fold(byte, |crc: u32, _| match crc & 1 {
                0 => crc >> 1,
                _ => (crc >> 1) ^ POLYNOMIAL,
            });
        }
        let first = table;
        [(); STEP].map(|()| {
            let next = table.map(|crc| {
                let [low, ..] = crc.to_le_bytes();
                (crc >> 8) ^ entry(&first, low)
            });
            std::mem::replace(&mut table, next)
        })
    }

    #[cfg(test)]
    mod tests {
        use super::crc32;

        #[test]
        fn is_the_one_of_the_crate() {
            assert_eq!(crc32(0, b"123456789"), 0xcbf4_3926);
            let bytes: Vec<u8> = (0..1000_u32).map(|n| ((n * n) >> 3).to_le_bytes()[0]).collect();
            for start in 0..40 {
                for len in (0..70).chain([500, 900]) {
                    let part = &bytes[start..start + len];
                    for init in [0, 1, 0xdead_beef] {
                        assert_eq!(crc32(init, part), super::super::crc32(init, part));
                    }
                }
            }
        }
    }
}
