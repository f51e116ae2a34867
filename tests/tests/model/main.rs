//! Stores against models: whole lives, lives in which the power goes and calls fail, and threads.
//!
//! Everything follows from seeds. A failure prints its seed and the shortest program that still fails. To run that one alone, or
//! for longer:
//!
//! ```text
//! BITCASK_SEED=1234 cargo test -p bitcask-tests --test model power      one seed
//! BITCASK_RUNS=50 cargo test -p bitcask-tests --test model              fifty times as many
//! BITCASK_FIRST=1000000 …                                               other seeds
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests: a panic is their way to say no, and numbers are small"
)]

mod accounts;
mod exhaust;
mod failures;
mod feeds;
mod lives;
mod power;
mod simulate;
mod syncs;
mod threads;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bitcask_tests::model::Step;

/// The seeds of a test that by default runs `count` of them.
fn seeds(count: u64) -> Range<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} should be a number: {text}")))
    };
    if let Some(seed) = number("BITCASK_SEED") {
        return seed..seed + 1;
    }
    let first = number("BITCASK_FIRST").unwrap_or(0);
    first..first + count * number("BITCASK_RUNS").unwrap_or(1)
}

/// A panic inside the engine is a failure like any other.
fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}

/// A program to read, a step a line.
fn lines(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("  {step:?}\n")).collect()
}
