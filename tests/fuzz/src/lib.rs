//! Hostile bytes: what comes from a disk, a stream, a file of rows, a message or a command line may be anything, and the answer is
//! an error or the truth: no panic, no value that nobody wrote, no more memory and no more reading than the bytes are worth.
//!
//! Each target is a function of bytes that panics where a rule is broken. `make fuzz` gives them to libFuzzer; `tests/replay.rs` runs
//! them on the kept corpus, and on what a few thousand changes make of it, with the stable toolchain.
//!
//! | target | what the bytes are |
//! |---|---|
//! | [`header`] | a segment's first bytes |
//! | [`record`] | one record, in a segment whose other records are sound |
//! | [`seal`] | the seal of a segment of sound records, with hints of both forms |
//! | [`folder`] | all segments of a store, as they stand in their files |
//! | [`segments`] | choices from which segments are built: headers, batches, marks, merges, seals, and lies in any of their fields |
//! | [`stream`] | what an export wrote |
//! | [`import`] | rows of JSON Lines, CSV or TSV, or a stream, for the command `import` |
//! | [`arguments`] | a command line whose files have hostile names |
//! | [`frame`] | a message from JavaScript |
//! | [`operations`] | a program of calls on a store, with reopening and damage |
//!
//! **Checksums.** A fuzzer does not guess a CRC-32, so the first byte of most inputs says whether they are made right before the bytes
//! are read ([`image::repair`]): what is behind the first check is reached, and so is the check.
//!
//! **Why through the public API**, and not by exposing the decoders: an opening, a dump, an import is what somebody else's bytes meet. What
//! `dump` shows of a record is encoded again, from FORMAT.md, and must be the bytes that it was read from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "test code: a panic is its way to say no, and numbers are small"
)]

pub mod arguments;
pub mod folder;
pub mod frame;
pub mod header;
pub mod image;
pub mod import;
pub mod operations;
pub mod record;
pub mod seal;
pub mod segments;
pub mod stream;

mod allocator;
mod check;
mod dumped;
mod lent;
mod sandbox;

// The message format of the browser binding, which itself is built for the browser only. Pure, and as it stands there.
#[path = "../../../wasm/src/bytes.rs"]
#[allow(dead_code, reason = "what only the browser binding uses")]
mod bytes;
#[path = "../../../wasm/src/frame.rs"]
#[allow(dead_code, reason = "what only the browser binding uses")]
mod frames;

// The command, whose modules are its own: compiled in, so that it can be called without starting a process.
#[path = "../../../cli/src/command/mod.rs"]
#[allow(dead_code, reason = "`main` is not called")]
mod command;

/// A target's name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 10] = [
    ("arguments", arguments::run),
    ("folder", folder::run),
    ("frame", frame::run),
    ("header", header::run),
    ("import", import::run),
    ("operations", operations::run),
    ("record", record::run),
    ("seal", seal::run),
    ("segments", segments::run),
    ("stream", stream::run),
];

/// Makes a binary of a target. Without a fuzzer it runs the files that are named to it, one after another.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bitcask_fuzz::$name::run(bytes));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for file in std::env::args_os().skip(1) {
                bitcask_fuzz::$name::run(&std::fs::read(file)?);
            }
            Ok(())
        }
    };
}
