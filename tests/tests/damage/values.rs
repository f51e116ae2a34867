//! Values that are read in parts: damage is told by the last part at the latest.

use bitcask_core::{Index, Memory, Options, SegmentId, Store};

use crate::guard::Guard;
use crate::stores::Image;

const LEN: usize = 1_000;

/// A sealed segment with one value, which begins at the offset.
fn sealed() -> (Image, usize) {
    let memory = Memory::new(1);
    let store = Store::open(memory.clone(), Options::default()).unwrap();
    store.put(b"key", &[7; LEN]).unwrap();
    assert!(store.roll().unwrap());
    store.close().unwrap();
    let image = memory.image();
    let bytes = &image[&SegmentId(1)];
    let start = bytes.windows(LEN).position(|part| part == [7; LEN]).unwrap();
    (image, start)
}

#[test]
fn damage_is_told_instead_of_the_last_part() {
    let (image, start) = sealed();
    for at in [0, 1, LEN / 2, LEN - 1] {
        for part_len in [1, 100, LEN - 1, LEN, 2 * LEN] {
            let mut damaged = image.clone();
            damaged.get_mut(&SegmentId(1)).unwrap()[start + at] ^= 1;
            let memory = Memory::from_image(&damaged, 2);
            let options = Options::default().index(Index::Ordered);
            let store = Store::open(memory, options).unwrap();
            let mut value = store.value(b"key").unwrap().unwrap();
            let mut given = 0;
            let error = loop {
                match value.next_part(part_len) {
                    Ok(part) => given += part.expect("the end, without a word").len(),
                    Err(error) => break error,
                }
            };
            assert!(error.is_damage(), "{error}");
            assert!(given < LEN, "all {given} bytes were given out");
            assert_eq!(given, (LEN - 1) / part_len * part_len, "byte {at}, parts of {part_len}");
            // It stays damaged.
            assert!(value.next_part(part_len).unwrap_err().is_damage());
        }
    }
}

#[test]
fn a_head_that_is_damaged_gives_no_part() {
    let (image, start) = sealed();
    for at in 72 + 4..start {
        let mut damaged = image.clone();
        damaged.get_mut(&SegmentId(1)).unwrap()[at] ^= 1;
        let store = Store::open(Memory::from_image(&damaged, 2), Options::default()).unwrap();
        assert!(store.value(b"key").err().is_some_and(|error| error.is_damage()), "byte {at}");
    }
}

/// The head is read twice, once to find it and once to hold it. Where a disk gives something else the second time, and goes on doing so,
/// that is damage, and no reason to look for ever.
#[test]
fn a_head_that_is_found_and_is_another_when_it_is_read_is_damage() {
    let (image, start) = sealed();
    let guard = Guard::of(&image);
    let store = Store::open(guard.clone(), Options::default()).unwrap();
    assert!(store.value(b"key").unwrap().is_some());
    let head_len = start as u64 - 72;
    guard.faults.lying_read_len.store(head_len, std::sync::atomic::Ordering::Relaxed);
    let error = store.value(b"key").err().expect("a value");
    assert!(error.is_damage(), "{error}");
    assert!(store.get(b"key").unwrap().is_some(), "it was found");
    guard.faults.lying_read_len.store(0, std::sync::atomic::Ordering::Relaxed);
    assert!(store.value(b"key").unwrap().is_some());
}
