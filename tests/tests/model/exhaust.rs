//! Every program of three steps behind each beginning, with a power cut at every call of the last step and of the recovery that
//! follows. `make exhaust` tries longer ones.

use std::thread;

use bitcask_tests::exhaustive::{BEGINNINGS, Tried, run};

/// F15 and F17 in the small: whatever is merged with whatever, and wherever it stops, no deleted key returns and none is lost.
#[test]
fn f15_f17_every_short_program_survives_a_power_cut_at_every_call() {
    let parts = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let mut all = Tried::default();
    for beginning in BEGINNINGS {
        let tried: Vec<Result<Tried, String>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..parts)
                .map(|part| scope.spawn(move || run(beginning, 3, part, parts)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for tried in tried {
            all.add(&tried.unwrap_or_else(|what| panic!("{what}")));
        }
    }
    println!("{all:?}");
    assert!(5_000 < all.programs && 10_000 < all.cuts && 10_000 < all.cuts_in_recovery);
}
