//! The simulator, for as long as every run of the tests can afford. `make simulate` runs it for longer.

use std::thread;

use bitcask_tests::campaign::{self, Campaign};

/// Crashes that must be lived through.
const CRASHES_MIN: u64 = 100_000;

#[test]
fn a_hundred_thousand_crashes_lose_nothing_that_was_promised() {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let campaign = Campaign { first: 0, lives: 180_000, threads, explain: true };
    let report = campaign.run(&|_| {}).unwrap_or_else(|what| panic!("{what}"));
    println!("{}", report.line());
    print!("{}", report.check().unwrap_or_else(|what| panic!("{what}")));
    assert!(CRASHES_MIN <= report.all.cuts + report.all.kills);
}

/// What once failed is run first for ever.
#[test]
fn seeds_that_once_failed() {
    let seeds = include_str!("seeds.txt").lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    for seed in seeds.filter(|line| !line.is_empty()) {
        let (number, _) = seed.split_once(' ').unwrap_or((seed, ""));
        campaign::run(number.parse().unwrap(), true)
            .unwrap_or_else(|what| panic!("{seed}\n{what}"));
        count += 1;
    }
    assert!(0 < count);
}
