//! Many simulations, on all cores.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::model::{FLOORS, Outcome, Simulation};

/// Seeds that a thread takes at a time.
const SEEDS_AT_A_TIME: u64 = 32;

/// One seed in so many is run twice, and must come to the same.
const TWICE: u64 = 64;

/// Simulations from a seed on, until so many lives were lived.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The first seed.
    pub first: u64,
    /// Lives, at least.
    pub lives: u64,
    /// Threads.
    pub threads: usize,
    /// Whether what fails is made small.
    pub explain: bool,
}

/// What a campaign came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// The sum.
    pub all: Outcome,
    /// How long it took.
    pub took: Duration,
}

impl Campaign {
    /// Runs it. `progress` is called every ten seconds.
    ///
    /// # Errors
    ///
    /// The first failure, made small.
    pub fn run(&self, progress: &(dyn Fn(&Report) + Sync)) -> Result<Report, String> {
        let started = Instant::now();
        let (next, stop) = (AtomicU64::new(self.first), AtomicBool::new(false));
        let report = Mutex::new((Report::default(), started));
        let failure = Mutex::new(None);
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let first = next.fetch_add(SEEDS_AT_A_TIME, Ordering::Relaxed);
                let mut all = Outcome::default();
                for seed in first..first + SEEDS_AT_A_TIME {
                    match run(seed, self.explain) {
                        Ok(outcome) => all.add(&outcome),
                        Err(what) => {
                            stop.store(true, Ordering::Relaxed);
                            let mut failure =
                                failure.lock().unwrap_or_else(PoisonError::into_inner);
                            failure.get_or_insert(what);
                            return;
                        }
                    }
                }
                let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                let (sum, told) = &mut *report;
                sum.seeds += SEEDS_AT_A_TIME;
                sum.all.add(&all);
                sum.took = started.elapsed();
                if self.lives <= sum.all.lives {
                    stop.store(true, Ordering::Relaxed);
                }
                if Duration::from_secs(10) <= told.elapsed() {
                    *told = Instant::now();
                    progress(sum);
                }
            }
        };
        thread::scope(|scope| (0..self.threads.max(1)).for_each(|_| drop(scope.spawn(work))));
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(what) => Err(what),
            None => Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner).0),
        }
    }
}

/// Runs the simulation of a seed; some of them twice.
///
/// # Errors
///
/// What failed, made small.
pub fn run(seed: u64, explain: bool) -> Result<Outcome, String> {
    let simulation = Simulation::new(seed);
    let failed = |said| match explain {
        true => simulation.explain(said),
        false => format!("SEED={seed}: {said}"),
    };
    let outcome = simulation.run().map_err(failed)?;
    if seed.is_multiple_of(TWICE) && simulation.run().as_ref() != Ok(&outcome) {
        return Err(format!("SEED={seed}: run twice, it is not the same"));
    }
    Ok(outcome)
}

impl Report {
    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Report { seeds, all, took } = self;
        let crashes = all.cuts + all.kills;
        let per_second = all.lives as f64 / took.as_secs_f64().max(0.001);
        format!(
            "{} lives in {seeds} seeds, {} steps, {crashes} crashes; {:.0} s, {per_second:.0} lives a second",
            all.lives,
            all.steps,
            took.as_secs_f64()
        )
    }

    /// All counts, and what is too seldom.
    ///
    /// # Errors
    ///
    /// The counts below their floors, in words.
    pub fn check(&self) -> Result<String, String> {
        let mut table = String::new();
        let named = self.all.named();
        for (name, count) in &named {
            // Writing to a string does not fail.
            let _ = writeln!(table, "{count:>14}  {name}");
        }
        let mut wanting = String::new();
        for (name, per_million) in FLOORS {
            let count =
                named.iter().find(|(there, _)| *there == name).map_or(0, |(_, count)| *count);
            let floor = self.all.lives.saturating_mul(per_million) / 1_000_000;
            if count < floor.max(1) {
                let _ = writeln!(wanting, "{name}: {count}, and {floor} is the least");
            }
        }
        if wanting.is_empty() { Ok(table) } else { Err(format!("{table}\ntoo seldom:\n{wanting}")) }
    }
}
