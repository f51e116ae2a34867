//! Whole stores on OPFS: random lives against a map, slots that are used again and again, opening and closing.

use std::io::ErrorKind;

use bitcask_core::{Error, MergePolicy, MergeStep, Options, Range, Store};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{Patch, clear, emptied, fresh, ids, seeds, slot_bytes};
use crate::life::{Clock, Life};
use crate::opener::Folder;

async fn open(name: &str, options: Options) -> Store<Folder> {
    Store::open(Folder::open(name).await.unwrap(), options).unwrap()
}

/// What the code around a store does between two calls.
async fn between(life: &mut Life<Folder>, store: &Store<Folder>) {
    assert!(store.storage().prepare().await.unwrap() >= 2);
    if 40 < ids(store.storage()).len() {
        while life.merge_further(store) {
            store.storage().prepare().await.unwrap();
        }
    }
}

/// Four sessions of a store in this folder. Returns the bytes that its openings cut.
async fn live(name: &str, seed: u64, steps: usize) -> u64 {
    let clock = Clock::at(1000);
    let mut life = Life::new(seed);
    let mut closed = false;
    let mut bytes_cut = 0;
    drop(emptied(name).await);
    for session in 0..4 {
        // Right after the last one was dropped: its handles are free at once.
        let store = open(name, Life::<Folder>::options(seed)).await;
        let cut = store.recovery().cuts.iter().map(|cut| cut.bytes).sum::<u64>();
        assert_eq!(store.recovery().clean, closed && cut == 0);
        bytes_cut += cut;
        if session != 0 {
            life.check(&store);
        }
        for _ in 0..steps {
            between(&mut life, &store).await;
            life.step(&store);
            clock.set(life.now_ms());
        }
        between(&mut life, &store).await;
        life.check(&store);
        life.unpin();
        closed = end(&life, &store);
    }
    let store = open(name, Life::<Folder>::options(seed)).await;
    life.check(&store);
    bytes_cut
}

/// Ends a session in one of three ways; says whether it was a clean one.
fn end(life: &Life<Folder>, store: &Store<Folder>) -> bool {
    match life.below(3) {
        0 => {
            store.close().unwrap();
            true
        }
        1 => {
            // As when the worker's owner takes the files away under the store.
            store.storage().close();
            assert!(store.put(b"late", b"").is_err());
            assert!(store.close().is_err());
            false
        }
        _ => false,
    }
}

#[wasm_bindgen_test]
async fn random_lives_agree_with_a_map() {
    for seed in seeds(0, 6) {
        let bytes_cut = live("lives", seed, 70).await;
        assert_eq!(bytes_cut, 0, "seed {seed}: nothing was torn");
    }
}

#[wasm_bindgen_test]
async fn stale_bytes_of_reused_slots_never_replay() {
    // As if a crash came before every cut of a removal: its zeros are there, and all records behind them.
    let lost_cuts = "if (args[0] > 72) return original(...args);";
    let mut bytes_cut = 0;
    for seed in seeds(100, 3) {
        let patch = Patch::new("truncate", lost_cuts);
        bytes_cut += live("stale-lives", seed, 70).await;
        drop(patch);
    }
    assert_ne!(bytes_cut, 0, "there were no stale bytes to be found");
}

#[wasm_bindgen_test]
async fn each_slot_is_used_many_times() {
    let options = || Options::default().segment_bytes(2000);
    let store = Store::open(fresh("write-heavy").await, options()).unwrap();
    let mut merged = 0;
    for round in 0_u32..800 {
        let key = format!("key {}", round % 10);
        store.put(key.as_bytes(), &round.to_le_bytes().repeat(30)).unwrap();
        store.storage().prepare().await.unwrap();
        while 6 < ids(store.storage()).len() {
            let step = store.merge_step(&MergePolicy::full(), 1 << 20).unwrap();
            merged += u64::from(matches!(step, MergeStep::Merged(_)));
            store.storage().prepare().await.unwrap();
            assert_ne!(step, MergeStep::Idle);
        }
    }
    // 800 records of some 150 bytes in segments of 2,000: more than 60 rolls.
    assert!(10 < merged, "{merged} merges");
    // Seven segments, the output of a merge, and three that are ready.
    assert!(store.storage().slots() <= 11, "{} slots", store.storage().slots());
    drop(store);
    let store = open("write-heavy", options()).await;
    assert_eq!(store.len(), 10);
    for round in 790_u32..800 {
        let key = format!("key {}", round % 10);
        assert_eq!(store.get(key.as_bytes()).unwrap().unwrap(), round.to_le_bytes().repeat(30));
    }
}

