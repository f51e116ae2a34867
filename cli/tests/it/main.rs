//! The command as people and scripts meet it: the real binary, in temporary folders.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it does not expect has failed"
)]

mod bad_input;
mod borders;
mod files;
mod maintenance;
mod processes;
mod records;
mod sandbox;
mod streams;
mod watch;
