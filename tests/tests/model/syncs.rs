//! Syncs that fail once and then succeed, though the bytes never reached the disk.

use bitcask_core::{Batch, Durability, Go, MergePolicy, Options, Store, WriteOptions};
use bitcask_tests::model::{Call, Fault, Faulty};

fn options() -> Options {
    Options::default().segment_bytes(256)
}

fn get(store: &Store<Faulty>, key: &[u8]) -> Option<Vec<u8>> {
    store.get(key).unwrap().map(|value| value.to_vec())
}

/// F18: the process ends after a failed sync, and the next one reads everything back from the cache. It must write it once more:
/// a sync alone succeeds and makes nothing durable.
#[test]
fn f18_what_a_failed_sync_gave_up_is_written_again_by_the_next_opening() {
    let mut lost = 0;
    for chance in 0..200 {
        let machine = Faulty::new(1);
        machine.set_chance(chance);
        let always = WriteOptions::durability(Durability::Always);
        let store = Store::open(machine.clone(), options()).unwrap();
        store.put_with(b"first", b"1", &always).unwrap();
        machine.set_fault(Fault::Broken(Call::Sync, 1));
        assert!(store.put_with(b"second", b"2", &always).is_err());
        drop(store);
        machine.restart();
        let store = Store::open(machine.clone(), options()).unwrap();
        // It may be there or not, but what was seen once stays.
        let second = get(&store, b"second");
        store.put_with(b"third", b"3", &always).unwrap();
        drop(store);
        machine.power_on();
        let store = Store::open(machine.clone(), options())
            .unwrap_or_else(|error| panic!("chance {chance}: {error}"));
        assert_eq!(get(&store, b"first"), Some(b"1".to_vec()), "chance {chance}");
        assert_eq!(get(&store, b"second"), second, "chance {chance}");
        assert_eq!(get(&store, b"third"), Some(b"3".to_vec()), "chance {chance}");
        lost += machine.counts().lost_by_syncs;
    }
    assert_eq!(lost, 0, "it was not written again");
}

/// F18: the same with every sync that a program of seals and merges does, one at a time.
#[test]
fn f18_a_seal_that_a_failed_sync_gave_up_is_written_again_before_its_inputs_go() {
    for (number, chance) in (1..60).flat_map(|number| (0..6).map(move |chance| (number, chance))) {
        let machine = Faulty::new(1);
        machine.set_chance(chance);
        machine.set_fault(Fault::FailWrites(number, 1));
        let (mut expected, mut unsure) = (Vec::new(), None);
        if let Ok(store) = Store::open(machine.clone(), options()) {
            let always = WriteOptions::durability(Durability::Always);
            for step in 0..8_u8 {
                let key = [b'a' + step % 3];
                match store.put_with(&key, &[step; 60], &always) {
                    Ok(_) => {
                        expected.retain(|(there, _)| *there != key);
                        expected.push((key, step));
                    }
                    // The later ones are refused, and leave nothing.
                    Err(_) => _ = unsure.get_or_insert(key),
                }
            }
            // What fails here is told; what follows is the next opening's.
            let _ = store.merge(&MergePolicy::full(), &mut |_| Go::On);
        }
        machine.restart();
        let store = Store::open(machine.clone(), options()).unwrap();
        store.put_with(b"later", b"", &WriteOptions::durability(Durability::Always)).unwrap();
        drop(store);
        machine.power_on();
        let store = Store::open(machine, options())
            .unwrap_or_else(|error| panic!("call {number}, chance {chance}: {error}"));
        for (key, step) in expected {
            let found = get(&store, &key);
            let is_old = found == Some(vec![step; 60]);
            assert!(is_old || unsure == Some(key), "call {number}, chance {chance}: {found:?}");
        }
    }
}

/// F8: an append fails after its bytes were written, and is cut off again. What is written in its place is as long as the first record
/// of the batch that failed; were the cut not synced, a power cut could undo it, and bring the rest of the batch back behind that record.
#[test]
fn f08_a_batch_that_failed_does_not_come_back_with_a_power_cut() {
    let mut kept = 0;
    for chance in 0..600 {
        let machine = Faulty::new(1);
        machine.set_chance(chance);
        let store = Store::open(machine.clone(), Options::default()).unwrap();
        let always = WriteOptions::durability(Durability::Always);
        store.put_with(b"0", b"before", &always).unwrap();
        let mut batch = Batch::new();
        batch.put(b"1", &[b'x'; 40]).unwrap();
        batch.put(b"2", &[b'y'; 40]).unwrap();
        machine.set_fault(Fault::FailWrites(1, 1));
        store.write(&batch, &WriteOptions::default()).unwrap_err();
        store.put(b"3", &[b'z'; 40]).unwrap();
        drop(store);
        machine.power_on();
        let store = Store::open(machine, Options::default())
            .unwrap_or_else(|error| panic!("chance {chance}: {error}"));
        assert_eq!(get(&store, b"0"), Some(b"before".to_vec()), "chance {chance}");
        assert_eq!((get(&store, b"1"), get(&store, b"2")), (None, None), "chance {chance}");
        kept += u64::from(get(&store, b"3").is_some());
    }
    assert!(0 < kept, "what was written afterwards was always lost");
}
