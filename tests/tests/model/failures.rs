//! Failures of other engines of this family, on the fault store: those rows of the list that are about what a disk does, and whom it is told.
//! (`damage/failures.rs` has those about bytes, `disk/` those about files, locks and threads.)

use bitcask_core::{
    Durability, Error, Go, Index, MergePolicy, MergeStep, Options, Range, Store, WriteOptions,
};
use bitcask_tests::model::{Call, Fault, Faulty, Image};

fn options() -> Options {
    Options::default().segment_bytes(300)
}

fn open(machine: &Faulty) -> Store<Faulty> {
    Store::open(machine.clone(), options()).unwrap_or_else(|error| panic!("{error}"))
}

fn all(store: &Store<Faulty>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let entries = store.scan(Range::all()).map(Result::unwrap);
    entries.map(|entry| (entry.key.to_vec(), entry.value.to_vec())).collect()
}

/// What a power cut at this moment may leave, opened.
fn after_each_cut(images: &[Image], mut check: impl FnMut(&Store<Faulty>)) {
    for image in images {
        check(&open(&Faulty::from_image(image, 3)));
    }
}

/// The option to sync each write never reached the file.
#[test]
fn f07_a_write_that_asks_for_it_is_durable_when_it_returns_and_no_other_waits() {
    let machine = Faulty::new(7);
    let store = open(&machine);
    for number in 0..20_u8 {
        let durability = if number % 2 == 0 { Durability::Always } else { Durability::None };
        let before = machine.syncs();
        store.put_with(&[number], &[number; 9], &WriteOptions::durability(durability)).unwrap();
        // A roll syncs what it creates and seals; a write alone syncs nothing.
        let syncs = machine.syncs() - before;
        assert!(number % 2 == 0 || syncs != 1, "a write that did not ask for it was synced");
        if number % 2 == 0 {
            after_each_cut(&machine.images_after_a_cut(), |store| {
                assert_eq!(store.get(&[number]).unwrap().as_deref(), Some(&[number; 9][..]));
            });
        }
    }
    store.put(b"last", b"1").unwrap();
    store.sync().unwrap();
    after_each_cut(&machine.images_after_a_cut(), |store| {
        assert_eq!(store.len(), 21, "something before a sync is missing");
    });
}

/// A store whose segments are worth merging, and what it holds.
fn mergeable(seed: u64) -> (Faulty, Store<Faulty>) {
    let machine = Faulty::new(seed);
    let store = open(&machine);
    for number in 0..12_u8 {
        store.put(&[b'a' + number % 5], &[number; 60]).unwrap();
    }
    store.delete(b"a").unwrap();
    (machine, store)
}

/// Inputs of a merge were removed before its output was durable.
#[test]
fn f17_inputs_go_only_when_what_replaces_them_is_durable() {
    for number in 1..80 {
        let (machine, store) = mergeable(number);
        store.sync().unwrap();
        let expected = all(&store);
        machine.set_fault(Fault::Cut(number));
        let merged = store.merge(&MergePolicy::full(), &mut |_| Go::On);
        assert_eq!(merged.is_err(), machine.is_off(), "call {number}");
        let images = machine.images_after_a_cut();
        after_each_cut(&images, |store| assert_eq!(all(store), expected, "call {number}"));
        if !machine.is_off() {
            assert!(5 < number, "the merge did nothing");
            return;
        }
    }
    panic!("the merge never ends");
}

/// New files were lost with their names.
#[test]
fn f19_a_segment_is_there_durably_before_anything_is_written_to_it() {
    for number in 1..200 {
        for chance in 0..4 {
            let machine = Faulty::new(1);
            machine.set_chance(chance);
            machine.set_fault(Fault::Cut(number));
            let mut acknowledged = 0;
            if let Ok(store) = Store::open(machine.clone(), options()) {
                let always = WriteOptions::durability(Durability::Always);
                let put = |n: &u8| store.put_with(&[*n], &[*n; 90], &always).is_ok();
                acknowledged = (0..9).take_while(put).count();
            }
            after_each_cut(&machine.images_after_a_cut(), |store| {
                let found = store.len();
                assert!(acknowledged as u64 <= found && found <= 9, "call {number}: {found} keys");
            });
            if !machine.is_off() && chance == 3 {
                assert_eq!(acknowledged, 9);
                return;
            }
        }
    }
    panic!("nine writes never end");
}

/// Space never came back.
#[test]
fn f23_what_was_deleted_and_superseded_takes_no_space_after_a_merge() {
    for index in [Index::Hash, Index::Ordered] {
        let machine = Faulty::new(23);
        let store = Store::open(machine.clone(), options().index(index)).unwrap();
        for round in 0..20_u8 {
            for key in 0..10_u8 {
                store.put(&[key], &[round; 50]).unwrap();
            }
        }
        let held = store.snapshot();
        (0..10_u8).for_each(|key| assert!(store.delete(&[key]).unwrap()));
        store.roll().unwrap();
        store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
        let stats = store.stats();
        assert!(0 < stats.held_by_snapshots, "{index:?}: why space is held is told");
        assert_eq!(held.scan(Range::all()).count(), 10);
        drop(held);
        store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
        let stats = store.stats();
        assert_eq!((stats.keys, stats.live_bytes, stats.dead_bytes), (0, 0, 0), "{index:?}");
        assert!(machine.total_bytes() < 1_000, "{index:?}: {stats:#?}");
    }
}

/// An error in the background was only logged.
#[test]
fn f25_what_fails_in_the_background_is_told_to_the_next_caller_and_in_the_statistics() {
    // What a binding's thread could not tell anybody.
    let (_, store) = mergeable(25);
    store.fail_next_write(Error::Limit("of a thread"));
    assert!(matches!(store.put(b"k", b"v"), Err(Error::Limit("of a thread"))));
    assert_eq!(store.get(b"k").unwrap(), None, "it was written all the same");
    store.put(b"k", b"v").unwrap();
    // A merge that cannot write tells it, and loses nothing.
    let (machine, store) = mergeable(26);
    let expected = all(&store);
    machine.set_fault(Fault::Broken(Call::Append, 1));
    let step = store.merge_step(&MergePolicy::full(), u64::MAX);
    assert!(matches!(step, Err(Error::Io { .. })), "{step:?}");
    machine.set_fault(Fault::None);
    assert_eq!(all(&store), expected);
    while store.merge_step(&MergePolicy::full(), u64::MAX).unwrap() != MergeStep::Idle {}
    assert_eq!(all(&store), expected);
    // A sync that fails ends writing, whoever asked for it.
    let (machine, store) = mergeable(27);
    machine.set_fault(Fault::Broken(Call::Sync, 1));
    assert!(store.merge(&MergePolicy::full(), &mut |_| Go::On).is_err());
    machine.set_fault(Fault::None);
    if store.stats().poisoned.is_some() {
        assert!(matches!(store.put(b"k", b"v"), Err(Error::Poisoned(_))));
        assert!(store.close().is_err(), "a close that says all is well");
    }
}