#[wasm_bindgen_test]
async fn a_store_is_given_back_when_the_last_that_holds_it_goes() {
    let store = Store::open(fresh("give-back").await, Options::default()).unwrap();
    store.put(b"key", b"value").unwrap();
    let snapshot = store.snapshot();
    store.close().unwrap();
    drop(store);
    // The snapshot still reads, so the store is still held.
    assert_eq!(snapshot.get(b"key").unwrap().unwrap(), "value");
    assert!(Folder::open("give-back").await.is_err());
    drop(snapshot);
    let store = open("give-back", Options::default()).await;
    let scan = store.scan(Range::all());
    drop(store);
    assert!(Folder::open("give-back").await.is_err());
    assert_eq!(scan.count(), 1);
    // Handles that were not closed would run out, or lock.
    for times in 0..30 {
        let store = open("give-back", Options::default()).await;
        assert_eq!(store.get(b"key").unwrap().unwrap(), "value", "time {times}");
    }
    // An opening that fails gives it back too.
    clear("give-back").await;
    let nothing = Options::default().create(false);
    for _ in 0..2 {
        let opened = Store::open(Folder::open("give-back").await.unwrap(), nothing.clone());
        assert!(matches!(opened.err(), Some(Error::NoStore)));
    }
}

#[wasm_bindgen_test]
async fn reading_only_changes_nothing() {
    let store = Store::open(fresh("read-only").await, Life::<Folder>::options(3)).unwrap();
    let mut life = Life::new(3);
    let clock = Clock::at(1000);
    for _ in 0..60 {
        between(&mut life, &store).await;
        life.step(&store);
        clock.set(life.now_ms());
    }
    life.unpin();
    drop(store);
    let opfs = Folder::open("read-only").await.unwrap();
    let changing = ["write", "truncate", "flush"].map(Patch::count);
    let options = Life::<Folder>::options(4).read_only(true);
    let store = Store::open(opfs, options).unwrap();
    life.check(&store);
    assert!(matches!(store.put(b"key", b""), Err(Error::ReadOnly)));
    assert!(matches!(store.delete(b"key"), Err(Error::ReadOnly)));
    assert!(matches!(store.merge_step(&MergePolicy::full(), 1), Err(Error::ReadOnly)));
    store.close().unwrap();
    drop(store);
    assert_eq!(changing.map(|patch| patch.calls()), [0; 3]);

    let opfs = fresh("read-only").await;
    let opened = Store::open(opfs, Options::default().read_only(true));
    assert!(matches!(opened.err(), Some(Error::NoStore)));
    assert_eq!(slot_bytes("read-only", 0).await, [0; 72]);
}

#[wasm_bindgen_test]
async fn without_prepare_a_write_is_refused_and_can_be_said_again() {
    let store = Store::open(fresh("no-prepare").await, Options::default().segment_bytes(300));
    let store = store.unwrap();
    let mut refused = 0;
    for number in 0_u8..60 {
        let write = || store.put(&[number], &[number; 100]);
        match write() {
            Ok(_) => {}
            Err(Error::Io { source, .. }) => {
                refused += 1;
                assert_eq!(source.kind(), ErrorKind::ResourceBusy);
                assert!(!store.contains(&[number]).unwrap());
                assert_eq!(store.len(), u64::from(number));
                store.storage().prepare().await.unwrap();
                write().unwrap();
            }
            Err(other) => unreachable!("{other}"),
        }
    }
    assert!(10 < refused, "{refused}");
    drop(store);
    let store = open("no-prepare", Options::default()).await;
    let keys: Vec<u8> = store.scan(Range::all()).map(|entry| entry.unwrap().key[0]).collect();
    assert_eq!(keys, (0..60).collect::<Vec<_>>());
}

#[wasm_bindgen_test]
async fn when_all_slots_hold_segments_a_merge_frees_some() {
    let options = || Options::default().segment_bytes(300);
    let mut store = Store::open(fresh("all-slots").await, options()).unwrap();
    let mut number = 0_u32;
    let error = loop {
        store.storage().prepare().await.unwrap();
        match store.put(&(number % 7).to_le_bytes(), &[1; 100]) {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_full(), "{error}");
    assert_eq!((store.storage().slots(), ids(store.storage()).len()), (64, 63));
    for _ in 0..2 {
        assert_eq!(store.len(), 7);
        assert!(store.put(b"one more", &[0; 200]).is_err());
        assert!(store.merge_step(&MergePolicy::full(), 1).is_err());
        drop(store);
        store = open("all-slots", options()).await;
    }
    while store.storage().merging(|| store.merge_step(&MergePolicy::full(), 1 << 20).unwrap())
        != MergeStep::Idle
    {
        store.storage().prepare().await.unwrap();
    }
    assert!(ids(store.storage()).len() < 12, "{:?}", ids(store.storage()));
    store.put(b"one more", &[0; 200]).unwrap();
    drop(store);
    assert_eq!(open("all-slots", options()).await.len(), 8);
    clear("all-slots").await;
}
