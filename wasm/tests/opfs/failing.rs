//! A store whose browser fails: writes, cuts and flushes that do not do what they say, a quota that is used up.

use bitcask_core::{Durability, Error, Go, MergePolicy, MergeStep, Options, Store, WriteOptions};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{Patch, fresh};
use crate::damage::FAILING_WRITES;
use crate::opener::Folder;

const FULL: &str = "throw new DOMException('full', 'QuotaExceededError');";
const SHORT: &str = "return original(args[0].subarray(0, 30), args[1]);";

async fn reopened(name: &str) -> Store<Folder> {
    let store = Store::open(Folder::open(name).await.unwrap(), options()).unwrap();
    let report = store.verify(&mut |_| Go::On).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    store
}

fn options() -> Options {
    Options::default().segment_bytes(1000)
}

#[wasm_bindgen_test]
async fn a_failed_write_is_undone_and_the_store_goes_on() {
    for (body, _) in FAILING_WRITES {
        let store = Store::open(fresh("store-failed").await, options()).unwrap();
        store.put(b"before", b"1").unwrap();
        let patch = Patch::new("write", body);
        for value in [&[2; 50][..], &[2; 100_000]] {
            let error = store.put(b"before", value).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{body}: {error}");
            assert!(store.put(b"new", value).is_err());
            assert!(store.delete(b"before").is_err());
        }
        assert_eq!(store.get(b"before").unwrap().unwrap(), "1");
        assert!(!store.contains(b"new").unwrap());
        drop(patch);
        store.put(b"after", b"3").unwrap();
        assert_eq!(store.get(b"before").unwrap().unwrap(), "1");
        drop(store);
        let store = reopened("store-failed").await;
        assert!(store.recovery().cuts.is_empty(), "{body}: {:?}", store.recovery().cuts);
        assert_eq!(store.get(b"before").unwrap().unwrap(), "1");
        assert_eq!(store.get(b"after").unwrap().unwrap(), "3");
        assert_eq!(store.len(), 2);
    }
}

#[wasm_bindgen_test]
async fn a_failed_write_that_cannot_be_undone_ends_all_writing_until_reopened() {
    let store = Store::open(fresh("store-torn").await, options()).unwrap();
    store.put(b"before", b"1").unwrap();
    let patches = (Patch::new("write", SHORT), Patch::new("truncate", FULL));
    assert!(matches!(store.put(b"torn", &[2; 50]), Err(Error::Io { .. })));
    drop(patches);
    for _ in 0..2 {
        assert!(matches!(store.put(b"late", b"3"), Err(Error::Poisoned(_))));
        assert!(matches!(store.sync(), Err(Error::Poisoned(_))));
        assert_eq!(store.get(b"before").unwrap().unwrap(), "1");
    }
    assert!(store.close().is_err());
    drop(store);
    let store = reopened("store-torn").await;
    let cuts = &store.recovery().cuts;
    assert!(cuts.len() == 1 && cuts[0].bytes <= 30, "{cuts:?}");
    assert_eq!((store.len(), store.get(b"before").unwrap().unwrap()), (1, "1".into()));
    store.put(b"late", b"3").unwrap();
    drop(store);
    assert_eq!(reopened("store-torn").await.len(), 2);
}

#[wasm_bindgen_test]
async fn after_a_failed_flush_nothing_is_acknowledged_until_reopened() {
    let store = Store::open(fresh("store-flush").await, options()).unwrap();
    let always = WriteOptions::durability(Durability::Always);
    store.put_with(b"before", b"1", &always).unwrap();
    let patch = Patch::new("flush", "throw new DOMException('no', 'InvalidStateError');");
    assert!(matches!(store.put_with(b"lost?", b"2", &always), Err(Error::Io { .. })));
    drop(patch);
    assert!(matches!(store.put(b"late", b"3"), Err(Error::Poisoned(_))));
    assert!(matches!(store.sync(), Err(Error::Poisoned(_))));
    assert_eq!(store.get(b"before").unwrap().unwrap(), "1");
    drop(store);
    let store = reopened("store-flush").await;
    assert_eq!(store.get(b"before").unwrap().unwrap(), "1");
    store.put_with(b"late", b"3", &always).unwrap();
}

/// As at a full quota: a file that is in the way of none may be written, and none may grow.
fn used_up() -> (Patch, Patch) {
    let write =
        format!("if (size() < args[1].at + args[0].length) {FULL} return original(...args);");
    let truncate = format!("if (size() < args[0]) {FULL} return original(...args);");
    (Patch::new("write", &write), Patch::new("truncate", &truncate))
}

#[wasm_bindgen_test]
async fn with_the_quota_used_up_the_store_serves_and_recovers() {
    let store = Store::open(fresh("store-quota").await, options()).unwrap();
    let put =
        |number: u32| store.put(&(number % 20).to_le_bytes(), &number.to_le_bytes().repeat(20));
    for number in 0..50 {
        put(number).unwrap();
        store.storage().prepare().await.unwrap();
    }
    let patches = used_up();
    let mut number = 50;
    let error = loop {
        match put(number) {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
        store.storage().prepare().await.unwrap();
    };
    assert!(error.is_full(), "{error}");
    let check = |store: &Store<Folder>| {
        for last in number - 20..number {
            let value = store.get(&(last % 20).to_le_bytes()).unwrap().unwrap();
            assert_eq!(value, last.to_le_bytes().repeat(20));
        }
    };
    // Said again and again it takes no more slots, and breaks nothing.
    let slots = store.storage().slots();
    for _ in 0..10 {
        assert!(put(number).unwrap_err().is_full());
        store.storage().prepare().await.unwrap();
        check(&store);
    }
    assert!(store.storage().slots() <= slots + 1);
    assert!(store.merge_step(&MergePolicy::full(), 1 << 20).unwrap_err().is_full());
    check(&store);
    drop(patches);
    while store.merge_step(&MergePolicy::full(), 1 << 20).unwrap() != MergeStep::Idle {
        store.storage().prepare().await.unwrap();
    }
    check(&store);
    store.put(b"again", b"1").unwrap();
    drop(store);
    let store = reopened("store-quota").await;
    check(&store);
    assert_eq!((store.len(), store.get(b"again").unwrap().unwrap()), (21, "1".into()));
}
