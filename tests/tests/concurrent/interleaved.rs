//! The model checker: it decides at every lock and every atomic of core which thread goes on. What fails prints a schedule, which
//! `shuttle::replay` repeats, and the seed of the run (`BITCASK_SEED`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bitcask_core::{Memory, Range, Store};
use shuttle::rand::Rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};

use crate::play::{Play, key, options, value};
use crate::synced::{Synced, write_durably};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

/// Runs it under so many schedules: half of them random, half with few changes of the thread that are put where they hurt
/// (Burckhardt and others, 2010).
fn explore(schedules: usize, run: impl Fn() + Send + Sync + 'static) {
    let seed = number("BITCASK_SEED").unwrap_or(1);
    let schedules = schedules / 2 * number("BITCASK_RUNS").unwrap_or(1) as usize;
    println!("BITCASK_SEED={seed}, {schedules} random and {schedules} chosen schedules");
    let run = Arc::new(run);
    let config = || {
        let mut config = Config::new();
        config.stack_size = 1 << 18;
        // That all orders of memory are taken for the strongest one: loom's tests beside the code know the others.
        config.silence_warnings = true;
        config
    };
    let count = Arc::new(AtomicU64::new(0));
    let counted = {
        let count = Arc::clone(&count);
        move || {
            count.fetch_add(1, Ordering::Relaxed);
            run();
        }
    };
    Runner::new(RandomScheduler::new_from_seed(seed, schedules), config()).run(counted.clone());
    Runner::new(PctScheduler::new_from_seed(seed, 3, schedules), config()).run(counted);
    assert_eq!(count.load(Ordering::Relaxed), 2 * schedules as u64);
}

/// Small programs of three threads, and merges, beside one another.
#[test]
fn histories_are_linearizable() {
    explore(4_000, || {
        let seed = shuttle::rand::thread_rng().gen_range(0..1_u64 << 32);
        let store = Store::open(Memory::new(seed), options(seed)).unwrap();
        // Something to merge.
        for n in 0..6 {
            store.put(&key(n as usize % 3), &value(n)).unwrap();
        }
        store.roll().unwrap();
        let play = Play::new(store);
        let seen = thread::scope(|scope| {
            let play = &play;
            scope.spawn(move || play.upkeep(seed, 6));
            let threads: Vec<_> =
                (0..3).map(|thread| scope.spawn(move || play.thread(thread, seed, 4))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        drop(play.check(&seen));
    });
}

/// Group commit: nobody is told "durable" too early, and nobody waits for ever.
#[test]
fn what_is_acknowledged_as_durable_is() {
    explore(1_500, || {
        let seed = shuttle::rand::thread_rng().gen_range(0..1_u64 << 32);
        let storage = Synced::new(seed);
        let store = Store::open(storage.clone(), options(seed)).unwrap();
        thread::scope(|scope| {
            for thread in 0..3 {
                let (storage, store) = (&storage, &store);
                scope.spawn(move || write_durably(storage, store, thread, 4));
            }
        });
    });
}

/// What was acknowledged before a close is there after it, and what a close refused is not.
#[test]
fn a_close_beside_writers_loses_nothing() {
    explore(2_000, || {
        let seed = shuttle::rand::thread_rng().gen_range(0..1_u64 << 32);
        let memory = Memory::new(seed);
        let store = Store::open(memory.clone(), options(seed)).unwrap();
        let written = thread::scope(|scope| {
            let store = &store;
            let writers: Vec<_> = (0..2_u64)
                .map(|thread| {
                    scope.spawn(move || {
                        let put =
                            |n: &u64| store.put(&thread.to_le_bytes(), &n.to_le_bytes()).is_ok();
                        (1..6).take_while(put).last()
                    })
                })
                .collect();
            scope.spawn(move || store.close().unwrap());
            writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        drop(store);
        let store = Store::open(memory, options(seed + 1)).unwrap();
        assert!(store.recovery().cuts.is_empty());
        for (thread, last) in written.into_iter().enumerate() {
            let there = store.get(&(thread as u64).to_le_bytes()).unwrap();
            assert_eq!(
                there.as_deref(),
                last.map(u64::to_le_bytes).as_ref().map(|bytes| &bytes[..])
            );
        }
    });
}

/// A feed that is read while others write and merge, and the next one of the same follower, tell everything once.
#[test]
fn a_follower_misses_nothing() {
    explore(1_500, || {
        let seed = shuttle::rand::thread_rng().gen_range(0..1_u64 << 32);
        let store = Store::open(Memory::new(seed), options(seed)).unwrap();
        let play = Play::new(store);
        let copy = thread::scope(|scope| {
            let play = &play;
            scope.spawn(move || play.thread(0, seed, 6));
            scope.spawn(move || play.upkeep(seed, 5));
            let follower = scope.spawn(move || {
                let mut follower = Follower::default();
                (0..3).for_each(|_| follower.follow(&play.store));
                follower
            });
            follower.join().unwrap()
        });
        let (mut copy, store) = (copy, play.check(&[]));
        copy.follow(&store);
        let there: Vec<_> =
            store.scan(Range::all()).map(Result::unwrap).map(|e| (e.key, e.version)).collect();
        assert_eq!(copy.entries.into_iter().collect::<Vec<_>>(), there);
    });
}

#[derive(Default)]
struct Follower {
    since: u64,
    entries: std::collections::BTreeMap<bitcask_core::Bytes, u64>,
}

impl Follower {
    fn follow(&mut self, store: &Store<Memory>) {
        let mut feed = store.changes(self.since).unwrap();
        let changes: Vec<_> = feed.by_ref().map(Result::unwrap).collect();
        if !feed.is_complete() {
            let snapshot = store.snapshot();
            let entries = snapshot.scan(Range::all()).map(Result::unwrap);
            self.entries = entries.map(|entry| (entry.key, entry.version)).collect();
            self.since = snapshot.sequence();
            return;
        }
        self.since = feed.until();
        for change in changes {
            match change.kind {
                bitcask_core::ChangeKind::Delete => drop(self.entries.remove(&change.key)),
                bitcask_core::ChangeKind::Put { .. } => {
                    _ = self.entries.insert(change.key, change.sequence)
                }
            }
        }
    }
}
