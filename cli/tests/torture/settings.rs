//! What a run is asked for, and where its choices come from.

use std::time::{Duration, Instant};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().unwrap())
}

/// How long one kind of torture goes on.
pub(crate) struct Run {
    name: &'static str,
    pub(crate) seed: u64,
    cycles: u64,
    until: Option<Instant>,
    done: u64,
    said: Instant,
}

impl Run {
    /// `short` cycles in `make test`; else `BITCASK_TORTURE_CYCLES`, or all that `share` of `BITCASK_TORTURE_SECONDS` allow.
    pub(crate) fn new(name: &'static str, short: u64, share: f64) -> Run {
        let seed = number("BITCASK_TORTURE_SEED").unwrap_or_else(|| std::process::id().into());
        let cycles = number("BITCASK_TORTURE_CYCLES");
        let seconds = number("BITCASK_TORTURE_SECONDS").filter(|_| cycles.is_none());
        let until = seconds.map(|seconds| {
            Instant::now() + Duration::from_secs_f64((seconds as f64 * share).max(1.0))
        });
        let cycles = cycles.unwrap_or(if until.is_some() { u64::MAX } else { short });
        println!("{name}: seed {seed} (BITCASK_TORTURE_SEED repeats it)");
        Run { name, seed, cycles, until, done: 0, said: Instant::now() }
    }

    /// The number of the next cycle, unless it is enough. Says now and then how far it is.
    pub(crate) fn next(&mut self, so_far: impl FnOnce() -> String) -> Option<u64> {
        let is_late = self.until.is_some_and(|until| until <= Instant::now());
        if self.done == self.cycles || (is_late && 0 < self.done) {
            return None;
        }
        if Duration::from_secs(5) < self.said.elapsed() {
            self.said = Instant::now();
            eprintln!("{}: {} cycles, {}", self.name, self.done, so_far());
        }
        self.done += 1;
        Some(self.done - 1)
    }

    /// Cycles that were not asked for by [`Run::next`].
    pub(crate) fn count(&mut self, cycles: u64) {
        self.done += cycles;
    }

    /// The last line of a run.
    pub(crate) fn end(&self, what: &str) {
        eprintln!("{}: {} cycles, seed {}: {what}", self.name, self.done, self.seed);
    }

    /// What a failure is told with.
    pub(crate) fn about(&self, cycle: u64) -> String {
        format!("{}, BITCASK_TORTURE_SEED={}, cycle {cycle}", self.name, self.seed)
    }

    /// The choices of one cycle.
    pub(crate) fn random(&self, cycle: u64) -> Random {
        Random(self.seed ^ cycle.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// How many cycles of each of several kinds.
pub(crate) struct Each {
    cycles: u64,
    time: Option<Duration>,
}

impl Each {
    pub(crate) fn wants(&self, done: u64, since: Instant) -> bool {
        done < self.cycles && (done == 0 || self.time.is_none_or(|time| since.elapsed() < time))
    }
}

impl Run {
    /// Shares what is asked for out among so many kinds.
    pub(crate) fn cycles_of_each(&self, kinds: usize, share: f64) -> Each {
        let seconds = number("BITCASK_TORTURE_SECONDS")
            .filter(|_| number("BITCASK_TORTURE_CYCLES").is_none());
        let time =
            seconds.map(|seconds| Duration::from_secs_f64(seconds as f64 * share / kinds as f64));
        Each { cycles: self.cycles, time }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.bits() % end.max(1)
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}
