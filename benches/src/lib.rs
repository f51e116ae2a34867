//! Benchmarks of mini-bitcask on real files, and of other stores under the same workloads.
//!
//! `make bench` and `make bench-own` run them; `benches/store.rs` says what can be chosen. The figures of one run are
//! comparable with each other and with nothing else: quote ratios.
//!
//! The runner is our own. Criterion and Divan time a short closure again and again, as `benches/quick.rs` has it done; what is timed
//! here are whole phases of a store's life (fill it, reopen it, merge it), each of which needs the state that the one before left and
//! happens once. What is left to do for a runner is a clock, a median and a table.

pub mod bars;
pub mod boxed;
pub mod chart;
pub mod child;
pub mod cold;
pub mod data;
pub mod engine;
pub mod limited;
pub mod medium;
pub mod merging;
pub mod mixed;
pub mod pauses;
#[cfg(feature = "peers")]
pub mod peers;
pub mod report;
pub mod settings;
pub mod trial;
pub mod workload;

/// What a benchmark fails with: it is shown, and ends the run.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
