//! Lives in which the power goes at every call, and every call fails.

use bitcask_tests::model::{
    Fault, Faulty, Life, Mix, Outcome, Random, Setup, Step, program, shrink,
};

use super::{caught, lines, seeds};

/// A program, and what goes wrong in it.
struct Run {
    seed: u64,
    chance: u64,
    setup: Setup,
    steps: Vec<Step>,
    /// First this, then after each power cut the next.
    faults: Vec<Fault>,
}

impl Run {
    fn with(&self, steps: &[Step]) -> Result<Outcome, String> {
        let machine = Faulty::new(self.seed);
        machine.set_chance(self.chance);
        let (first, later) = self.faults.split_first().unwrap_or((&Fault::None, &[]));
        machine.set_fault(*first);
        caught(|| Life::run(machine, self.setup, steps, later))
    }

    fn outcome(&self, sum: &mut Sum) {
        match self.with(&self.steps) {
            Ok(outcome) => sum.add(&outcome),
            Err(what) => self.fail(what),
        }
    }

    /// With fewer steps the calls have other numbers, so the fault is looked for anew at every call.
    fn fail(&self, what: String) -> ! {
        let mut found = self.faults.clone();
        let (short, said) = shrink(&self.steps, what, &mut |steps| {
            for number in 1..60 + 8 * steps.len() as u64 {
                let mut faults = self.faults.clone();
                if let Some(first) = faults.first_mut() {
                    *first = moved(*first, number);
                }
                for chance in [self.chance, 1, 2] {
                    let faults = faults.clone();
                    let run = Run { faults, chance, steps: Vec::new(), ..*self };
                    if let Err(said) = run.with(steps) {
                        found = run.faults;
                        return Some(format!("{said}\n(chance {chance})"));
                    }
                }
            }
            None
        });
        let Run { seed, setup, .. } = self;
        panic!("BITCASK_SEED={seed}, {setup:?}, {found:?}\n{}{said}", lines(&short));
    }
}

fn moved(fault: Fault, number: u64) -> Fault {
    match fault {
        Fault::Cut(_) => Fault::Cut(number),
        Fault::FailWrites(_, count) => Fault::FailWrites(number, count),
        Fault::FailRead(_) => Fault::FailRead(number),
        Fault::Full(_, count) => Fault::Full(number, count),
        other => other,
    }
}

#[derive(Default)]
struct Sum {
    programs: u64,
    runs: u64,
    all: Outcome,
}

impl Sum {
    fn add(&mut self, one: &Outcome) {
        self.runs += 1;
        self.all.add(one);
    }

    fn print(&self) {
        let Sum { programs, runs, all } = self;
        let seen: Vec<_> = all.named().into_iter().filter(|(_, count)| *count != 0).collect();
        println!("{programs} programs in {runs} runs: {seen:?}");
    }
}

fn small_program(seed: u64) -> (Random, Setup, Vec<Step>) {
    let mut random = Random::new(seed);
    let len = 12 + random.index(40);
    let (setup, steps) = program(&mut random, len, Mix::Writes);
    (random, setup, steps)
}

/// What follows a first power cut: another in the opening, or later, or in both.
fn more_cuts(random: &mut Random) -> Vec<Fault> {
    let count = random.below(4);
    (0..count)
        .map(|_| Fault::Cut(1 + if random.one_in(3) { random.below(60) } else { random.below(9) }))
        .collect()
}

/// Runs the program with nothing going wrong; returns the calls that change something, and those that look.
fn calls(run: &Run, sum: &mut Sum) -> (u64, u64) {
    sum.programs += 1;
    match run.with(&run.steps) {
        Ok(outcome) => outcome.calls,
        Err(what) => run.fail(what),
    }
}

#[test]
fn power_cut_at_every_call() {
    let mut sum = Sum::default();
    for seed in seeds(120) {
        let (mut random, setup, steps) = small_program(seed);
        let mut run = Run { seed, chance: 0, setup, steps, faults: vec![Fault::None] };
        let (writes, _) = calls(&run, &mut sum);
        for number in 1..=writes {
            run.chance = random.bits();
            run.faults = vec![Fault::Cut(number)];
            run.faults.extend(more_cuts(&mut random));
            run.outcome(&mut sum);
        }
    }
    sum.print();
}

/// A call fails, once or a few times on end, and the machine goes on; at the end the power goes.
#[test]
fn every_call_fails() {
    let mut sum = Sum::default();
    for seed in seeds(60) {
        let (mut random, setup, steps) = small_program(seed ^ 0x0fa1);
        let mut run = Run { seed, chance: 0, setup, steps, faults: vec![Fault::None] };
        let (writes, reads) = calls(&run, &mut sum);
        for number in 1..=writes {
            for fault in [
                Fault::FailWrites(number, 1),
                Fault::FailWrites(number, 1 + random.below(4)),
                Fault::Full(number, 1 + random.below(40)),
            ] {
                run.chance = random.bits();
                run.faults = vec![fault];
                run.outcome(&mut sum);
            }
        }
        // There are many more of these, and they change nothing.
        for _ in 0..reads / 8 {
            let number = 1 + random.below(reads);
            run.chance = random.bits();
            run.faults = vec![Fault::FailRead(number)];
            run.outcome(&mut sum);
        }
    }
    sum.print();
}
