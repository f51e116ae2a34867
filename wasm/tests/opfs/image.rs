//! The same bytes everywhere: stores that were written elsewhere, in slots, and back.

use std::collections::BTreeMap;

use bitcask_core::{Memory, Options, Segment, SegmentId, Storage, Store};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{emptied, fresh, ids, seeds, set_slot_bytes};
use crate::life::{Clock, Life};
use crate::opener::Folder;

type Image = BTreeMap<SegmentId, Vec<u8>>;

/// Fifty steps of a life in memory.
fn live_in_memory(mut life: Life<Memory>, memory: &Memory, seed: u64) -> Life<Memory> {
    let store = Store::open(memory.clone(), Life::<Memory>::options(seed)).unwrap();
    life.check(&store);
    for _ in 0..50 {
        memory.set_now_ms(life.now_ms());
        life.step(&store);
    }
    memory.set_now_ms(life.now_ms());
    life.unpin();
    if life.below(2) == 0 {
        store.close().unwrap();
    }
    life
}

/// What a copy of the files would hold.
fn image_of(opfs: &Folder) -> Image {
    let bytes = |id: SegmentId| {
        let segment = opfs.open(id).unwrap();
        segment.read_at(0, segment.len() as usize).unwrap().to_vec()
    };
    opfs.list().unwrap().into_iter().map(|id| (id, bytes(id))).collect()
}

#[wasm_bindgen_test]
async fn a_life_goes_on_in_slots_and_in_memory_and_in_slots_again() {
    for seed in seeds(204, 3) {
        let clock = Clock::at(1000);
        let mut life = Life::new(seed);
        let mut image = Image::new();
        drop(emptied("image").await);
        for _ in 0..3 {
            let memory = Memory::from_image(&image, seed + image.len() as u64);
            memory.set_now_ms(life.now_ms());
            life = live_in_memory(life, &memory, seed);
            clock.set(life.now_ms());
            image = memory.image();

            let opfs = emptied("image").await;
            for (id, bytes) in image.iter().rev() {
                opfs.prepare().await.unwrap();
                opfs.create(*id).unwrap().append(&[bytes]).unwrap();
            }
            drop(opfs);
            let opfs = Folder::open("image").await.unwrap();
            let store = Store::open(opfs, Life::<Folder>::options(seed + 1)).unwrap();
            assert!(store.recovery().cuts.is_empty(), "{:?}", store.recovery().cuts);
            let mut here: Life<Folder> = life.moved();
            here.check(&store);
            for _ in 0..50 {
                store.storage().prepare().await.unwrap();
                here.step(&store);
                clock.set(here.now_ms());
            }
            here.unpin();
            if here.below(2) == 0 {
                store.close().unwrap();
            }
            drop(store);
            life = here.moved();
            image = image_of(&Folder::open("image").await.unwrap());
        }
    }
}

/// The segment of FORMAT.md, section 11.
fn worked_example() -> Vec<u8> {
    let page = include_str!("../../../FORMAT.md");
    let (_, section) = page.split_once("## 11. A worked example").unwrap();
    let (_, fenced) = section.split_once("```hex\n").unwrap();
    let (hex, _) = fenced.split_once("\n```").unwrap();
    let lines = hex.lines().filter_map(|line| line.split_once(": ")?.1.split_once('#'));
    let digits = lines.flat_map(|(digits, _)| digits.split_whitespace());
    digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[wasm_bindgen_test]
async fn the_example_of_the_format_page_opens_in_any_slot() {
    let example = worked_example();
    assert!(400 < example.len());
    let clock = Clock::at(1_767_225_599_999);
    drop(fresh("example").await);
    set_slot_bytes("example", 5, &example).await;
    let open = |opfs, reading| Store::open(opfs, Options::default().read_only(reading)).unwrap();
    for reading in [true, false] {
        let store = open(Folder::open("example").await.unwrap(), reading);
        assert_eq!(store.len(), 3);
        assert_eq!(store.get(b"pear").unwrap().unwrap(), "green");
        assert_eq!(store.get(b"plum").unwrap().unwrap(), "");
        assert_eq!(store.get_entry(b"session").unwrap().unwrap().version, 2);
        assert!(!store.contains(b"apple").unwrap());
    }
    clock.set(1_767_225_600_000);
    let store = open(Folder::open("example").await.unwrap(), false);
    assert!(!store.contains(b"session").unwrap());
    store.put(b"apple", b"red again").unwrap();
    drop(store);
    let opfs = Folder::open("example").await.unwrap();
    assert_eq!(image_of(&opfs)[&SegmentId(1)], example, "what is sealed never changes");
    assert_eq!(ids(&opfs)[0], 1);
    assert_eq!(open(opfs, false).get(b"apple").unwrap().unwrap(), "red again");
}
