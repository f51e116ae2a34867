//! F18 beyond the process: a sync failed, the process is gone, and the system calls the bytes clean that it never wrote. Whoever
//! opens the store next reads them, and a sync says yes and does nothing.

use std::collections::BTreeMap;

use bitcask_core::{
    Batch, Durability, Go, Index, MergePolicy, Options, Range, Store, WriteOptions,
};

use crate::forgetful::Forgetful;

/// Calls of one session.
const STEPS: u8 = 26;

type State = BTreeMap<Vec<u8>, Vec<u8>>;

fn options(index: Index) -> Options {
    let options = Options::default().index(index).durability(Durability::Always);
    // One of the two seals as a store without a thread does, the other when it merges or syncs.
    options.segment_bytes(600).seal_on_roll(index == Index::Hash)
}

fn content(store: &Store<Forgetful>) -> State {
    let entries = store.scan(Range::all()).map(|entry| entry.unwrap());
    entries.map(|entry| (entry.key.to_vec(), entry.value.to_vec())).collect()
}

/// Does some of everything that syncs, until a call fails. Returns what was acknowledged, and what the store would hold if the
/// last call worked all the same.
fn work(store: &Store<Forgetful>, before: State, round: u8, steps: u8) -> (State, State) {
    let mut acknowledged = before;
    for number in 0..steps {
        let mut next = acknowledged.clone();
        let key = vec![b'a' + number * 3 % 5];
        let value = vec![round * STEPS + number; 60 + usize::from(number)];
        let done = match number {
            3 | 9 | 14 | 20 => {
                next.remove(&key);
                store.delete(&key).map(drop)
            }
            5 | 17 => {
                let mut batch = Batch::new();
                batch.put(&key, &value).unwrap().put(b"batch", &value).unwrap();
                next.insert(key, value.clone());
                next.insert(b"batch".to_vec(), value);
                store.write(&batch, &WriteOptions::default()).map(drop)
            }
            7 | 11 | 23 => store.merge(&MergePolicy::full(), &mut |_| Go::On).map(drop),
            _ => {
                next.insert(key.clone(), value.clone());
                store.put(&key, &value).map(drop)
            }
        };
        if done.is_err() {
            return (acknowledged, next);
        }
        acknowledged = next;
    }
    (acknowledged.clone(), acknowledged)
}

/// One life: a store works, one of its syncs fails, it is opened again while the cache is still there, and is trusted. Then the power
/// goes. The next opening may lose a sync too. Says which of the two failures were met.
fn life(index: Index, is_sick: bool, first: u64, second: Option<u64>, steps: u8) -> (bool, bool) {
    let disk = Forgetful::default();
    disk.be_sick(is_sick);
    let about = format!(
        "{index:?}, sick {is_sick}, sync {first} fails, and of the next opening {second:?}"
    );
    let before = {
        let store = Store::open(disk.clone(), options(index)).unwrap();
        work(&store, State::new(), 0, STEPS).0
    };
    disk.fail_sync(Some(first));
    let (acknowledged, attempted) = match Store::open(disk.clone(), options(index)) {
        Ok(store) => work(&store, before, 1, STEPS),
        Err(_) => (before.clone(), before),
    };
    let is_met = first < disk.syncs();
    disk.fail_sync(second);
    drop(Store::open(disk.clone(), options(index)).map(|_| ()));
    let is_second_met = second.is_some_and(|second| second < disk.syncs());
    disk.fail_sync(None);

    let store = Store::open(disk.clone(), options(index))
        .unwrap_or_else(|error| panic!("{about}: {error}"));
    let shown = content(&store);
    assert!(
        shown == acknowledged || shown == attempted,
        "{about}: lost or made up before the power went"
    );
    let (later, _) = work(&store, shown.clone(), 2, steps);
    store.close().unwrap();
    drop(store);
    disk.power_cut();
    let store = Store::open(disk.clone(), options(index))
        .unwrap_or_else(|error| panic!("{about}: {error}"));
    assert_eq!(content(&store), later, "{about}: what was acknowledged is gone");
    assert!(store.verify(&mut |_| Go::On).unwrap().is_sound(), "{about}");
    (is_met, is_second_met)
}

/// A store that was opened, and did nothing, has promised what it showed.
fn only_opened(index: Index, is_sick: bool, first: u64) {
    let disk = Forgetful::default();
    disk.be_sick(is_sick);
    let store = Store::open(disk.clone(), options(index)).unwrap();
    let (before, _) = work(&store, State::new(), 0, STEPS);
    disk.fail_sync(Some(first));
    work(&store, before, 1, STEPS);
    drop(store);
    disk.fail_sync(None);
    let store = Store::open(disk.clone(), options(index)).unwrap();
    let shown = content(&store);
    drop(store);
    disk.power_cut();
    let store = Store::open(disk, options(index))
        .unwrap_or_else(|error| panic!("{index:?}, sync {first}: {error}"));
    assert_eq!(content(&store), shown, "{index:?}, sync {first}: what was shown is gone");
}

#[test]
fn f18_what_a_failed_sync_lost_is_written_again_by_the_next_opening() {
    let both = |index| [(index, false), (index, true)];
    for (index, is_sick) in [Index::Hash, Index::Ordered].map(both).concat() {
        let mut lives = 0;
        for first in 0.. {
            only_opened(index, is_sick, first);
            // Few calls or many: a merge would soon remove what was lost, and nobody would know.
            let is_met: Vec<bool> = (0..STEPS)
                .step_by(4)
                .map(|steps| life(index, is_sick, first, None, steps).0)
                .collect();
            if !is_met[0] {
                break;
            }
            lives += is_met.len();
            for second in 0.. {
                if !life(index, is_sick, first, Some(second), second as u8 * 5 % STEPS).1 {
                    break;
                }
                lives += 1;
            }
        }
        println!("{index:?}: {lives} lives in which a sync failed");
        assert!(400 < lives, "{lives}");
    }
}
