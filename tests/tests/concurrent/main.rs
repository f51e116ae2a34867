//! Many threads and one store: what each call answered is written down and checked to be *linearizable*: as if every call had taken
//! effect at one moment between its beginning and its end.
//!
//! The same programs run in two ways. `threads` is real threads, as often as there is time. `interleaved` is the model checker
//! `shuttle`, which decides at every lock and every atomic of core which thread goes on, from a seed: it is there when
//! this is compiled with `--cfg shuttle` (`make interleave`), with which real threads do not work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that meets what it does not expect has failed"
)]

mod history;
#[cfg(shuttle)]
mod interleaved;
mod play;
mod synced;
#[cfg(not(shuttle))]
mod threads;
