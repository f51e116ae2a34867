//! Group commit: any number of threads that wait for durability share one sync.
//!
//! Whoever comes first leads: it syncs for all that was appended until then, while later ones wait and see
//! whether that sync covered them. On a platform with one thread the caller always leads.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::Result;

/// Bytes appended since the store was opened: the measure of what a sync covers.
#[derive(Default)]
pub(crate) struct Commit {
    appended: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
    syncs: AtomicU64,
}

#[derive(Default)]
struct State {
    durable: u64,
    syncing: bool,
}

impl Commit {
    /// Counts bytes that were appended; returns the new sum, which [`Commit::wait`] takes.
    pub(crate) fn append(&self, len: u64) -> u64 {
        self.appended.fetch_add(len, Ordering::AcqRel).saturating_add(len)
    }

    /// All that was appended so far.
    pub(crate) fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    /// How many syncs were led.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Returns once everything up to `position` is durable. `sync` makes all that was appended before it began
    /// durable, and returns how far that is.
    ///
    /// # Errors
    ///
    /// Those of `sync`: each waiter of a failed sync tries once itself, and so gets its own error (the
    /// store is poisoned then and says so without trying again).
    pub(crate) fn wait(&self, position: u64, sync: impl Fn() -> Result<u64>) -> Result<()> {
        let mut state = self.lock();
        while state.durable < position {
            if state.syncing {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.syncing = true;
            drop(state);
            let synced = sync();
            state = self.lock();
            state.syncing = false;
            self.changed.notify_all();
            state.durable = state.durable.max(synced?);
            self.syncs.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
