//! What `Disk` promises beyond the seam, on real files and with real processes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, and helpers that are not functions of tests"
)]

mod beside;
mod child;
mod db;
mod folder;
mod full;
mod kill;
mod merging;
mod processes;
mod scan;
mod segment;
mod syncs;
mod threads;
mod trouble;
mod wait;
