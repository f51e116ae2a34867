//! Torture of the real thing: processes that are killed, system calls that fail, power that goes, on real files.
//!
//! `make test` runs a short form of everything. `make torture` runs the released command and a released child for `MINUTES` (default 5), or `CYCLES`
//! of each kind; `make power-loss` the file systems alone. Every choice follows from `SEED`, which a failure
//! prints; what the machine decides (how far a process came before it was killed) does not, so a seed repeats what was done and not when.
//!
//! **Acknowledgements are kept outside of the process**: a child says each one on a pipe, and this program, which is never killed,
//! has a model of what they come to ([`oracle`]).
//!
//! **System calls fail by `strace`** ([`faults`], [`every_call`]), not by a library that is loaded before libc and not by code of ours:
//! it stands at the border of the kernel, so calls that go around libc (the command's own are made by two libraries) are met like all
//! others; it counts them, so that the n-th fails and a number repeats it; it restricts itself to the files of the store; and it needs neither a
//! compiler nor `unsafe`. What it cannot do is a write that is done in part: for that there are a limit on the length of files and full disks
//! ([`faults`]), which are the system's own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that meets what it does not expect has failed"
)]
#![cfg(target_os = "linux")]

mod child;
mod every_call;
mod faults;
mod gate;
mod kill;
mod oracle;
mod power;
mod settings;
mod store;
