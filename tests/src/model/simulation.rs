//! Whole lives of one store from one number: what it is kept on, what is done with it, and what goes wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::faulty::{Call, Fault, Faulty, Profile, Rates};
use super::life::{Care, Checked, Life};
use super::outcome::Outcome;
use super::random::Random;
use super::shrink::shrink;
use super::step::{Mix, Setup, Step, program};

/// Several lives of one store. All of it follows from the seed; what is likely differs from seed to seed, so that what is rare in most is
/// usual in some.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The number that it was made from.
    pub seed: u64,
    /// How segments are kept.
    pub profile: Profile,
    /// How the store is opened first.
    pub setup: Setup,
    /// The program.
    pub steps: Vec<Step>,
    /// First this goes wrong, then after each power cut or death the next.
    pub faults: Vec<Fault>,
    /// What becomes of bytes.
    pub chance: u64,
    /// Whether sealed segments are looked at in place.
    pub mapped: bool,
}

/// How often each of these must come to pass in a million lives; else a run proves little.
pub const FLOORS: [(&str, u64); 26] = [
    ("cuts", 250_000),
    ("cuts_in_open", 100_000),
    ("kills", 100_000),
    ("kills_in_open", 50_000),
    ("losses", 40_000),
    ("torn", 40_000),
    ("torn_batches", 10),
    ("undone", 20_000),
    ("poisoned", 20_000),
    ("late_seals", 1_000),
    ("merges", 30_000),
    ("merges_given_up", 30_000),
    ("tombstones_kept", 1_000),
    ("tombstones_dropped", 20_000),
    ("expired", 400),
    ("held", 4_000),
    ("matched", 30_000),
    ("anew", 4_000),
    ("exports", 10_000),
    ("imports", 3_000),
    ("given_up", 1_000),
    ("names_changed", 4_000),
    ("slots_reused", 20_000),
    ("slots_torn", 3_000),
    ("flips_refused", 1_000),
    ("flips_told", 1_500),
];

impl Simulation {
    /// The simulation of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Simulation {
        let mut random = Random::new(seed);
        let profile = if random.one_in(3) { Profile::Slots } else { Profile::Files };
        let mix = if random.one_in(5) { Mix::All } else { Mix::Writes };
        let len = [10, 25, 60][random.index(3)];
        let (setup, mut steps) = program(&mut random, len, mix);
        let faults = match random.below(12) {
            0..=3 => falls(&mut random, 12),
            4..=7 => by_chance(&mut random),
            8..=9 => failures(&mut random),
            10 => {
                let mut faults = falls(&mut random, 3);
                faults.push(Fault::FlipRead(1 + random.below(60)));
                faults
            }
            _ => {
                steps.insert(random.index(steps.len()), Step::Rot);
                falls(&mut random, 3)
            }
        };
        let (chance, mapped) = (random.bits(), random.one_in(3));
        Simulation { seed, profile, setup, steps, faults, chance, mapped }
    }

    /// Runs it. The same simulation gives the same outcome.
    ///
    /// # Errors
    ///
    /// The first answer that is wrong, in words.
    pub fn run(&self) -> Checked<Outcome> {
        self.run_steps(&self.steps)
    }

    fn run_steps(&self, steps: &[Step]) -> Checked<Outcome> {
        let machine = Faulty::with_profile(self.seed, self.profile);
        machine.set_chance(self.chance);
        if self.mapped {
            machine.map_frozen();
        }
        let (first, later) = self.faults.split_first().unwrap_or((&Fault::None, &[]));
        machine.set_fault(*first);
        let care = Care { one_in: 6, ..Care::default() };
        let run = || Life::run_with(machine, self.setup, steps, later, care);
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Err(format!("a panic: {}", text.unwrap_or_default()))
        })
    }

    /// What failed, made small: with fewer steps the calls have other numbers, so other chances and places are tried too.
    #[must_use]
    pub fn explain(&self, said: String) -> String {
        let mut found = self.clone();
        let (short, said) = shrink(&self.steps, said, &mut |steps| {
            for attempt in 0..60 {
                let mut other = self.clone();
                if 0 < attempt {
                    other.chance = attempt;
                    if let Some(first) = other.faults.first_mut() {
                        *first = moved(*first, attempt);
                    }
                }
                if let Err(said) = other.run_steps(steps) {
                    found = other;
                    return Some(said);
                }
            }
            None
        });
        let Simulation { seed, profile, setup, faults, chance, mapped, .. } = found;
        let lines: String = short.iter().map(|step| format!("  {step:?}\n")).collect();
        format!(
            "SEED={seed}: {profile:?}, {setup:?}, chance {chance}, mapped {mapped}\n  {faults:?}\n{lines}{said}"
        )
    }
}

/// The same fault at another call.
fn moved(fault: Fault, number: u64) -> Fault {
    match fault {
        Fault::Cut(_) => Fault::Cut(number),
        Fault::Kill(_) => Fault::Kill(number),
        Fault::FailWrites(_, count) => Fault::FailWrites(number, count),
        Fault::Full(_, count) => Fault::Full(number, count),
        Fault::Broken(call, _) => Fault::Broken(call, number),
        other => other,
    }
}

/// The power goes, or the process dies, again and again: soon, so that it is often while the store is being opened.
fn falls(random: &mut Random, count: u64) -> Vec<Fault> {
    let kills = random.below(4);
    let count = 1 + random.below(count);
    (0..count)
        .map(|_| {
            let number = 1 + if random.one_in(3) { random.below(50) } else { random.below(12) };
            if random.below(4) < kills { Fault::Kill(number) } else { Fault::Cut(number) }
        })
        .collect()
}

/// Everything by chance, at rates that differ from seed to seed, and in the end the power goes.
fn by_chance(random: &mut Random) -> Vec<Fault> {
    let mut rate = |rates: [u16; 4]| rates[random.index(4)];
    let rates = Rates {
        cut: rate([100, 300, 800, 1500]),
        kill: rate([0, 100, 300, 1000]),
        append: rate([0, 0, 100, 500]),
        sync: rate([0, 0, 100, 700]),
        names: rate([0, 0, 100, 1000]),
        other: rate([0, 0, 100, 500]),
        read: rate([0, 0, 0, 50]),
        full: rate([0, 0, 50, 200]),
        broken: rate([0, 0, 10, 60]) as u8,
    };
    vec![Fault::Rates(rates); 2 + random.index(14)]
}

/// One call fails, or some on end, or one kind of call for good; and the power goes some time.
fn failures(random: &mut Random) -> Vec<Fault> {
    const CALLS: [Call; 7] = [
        Call::Append,
        Call::Sync,
        Call::Truncate,
        Call::Freeze,
        Call::Rewrite,
        Call::Create,
        Call::Remove,
    ];
    let mut faults = Vec::new();
    for _ in 0..1 + random.below(4) {
        let number = 1 + random.below(40);
        faults.push(match random.below(5) {
            0..=1 => Fault::FailWrites(number, 1 + random.below(4)),
            2 => Fault::Full(number, 1 + random.below(40)),
            3 => Fault::FailRead(1 + random.below(80)),
            _ => Fault::Broken(CALLS[random.index(7)], number),
        });
        faults.extend(falls(random, 2));
    }
    faults
}
