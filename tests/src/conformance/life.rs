//! The life of a segment: created, cut, opened, synced, frozen, removed; and what storage says beside it.
#![expect(clippy::unwrap_used, reason = "a test suite: a panic is its way to say no")]

use std::io::ErrorKind;

use bitcask_core::{Segment, SegmentId, Storage};

use super::{MIB, ONE, TWO, contents, pattern, read, refusal, with_bytes};

/// A storage that was just made lists nothing.
pub fn a_new_storage_is_empty<S: Storage>(storage: S) {
    assert_eq!(storage.list().unwrap(), []);
}

/// A cut takes the end away, and the next append goes there.
pub fn truncate_to_shorter<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.append(&[b"keep and cut"]).unwrap();
    segment.truncate(4).unwrap();
    assert_eq!(segment.len(), 4);
    assert_eq!(refusal(segment.read_at(0, 5)), ErrorKind::UnexpectedEof);
    segment.append(&[b"!"]).unwrap();
    assert_eq!(contents(&segment), "keep!");
    segment.sync().unwrap();
    drop(segment);
    // The cut and what followed are what the next one to open finds; growth may follow.
    assert_eq!(read(&storage.open(ONE).unwrap(), 0, 5), "keep!");
}

/// A cut to the present length changes nothing.
pub fn truncate_to_the_same<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.truncate(0).unwrap();
    segment.append(&[b"abc"]).unwrap();
    segment.truncate(3).unwrap();
    segment.append(&[b"def"]).unwrap();
    assert_eq!(contents(&segment), "abcdef");
}

/// All of it can be cut.
pub fn truncate_to_nothing<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.append(&[&pattern(9000, 1)]).unwrap();
    segment.truncate(0).unwrap();
    assert_eq!(segment.len(), 0);
    segment.append(&[b"anew"]).unwrap();
    assert_eq!(contents(&segment), "anew");
}

/// A cut never makes a segment longer, and a refused one changes nothing.
pub fn truncate_to_longer_is_refused<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.append(&[b"abc"]).unwrap();
    for len in [4, 5000, 1 << 40, u64::MAX] {
        refusal(segment.truncate(len));
        assert_eq!(segment.len(), 3);
    }
    segment.append(&[b"d"]).unwrap();
    assert_eq!(contents(&segment), "abcd");
}

/// There is one segment of an id; the second creation leaves the first as it is.
pub fn create_of_an_existing_segment_is_refused<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.append(&[b"mine"]).unwrap();
    assert_eq!(refusal(storage.create(ONE)), ErrorKind::AlreadyExists);
    assert_eq!(contents(&segment), "mine");
    assert_eq!(storage.list().unwrap(), [ONE]);
}

/// What is not there cannot be opened, and asking does not make it.
pub fn open_of_a_missing_segment_is_refused<S: Storage>(storage: S) {
    assert_eq!(refusal(storage.open(ONE)), ErrorKind::NotFound);
    drop(storage.create(TWO).unwrap());
    assert_eq!(refusal(storage.open(ONE)), ErrorKind::NotFound);
    assert_eq!(storage.list().unwrap(), [TWO]);
}

/// What is not there cannot be removed, nor can anything be removed twice.
pub fn remove_of_a_missing_segment_is_refused<S: Storage>(storage: S) {
    assert_eq!(refusal(storage.remove(ONE)), ErrorKind::NotFound);
    drop(storage.create(ONE).unwrap());
    storage.remove(ONE).unwrap();
    assert_eq!(refusal(storage.remove(ONE)), ErrorKind::NotFound);
}

/// The list is what was created and not removed.
pub fn list_follows_create_and_remove<S: Storage>(storage: S) {
    let listed = || {
        let mut ids = storage.list().unwrap();
        ids.sort();
        ids.into_iter().map(|id| id.0).collect::<Vec<_>>()
    };
    for id in [3, 1, 2] {
        drop(storage.create(SegmentId(id)).unwrap());
    }
    assert_eq!(listed(), [1, 2, 3]);
    storage.remove(SegmentId(2)).unwrap();
    assert_eq!(listed(), [1, 3]);
    let held = storage.open(SegmentId(3)).unwrap();
    storage.remove(SegmentId(3)).unwrap();
    assert_eq!(listed(), [1]);
    drop(held);
    storage.remove(SegmentId(1)).unwrap();
    assert_eq!(listed(), []);
}

/// An id whose segment was removed names a new, empty segment when it is created again.
pub fn a_removed_id_can_be_created_again<S: Storage>(storage: S) {
    let storage = with_bytes(storage, b"of the first life");
    storage.remove(ONE).unwrap();
    let segment = storage.create(ONE).unwrap();
    assert_eq!(segment.len(), 0);
    segment.append(&[b"second"]).unwrap();
    assert_eq!(contents(&segment), "second");
}

