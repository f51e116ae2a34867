//! Appending, reading, and how long bytes that were read stay what they were.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test suite: a panic is its way to say no"
)]

use std::io::ErrorKind;

use bitcask_core::{Segment, Storage};

use super::{MIB, ONE, TWO, contents, pattern, read, refusal};

/// What was appended is read back; the length grows by exactly as much.
pub fn appends_are_read_back<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    assert_eq!(segment.len(), 0);
    assert!(segment.is_empty());
    segment.append(&[b"hello"]).unwrap();
    assert_eq!(segment.len(), 5);
    assert!(!segment.is_empty());
    segment.append(&[b", world"]).unwrap();
    assert_eq!(segment.len(), 12);
    assert_eq!(contents(&segment), "hello, world");
}

/// The parts of one append follow each other without a gap, whatever their sizes and number.
pub fn parts_are_joined_in_order<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    let large = pattern(100_000, 3);
    segment.append(&[b"a", b"bc", b"def"]).unwrap();
    segment.append(&[b"<", &large, b">", &large, &large, b"."]).unwrap();
    let bytes = pattern(3000, 4);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    segment.append(&single).unwrap();
    let expected =
        [b"abcdef<", &large[..], b">", &large[..], &large[..], b".", &bytes[..]].concat();
    assert_eq!(segment.len(), expected.len() as u64);
    assert!(contents(&segment) == expected, "the parts were not joined in order");
}

/// No parts, or parts without bytes, are a success that adds nothing.
pub fn empty_parts_add_nothing<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.append(&[]).unwrap();
    segment.append(&[b"", b""]).unwrap();
    assert_eq!(segment.len(), 0);
    segment.append(&[b"", b"x", b"", b"y", b""]).unwrap();
    segment.append(&[]).unwrap();
    assert_eq!(contents(&segment), "xy");
}

/// Every range of a small segment, and ranges around the block sizes of a larger one.
pub fn reads_at_every_boundary<S: Storage>(storage: S) {
    let small = storage.create(ONE).unwrap();
    let bytes = pattern(40, 1);
    small.append(&[&bytes]).unwrap();
    for start in 0..=bytes.len() {
        for end in start..=bytes.len() {
            assert_eq!(read(&small, start, end - start), bytes[start..end], "{start}..{end}");
        }
    }
    let large = storage.create(TWO).unwrap();
    let bytes = pattern(20_000, 2);
    large.append(&[&bytes]).unwrap();
    for block in [512, 4096, 8192, 16_384] {
        for start in block - 2..=block + 2 {
            for len in [1, 2, 3, 4, 4095, 4096, 4097, bytes.len() - start] {
                if start + len <= bytes.len() {
                    assert!(read(&large, start, len) == bytes[start..start + len], "{start} {len}");
                }
            }
        }
    }
}

/// A range that ends beyond the length is an error, also where the arithmetic would wrap.
pub fn reads_beyond_the_end_are_refused<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    let check = |segment: &S::Segment, len: usize| {
        let end = len as u64;
        for (offset, len) in [
            (end, 1),
            (end + 1, 0),
            (end + 1, 1),
            (0, len + 1),
            (end / 2, len + 1),
            (end + 10_000_000, 1),
            (u64::from(u32::MAX) + 1, 1),
            (1 << 32, 0),
            (u64::MAX, 0),
            (u64::MAX, 1),
            (u64::MAX, usize::MAX),
            (u64::MAX - 1, 2),
            (0, usize::MAX),
            (1, usize::MAX),
        ] {
            let kind = refusal(segment.read_at(offset, len));
            assert_eq!(kind, ErrorKind::UnexpectedEof, "{len} bytes at {offset} of {end}");
        }
    };
    check(&segment, 0);
    segment.append(&[b"0123456789"]).unwrap();
    check(&segment, 10);
    segment.truncate(4).unwrap();
    check(&segment, 4);
    segment.sync().unwrap();
    segment.freeze().unwrap();
    check(&segment, 4);
}

/// Nothing can be read anywhere up to the end.
pub fn empty_reads_are_allowed_up_to_the_end<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    assert_eq!(read(&segment, 0, 0), "");
    segment.append(&[b"abc"]).unwrap();
    for offset in 0..=3 {
        assert_eq!(read(&segment, offset, 0), "");
    }
    segment.sync().unwrap();
    segment.freeze().unwrap();
    assert_eq!(read(&segment, 3, 0), "");
}

