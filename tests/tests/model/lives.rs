//! Lives in which nothing fails.

use bitcask_core::Memory;
use bitcask_tests::model::{Life, Mix, Outcome, Random, Setup, Step, program, shrink};

use super::{caught, lines, seeds};

fn run(seed: u64, setup: Setup, steps: &[Step]) -> Result<Outcome, String> {
    caught(|| Life::run(Memory::new(seed), setup, steps, &[]))
}

#[test]
fn lives_agree_with_a_map() {
    let (mut programs, mut steps, mut merges) = (0, 0, 0);
    for seed in seeds(3_000) {
        let mut random = Random::new(seed);
        let len = [20, 60, 200][random.index(3)];
        let (setup, made) = program(&mut random, len, Mix::All);
        match run(seed, setup, &made) {
            Ok(outcome) => {
                programs += 1;
                steps += outcome.steps;
                merges += outcome.merges;
            }
            Err(what) => {
                let (short, what) = shrink(&made, what, &mut |s| run(seed, setup, s).err());
                panic!("BITCASK_SEED={seed}, {setup:?}\n{}{what}", lines(&short));
            }
        }
    }
    println!("{programs} programs, {steps} steps, {merges} merges in one call");
}