/// What was appended is there after the segment was let go and opened. The length may be more, and all
/// of it can be read.
pub fn open_sees_what_was_appended<S: Storage>(storage: S) {
    let bytes = pattern(5000, 5);
    let storage = with_bytes(storage, &bytes);
    let segment = storage.open(ONE).unwrap();
    assert!(segment.len() >= 5000, "{} bytes are left of 5000", segment.len());
    assert!(read(&segment, 0, 5000) == bytes, "the first 5000 bytes");
    assert_eq!(contents(&segment).len() as u64, segment.len());
    assert_eq!(refusal(segment.read_at(segment.len(), 1)), ErrorKind::UnexpectedEof);
}

/// A segment that was created and never written can be opened and written.
pub fn open_of_an_empty_segment<S: Storage>(storage: S) {
    drop(storage.create(ONE).unwrap());
    let segment = storage.open(ONE).unwrap();
    assert_eq!(contents(&segment).len() as u64, segment.len());
    segment.truncate(0).unwrap();
    segment.append(&[b"late"]).unwrap();
    assert_eq!(contents(&segment), "late");
}

/// After opening, the engine cuts to where the log ends, and goes on there.
pub fn appends_after_open_go_where_truncate_says<S: Storage>(storage: S) {
    let storage = with_bytes(storage, b"log, torn");
    for (cut, add, expected) in
        [(4, " more", "log, more"), (9, "", "log, more"), (5, "last", "log, last")]
    {
        let segment = storage.open(ONE).unwrap();
        segment.truncate(cut).unwrap();
        assert_eq!(segment.len(), cut);
        segment.append(&[add.as_bytes()]).unwrap();
        assert_eq!(contents(&segment), expected);
        segment.sync().unwrap();
    }
}

/// The promise may be made more than once.
pub fn freeze_twice<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.append(&[b"for good"]).unwrap();
    segment.sync().unwrap();
    for _ in 0..3 {
        segment.freeze().unwrap();
        assert_eq!(segment.len(), 8);
        assert_eq!(contents(&segment), "for good");
    }
}

/// A segment may be frozen as soon as it is opened; then it is as long as it was.
pub fn freeze_after_open<S: Storage>(storage: S) {
    let bytes = pattern(70_000, 6);
    let storage = with_bytes(storage, &bytes);
    let segment = storage.open(ONE).unwrap();
    let len = segment.len();
    segment.freeze().unwrap();
    assert_eq!(segment.len(), len);
    assert!(read(&segment, 0, bytes.len()) == bytes, "the bytes after the freeze");
    drop(segment);
    let segment = storage.open(ONE).unwrap();
    segment.truncate(70_000).unwrap();
    segment.freeze().unwrap();
    assert!(contents(&segment) == bytes, "the bytes after a cut and a freeze");
}

/// A segment without bytes can be frozen like any other.
pub fn freeze_of_an_empty_segment<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.freeze().unwrap();
    assert_eq!(segment.len(), 0);
    assert_eq!(read(&segment, 0, 0), "");
    assert_eq!(refusal(segment.read_at(0, 1)), ErrorKind::UnexpectedEof);
    segment.sync().unwrap();
}

/// Growth that a freeze gives back is only what is behind the end, here and for the next one to open.
pub fn freeze_gives_back_no_content<S: Storage>(storage: S) {
    let bytes = pattern(MIB + 1, 4);
    let segment = storage.create(ONE).unwrap();
    segment.append(&[&bytes]).unwrap();
    segment.sync().unwrap();
    segment.freeze().unwrap();
    assert!(contents(&segment) == bytes, "the bytes after the freeze");
    drop(segment);
    let segment = storage.open(ONE).unwrap();
    assert!(read(&segment, 0, bytes.len()) == bytes, "the bytes when opened again");
}

/// What is written again is what was there, at the start, inside and up to the end, before and after a sync and in the next life;
/// and appends go on where they would have.
pub fn rewriting_changes_nothing<S: Storage>(storage: S) {
    let bytes = pattern(3 * MIB, 9);
    let len = bytes.len() as u64;
    let segment = storage.create(ONE).unwrap();
    segment.append(&[&bytes]).unwrap();
    for place in [0..72, 4000..9000, len - 1..len, 5..5, 0..len] {
        segment.rewrite(place.clone()).unwrap();
        assert!(contents(&segment) == bytes, "the bytes after {place:?} was written again");
        segment.sync().unwrap();
        assert_eq!(segment.len(), len);
        assert!(contents(&segment) == bytes, "the bytes after {place:?} and a sync");
    }
    segment.append(&[b"more"]).unwrap();
    assert_eq!(read(&segment, bytes.len(), 4), "more");
    segment.sync().unwrap();
    drop(segment);
    let segment = storage.open(ONE).unwrap();
    segment.truncate(len + 4).unwrap();
    for place in [len..len + 4, 2 << 20..len + 4, 1..2] {
        segment.rewrite(place).unwrap();
    }
    assert_eq!(segment.len(), len + 4);
    segment.append(&[b" and more"]).unwrap();
    segment.sync().unwrap();
    assert!(read(&segment, 0, bytes.len()) == bytes, "the bytes in the next life");
    assert_eq!(read(&segment, bytes.len(), 13), "more and more");
}

