//! Keys and values: the same in every run and for every store, and impossible to compress.

/// Bytes of a key.
pub const KEY_LEN: usize = 16;

/// A key.
pub type Key = [u8; KEY_LEN];

const POOL_LEN: u64 = 1 << 20;

/// SplitMix64 (Steele, Lea, Flood 2014): a permutation of the 64-bit numbers that looks like chance.
#[must_use]
pub fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The key of this number. Different numbers have different keys, in no order.
#[must_use]
pub fn key(number: u64) -> Key {
    (u128::from(mixed(number)) << 64 | u128::from(mixed(!number))).to_be_bytes()
}

/// Numbers below `end`, as if drawn: the same ones for the same seed.
pub fn draws(seed: u64, end: u64, count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |n| mixed(seed << 40 ^ n) % end.max(1))
}

/// Values of one length, cut from random bytes.
pub struct Values {
    pool: Vec<u8>,
    len: usize,
}

impl Values {
    /// Values of `len` bytes.
    #[must_use]
    pub fn new(len: usize) -> Values {
        let words = POOL_LEN / 8 + len.div_ceil(8) as u64;
        Values { pool: (0..words).flat_map(|n| mixed(n << 20 | 7).to_le_bytes()).collect(), len }
    }

    /// Bytes of a value.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "the length of each value, not of the set")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The value that belongs to the key of this number.
    #[must_use]
    pub fn of(&self, number: u64) -> &[u8] {
        let start = usize::try_from(mixed(number ^ 1) % POOL_LEN).unwrap_or_default();
        self.pool.get(start..).and_then(|rest| rest.get(..self.len)).unwrap_or_default()
    }
}
