//! Lives in which nothing fails.

use bitcask_core::Memory;
use bitcask_tests::model::{Life, Mix, Outcome, Random, Setup, Step, program, shrink};

use super::{caught, lines, seeds};

fn run(seed: u64, setup: Setup, steps: &[Step]) -> Result<Outcome, String> {
    caught(|| Life::run(Memory::new(seed), setup, steps, &[]))
}

#[test]
fn lives_agree_with_a_map() {
    let (mut programs, mut steps, mut merges, mut pulls) = (0, 0, 0, (0, 0));
    for seed in seeds(3_000) {
        let mut random = Random::new(seed);
        let len = [20, 60, 200][random.index(3)];
        let (setup, made) = program(&mut random, len, Mix::All);
        match run(seed, setup, &made) {
            Ok(outcome) => {
                programs += 1;
                steps += outcome.steps;
                merges += outcome.merges;
                pulls = (pulls.0 + outcome.pulls.0, pulls.1 + outcome.pulls.1);
            }
            Err(what) => {
                let (short, what) = shrink(&made, what, &mut |s| run(seed, setup, s).err());
                panic!("BITCASK_SEED={seed}, {setup:?}\n{}{what}", lines(&short));
            }
        }
    }
    println!("{programs} programs, {steps} steps, {merges} merges in one call");
    println!("{} pulls of followers, {} began anew", pulls.0, pulls.1);
    // Else they test nothing: all always begin anew, or nothing is ever forgotten.
    assert!(programs < 100 || (pulls.1 < pulls.0 && 0 < pulls.1), "{pulls:?}");
}

/// What is planted here, a feed that never says that it is incomplete, must be noticed.
#[test]
fn followers_that_believe_every_feed_go_wrong() {
    let wrong = seeds(300).filter(|seed| {
        let mut random = Random::new(*seed);
        let (setup, made) = program(&mut random, 60, Mix::All);
        let memory = Memory::new(*seed);
        let lived = caught(|| Life::run_with_careless_followers(memory, setup, &made, &[]));
        lived.is_err_and(|what| what.contains("a follower from"))
    });
    let wrong = wrong.count();
    println!("{wrong} programs noticed it");
    assert!(0 < wrong);
}