/// Thousands of appends of changing small sizes leave no gap and lose nothing.
pub fn many_small_appends<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    let mut expected = Vec::new();
    for i in 0..3000_usize {
        let bytes = pattern(i % 97, i as u8);
        segment.append(&[&bytes]).unwrap();
        expected.extend_from_slice(&bytes);
        assert_eq!(segment.len(), expected.len() as u64);
    }
    assert!(contents(&segment) == expected, "the appends were not kept in order");
}

/// Appends of several MiB, so that a binding that grows files in steps crosses some of them.
pub fn large_appends<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    let mut expected = Vec::new();
    for (len, salt) in [(MIB - 1, 1), (2, 2), (3 * MIB + 17, 3), (1, 4), (MIB, 5), (5, 6)] {
        let bytes = pattern(len, salt);
        segment.append(&[&bytes]).unwrap();
        assert!(read(&segment, expected.len(), len) == bytes, "append of {len} bytes");
        expected.extend_from_slice(&bytes);
    }
    segment.sync().unwrap();
    segment.freeze().unwrap();
    assert!(contents(&segment) == expected, "the segment is not what was appended");
}

/// Bytes that were read do not change when more is appended.
pub fn a_read_does_not_see_later_appends<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.append(&[b"before"]).unwrap();
    let held = contents(&segment);
    segment.append(&[&pattern(2 * MIB, 1)]).unwrap();
    assert_eq!(held, "before");
}

/// Bytes that were read stay what they were when their place is cut and written again.
pub fn bytes_outlive_truncate_and_append<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.append(&[b"first second"]).unwrap();
    let held = read(&segment, 6, 6);
    segment.truncate(6).unwrap();
    segment.append(&[b"SECOND, and more"]).unwrap();
    assert_eq!(held, "second");
    assert_eq!(read(&segment, 6, 6), "SECOND");
}

/// What is settled can be looked at in place or not at all, and is the same after appends, a failed one's cut, and a freeze.
pub fn settled_bytes_stay_while_the_segment_grows<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    let bytes = pattern(3 * MIB, 5);
    let mut held = Vec::new();
    for (number, part) in bytes.chunks(300_000).enumerate() {
        let start = number * 300_000;
        segment.append(&[part]).unwrap();
        let end = segment.len();
        segment.settle(end);
        // What comes behind it may be cut, as after an append that failed.
        segment.append(&[b"to be cut"]).unwrap();
        segment.truncate(end).unwrap();
        held.push((start, read(&segment, start, part.len()), read(&segment, start, 9)));
        let beyond = segment.peek(start as u64, part.len() + 1);
        assert!(beyond.is_none(), "{number}: more than was settled");
        if let Some(seen) = segment.peek(start as u64, part.len()) {
            assert!(seen == part, "{number}: what is looked at in place");
        }
    }
    segment.sync().unwrap();
    segment.freeze().unwrap();
    if let Some(seen) = segment.peek(0, bytes.len()) {
        assert!(seen == bytes, "what is looked at in place after a freeze");
    }
    storage.remove(ONE).unwrap();
    drop(segment);
    for (start, long, short) in held {
        assert!(long == bytes[start..start + long.len()], "what was read at {start}");
        assert!(short == bytes[start..start + 9], "the beginning of it");
    }
}

/// Bytes that were read stay valid when the segment is frozen, removed and let go.
pub fn bytes_outlive_freeze_and_remove<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    let bytes = pattern(10_000, 7);
    segment.append(&[&bytes]).unwrap();
    segment.sync().unwrap();
    let before = read(&segment, 1, 9000);
    segment.freeze().unwrap();
    let after = read(&segment, 2, 9000);
    storage.remove(ONE).unwrap();
    drop(segment);
    // What takes its place must not shine through.
    storage.create(TWO).unwrap().append(&[&pattern(10_000, 8)]).unwrap();
    drop(storage);
    assert!(before == bytes[1..9001], "bytes that were read before the freeze");
    assert!(after == bytes[2..9002], "bytes that were read after the freeze");
}

/// A segment that is removed while it is held can be read to its end, frozen or not.
pub fn a_removed_segment_is_read_while_held<S: Storage>(storage: S) {
    for (id, frozen) in [(ONE, false), (TWO, true)] {
        let segment = storage.create(id).unwrap();
        let bytes = pattern(6000, 9);
        segment.append(&[&bytes]).unwrap();
        segment.sync().unwrap();
        if frozen {
            segment.freeze().unwrap();
        }
        storage.remove(id).unwrap();
        assert_eq!(segment.len(), 6000);
        assert!(contents(&segment) == bytes, "frozen: {frozen}");
        assert_eq!(refusal(storage.open(id)), ErrorKind::NotFound);
    }
}
