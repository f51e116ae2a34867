//! Whole lives of a store from a seed, beside a model that cannot be wrong.
//!
//! A *program* is a list of [`Step`]s, made from a seed by [`program`]. A [`Life`] runs it on a real [`Store`](bitcask_core::Store) and on
//! a map at once and compares every answer: on [`Memory`](bitcask_core::Memory), where nothing fails, and on [`Faulty`], where any call
//! to the storage may fail or be the last. What fails is made small by [`shrink`].
//!
//! No thread, file, clock or environment here: it runs wherever the engine does.
#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code: a panic is its way to say no, and numbers are small"
)]

mod check;
mod damage;
mod faulty;
mod follow;
mod life;
mod machine;
mod outcome;
mod piecemeal;
mod random;
mod reopen;
mod shrink;
mod simulation;
mod state;
mod step;
mod stream;
mod write;

pub use faulty::{Call, Counts, Fault, Faulty, FaultySegment, Image, Profile, Rates};
pub use life::{Care, Life};
pub use machine::Machine;
pub use outcome::Outcome;
pub use random::Random;
pub use shrink::shrink;
pub use simulation::{FLOORS, Simulation};
pub use state::{Item, Items, KEYS, Span, State, Value};
pub use step::{Mix, Policy, Setup, Step, Write, program};
