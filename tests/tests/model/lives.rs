//! Lives in which nothing fails.

use bitcask_core::Memory;
use bitcask_tests::model::{Care, Life, Mix, Outcome, Random, Setup, Step, program, shrink};

use super::{caught, lines, seeds};

fn run(seed: u64, setup: Setup, steps: &[Step]) -> Result<Outcome, String> {
    caught(|| Life::run(Memory::new(seed), setup, steps, &[]))
}

#[test]
fn lives_agree_with_a_map() {
    let (mut programs, mut all) = (0, Outcome::default());
    for seed in seeds(3_000) {
        let mut random = Random::new(seed);
        let len = [20, 60, 200][random.index(3)];
        let (setup, made) = program(&mut random, len, Mix::All);
        match run(seed, setup, &made) {
            Ok(outcome) => {
                programs += 1;
                all.add(&outcome);
            }
            Err(what) => {
                let (short, what) = shrink(&made, what, &mut |s| run(seed, setup, s).err());
                panic!("BITCASK_SEED={seed}, {setup:?}\n{}{what}", lines(&short));
            }
        }
    }
    let Outcome { steps, merges, told, anew, imports, .. } = all;
    println!("{programs} programs, {steps} steps, {merges} merges, {imports} imports");
    println!("{} pulls of followers, {anew} began anew", told + anew);
    // Else they test nothing: all always begin anew, or nothing is ever forgotten.
    assert!(programs < 100 || (anew < told && 0 < anew), "{told}, {anew}");
}

/// What is planted here, a feed that never says that it is incomplete, must be noticed.
#[test]
fn followers_that_believe_every_feed_go_wrong() {
    let wrong = seeds(300).filter(|seed| {
        let mut random = Random::new(*seed);
        let (setup, made) = program(&mut random, 60, Mix::All);
        let memory = Memory::new(*seed);
        let care = Care { followers_believe_all: true, ..Care::default() };
        let lived = caught(|| Life::run_with(memory, setup, &made, &[], care));
        lived.is_err_and(|what| what.contains("a follower from"))
    });
    let wrong = wrong.count();
    println!("{wrong} programs noticed it");
    assert!(0 < wrong);
}