/// To write again is no way to grow.
pub fn rewriting_beyond_the_end_is_refused<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.append(&[b"abc"]).unwrap();
    for place in [3..4, 2..1000, 4..4, 0..u64::MAX, 1 << 40..(1 << 40) + 1] {
        assert_eq!(refusal(segment.rewrite(place)), ErrorKind::InvalidInput);
        assert_eq!(segment.len(), 3);
    }
    segment.rewrite(3..3).unwrap();
    assert_eq!(contents(&segment), "abc");
}

/// A sync is allowed in every state: empty, written, synced, cut, frozen, removed, opened.
pub fn sync_at_any_time<S: Storage>(storage: S) {
    let segment = storage.create(ONE).unwrap();
    segment.sync().unwrap();
    segment.append(&[b"some bytes"]).unwrap();
    segment.sync().unwrap();
    segment.sync().unwrap();
    segment.truncate(4).unwrap();
    segment.sync().unwrap();
    drop(segment);
    let segment = storage.open(ONE).unwrap();
    segment.sync().unwrap();
    segment.truncate(4).unwrap();
    segment.freeze().unwrap();
    segment.sync().unwrap();
    storage.remove(ONE).unwrap();
    segment.sync().unwrap();
    assert_eq!(contents(&segment), "some");
}

/// Appends, cuts, freezes and removals concern one segment and no other.
pub fn segments_do_not_disturb_each_other<S: Storage>(storage: S) {
    let ids = [1, 2, 3, 4].map(SegmentId);
    let segments = ids.map(|id| storage.create(id).unwrap());
    for round in 0..50_u8 {
        for (i, segment) in (0_u8..).zip(&segments) {
            segment.append(&[&[b'a' + i], &[b'0' + round % 10]]).unwrap();
        }
    }
    let expected = |letter: char, rounds: usize| -> String {
        (0..rounds).map(|round| format!("{letter}{}", round % 10)).collect()
    };
    segments[0].truncate(20).unwrap();
    segments[1].sync().unwrap();
    segments[1].freeze().unwrap();
    storage.remove(ids[2]).unwrap();
    segments[3].append(&[b"."]).unwrap();
    assert_eq!(contents(&segments[0]), expected('a', 10));
    assert_eq!(contents(&segments[1]), expected('b', 50));
    assert_eq!(contents(&segments[2]), expected('c', 50));
    assert_eq!(contents(&segments[3]), expected('d', 50) + ".");
}

/// Ids are names: they may be far apart, and need more than 32 bits or twelve digits.
pub fn ids_far_apart<S: Storage>(storage: S) {
    let ids = [1, u64::from(u32::MAX) + 2, 1_000_000_000_000, u64::MAX / 2].map(SegmentId);
    for id in ids {
        storage.create(id).unwrap().append(&[id.to_string().as_bytes()]).unwrap();
    }
    let mut listed = storage.list().unwrap();
    listed.sort();
    assert_eq!(listed, ids);
    for id in ids {
        let name = id.to_string();
        assert_eq!(read(&storage.open(id).unwrap(), 0, name.len()), name);
    }
    assert_eq!(refusal(storage.open(SegmentId(2))), ErrorKind::NotFound);
}

/// The time is a count of milliseconds since 1970, so it fits below the year 2200, and it does not run backwards
/// by more than a clock that is being set would.
pub fn the_time_is_in_milliseconds<S: Storage>(storage: S) {
    let first = storage.now_ms();
    let second = storage.now_ms();
    assert!(first < 7_258_118_400_000, "{first} ms is after the year 2200");
    assert!(second.abs_diff(first) < 3_600_000, "{first} ms, then {second} ms");
}

/// Random bits do not repeat, and both halves of them vary.
pub fn random_bits_differ<S: Storage>(storage: S) {
    let draws: Vec<u64> = (0..64).map(|_| storage.random()).collect();
    for half in [|bits: u64| bits, |bits| bits >> 32, |bits| bits & 0xffff_ffff] {
        let mut values: Vec<u64> = draws.iter().copied().map(half).collect();
        values.sort_unstable();
        values.dedup();
        // 64 draws of 32 bits share a value once in two million runs; two pairs, never.
        assert!(values.len() >= 63, "64 draws, {} values", values.len());
    }
}
