//! Locks and atomics. All of core takes them from here, so that what two threads may do to each other can be explored.
//!
//! Compiled with `--cfg loom` or `--cfg shuttle` they are those of a model checker, in which each lock, load and store is a place where
//! another thread may go on: `loom` tries every order of a small piece, weak memory included (the tests
//! beside the code); `shuttle` tries random orders of a whole store (`tests/tests/concurrent`): `make interleave`. With `--cfg tsan` they are such as
//! the thread sanitizer sees (`make sanitize`). Else they are those of std. `Arc`, `OnceLock` and what `arc-swap` does are std's always: nobody ever waits in them.

pub(crate) use std::sync::{Arc, OnceLock, PoisonError};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::{
    Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
};
#[cfg(tsan)]
mod seen;
#[cfg(not(any(loom, shuttle, tsan)))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
};
#[cfg(tsan)]
pub(crate) use {
    seen::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard},
    std::sync::atomic,
};
