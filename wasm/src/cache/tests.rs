//! The cache beside none.
#![allow(clippy::cast_possible_truncation, reason = "bytes of a pattern")]

use std::cell::Cell;
use std::io;

use super::{AHEAD_MAX, BLOCK_LEN, Cache, Cached, SETS, WAYS};

/// A file, and how often it was read.
struct File {
    bytes: Vec<u8>,
    calls: Cell<u32>,
    cached: Cached,
}

impl File {
    fn new(cache: &mut Cache, len: usize) -> File {
        let bytes = (0..len).map(|at| (at % 251) as u8).collect();
        File { bytes, calls: Cell::new(0), cached: cache.segment() }
    }

    /// Reads through the cache; says how many calls of the file it took.
    fn check(&self, cache: &mut Cache, offset: usize, len: usize) -> u32 {
        let before = self.calls.get();
        let fill = |from: u64, into: &mut [u8]| {
            self.calls.set(self.calls.get() + 1);
            let from = usize::try_from(from).unwrap();
            into.copy_from_slice(&self.bytes[from..from + into.len()]);
            Ok(())
        };
        let end = self.bytes.len() as u64;
        let found = cache.read(&self.cached, offset as u64, len, end, &fill).unwrap();
        assert_eq!(found, self.bytes[offset..offset + len], "{len} bytes at {offset} of {end}");
        self.calls.get() - before
    }

    fn append(&mut self, cache: &mut Cache, bytes: &[u8]) {
        cache.appended(&self.cached, self.bytes.len() as u64, bytes);
        self.bytes.extend_from_slice(bytes);
    }
}

#[test]
fn a_block_is_read_once() {
    let cache = &mut Cache::default();
    let one = File::new(cache, 100 * BLOCK_LEN);
    let other = File::new(cache, 100 * BLOCK_LEN);
    assert_eq!(one.check(cache, 10, 100), 1);
    assert_eq!(one.check(cache, 3000, 1000), 0);
    assert_eq!(other.check(cache, 3000, 1000), 1, "of another segment");
    assert_eq!(one.check(cache, 50 * BLOCK_LEN - 1, 2), 1, "two blocks at once");
    assert_eq!(one.check(cache, 50 * BLOCK_LEN - 1, 2 * BLOCK_LEN), 1, "and the one behind them");
}

#[test]
fn reads_that_run_forward_are_made_ahead() {
    let cache = &mut Cache::default();
    let file = File::new(cache, 1 << 20);
    let calls: u32 = (0..(1 << 20) / 128).map(|n| file.check(cache, n * 128, 128)).sum();
    assert!(calls <= 8, "{calls} calls for 1 MiB");
    let calls: u32 = (0..(1 << 20) / 128).map(|n| file.check(cache, n * 128, 128)).sum();
    assert_eq!(calls, 0, "it is all there");
    assert!(cache.reading.capacity() <= 2 * AHEAD_MAX);
}

#[test]
fn what_was_appended_is_there() {
    let cache = &mut Cache::default();
    let mut file = File::new(cache, 0);
    for len in [10, 5000, 1, 4096, 9000, 3] {
        let start = file.bytes.len();
        file.append(cache, &vec![7; len]);
        assert_eq!(file.check(cache, start, len), 0);
    }
    assert_eq!(file.check(cache, 0, file.bytes.len()), 0);
    // What was appended without the cache's knowledge is read, and what follows it is still right.
    file.bytes.extend([9; 100]);
    file.append(cache, &[8; 20]);
    let end = file.bytes.len();
    assert_eq!(file.check(cache, end - 20, 20), 0);
    assert_eq!(file.check(cache, end - 60, 60), 1);
}

#[test]
fn memory_is_bounded_and_what_is_asked_for_stays() {
    let cache = &mut Cache::default();
    let file = File::new(cache, 4 * SETS * WAYS * BLOCK_LEN);
    file.check(cache, 0, 10);
    // Backward, so that nothing is read ahead.
    for number in (1..4 * SETS * WAYS).rev() {
        file.check(cache, number * BLOCK_LEN, 10);
        assert_eq!(file.check(cache, 0, 10), 0, "the first block was dropped at {number}");
    }
    let bytes: usize = cache.blocks.iter().map(|block| block.bytes.capacity()).sum();
    assert_eq!(bytes, 4 << 20);
}

#[test]
fn a_read_that_failed_is_not_kept() {
    let cache = &mut Cache::default();
    let file = File::new(cache, 1000);
    let fail = |_: u64, into: &mut [u8]| {
        into.fill(99);
        Err(io::ErrorKind::Other.into())
    };
    assert!(cache.read(&file.cached, 0, 10, 1000, &fail).is_err());
    assert_eq!(file.check(cache, 0, 10), 1);
}

#[test]
fn random_calls_agree_with_the_files() {
    for seed in 1..13 {
        let mut state: u64 = seed;
        let mut below = |end: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % end.max(1)
        };
        let cache = &mut Cache::default();
        let mut files: Vec<File> = (0..3).map(|_| File::new(cache, below(50_000))).collect();
        for step in 0..3_000 {
            let which = below(files.len());
            let file = &mut files[which];
            let len = file.bytes.len();
            match below(20) {
                0..12 => {
                    let at = below(len);
                    let most = [20, 300, 10_000, 70_000][below(4)];
                    let some = below(most);
                    file.check(cache, at, some.min(len - at));
                }
                12..17 => {
                    let most = [20, 300, 10_000][below(3)];
                    let some = below(most);
                    let bytes: Vec<u8> = (0..some).map(|n| (n + step) as u8).collect();
                    file.append(cache, &bytes);
                }
                // One that is too long to be kept.
                17 => file.bytes.extend((0..below(9_000)).map(|n| (n * step) as u8)),
                18 => {
                    let keeps =
                        if below(2) == 0 { below(len) } else { len - below(len.min(6_000)) };
                    file.bytes.truncate(keeps);
                    cache.truncate(&file.cached, keeps as u64);
                }
                _ if below(30) == 0 => cache.clear(),
                _ => files[which] = File::new(cache, below(400_000)),
            }
        }
    }
}
