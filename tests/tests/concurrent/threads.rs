//! Real threads.

use std::thread;

use bitcask_core::{Memory, Store};

use crate::play::{Play, options};
use crate::synced::{Synced, write_durably};

/// Rounds of one store: after each the threads have ended, so that a history is short enough to be checked.
const ROUNDS: u64 = 40;

fn runs() -> u64 {
    std::env::var("BITCASK_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1)
}

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("BITCASK_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (0..count * runs()).collect(),
    }
}

#[test]
fn histories_of_real_threads_are_linearizable() {
    let mut calls = 0;
    for seed in seeds(12) {
        let memory = Memory::new(seed);
        let mut store = Store::open(memory.clone(), options(seed)).unwrap();
        for round in 0..ROUNDS {
            println!("BITCASK_SEED={seed}, round {round}");
            let play = Play::new(store);
            let seen = thread::scope(|scope| {
                let play = &play;
                let seed = seed * 1_000 + round;
                let upkeep = scope.spawn(move || play.upkeep(seed, 60));
                let threads: Vec<_> = (0..4)
                    .map(|thread| scope.spawn(move || play.thread(thread, seed, 60)))
                    .collect();
                upkeep.join().unwrap();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            calls += 4 * 60;
            store = play.check(&seen);
            if round % 8 == 7 {
                store.close().unwrap();
                drop(store);
                store = Store::open(memory.clone(), options(seed + round)).unwrap();
            }
        }
    }
    println!("{calls} calls, linearizable");
}

/// Group commit: what is acknowledged as durable is what a power cut would leave.
#[test]
fn what_is_acknowledged_as_durable_is() {
    for seed in seeds(6) {
        println!("BITCASK_SEED={seed}");
        let storage = Synced::new(seed);
        let store = Store::open(storage.clone(), options(seed)).unwrap();
        thread::scope(|scope| {
            let (storage, store) = (&storage, &store);
            let start = |thread| scope.spawn(move || write_durably(storage, store, thread, 60));
            let threads: Vec<_> = (0..4).map(start).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}
