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

#[cfg(all(test, loom))]
mod interleaved {
    use super::*;
    use crate::error::Error;
    use crate::sync::Arc;
    use crate::sync::atomic::AtomicBool;

    /// A log that several threads append to, and how far a sync of it that has returned reaches.
    #[derive(Default)]
    struct Log {
        commit: Commit,
        durable: AtomicU64,
        fails: AtomicBool,
    }

    impl Log {
        fn sync(&self) -> Result<u64> {
            let appended = self.commit.appended();
            if self.fails.load(Ordering::Relaxed) {
                return Err(Error::Closed);
            }
            self.durable.fetch_max(appended, Ordering::Relaxed);
            Ok(appended)
        }

        fn write(&self, len: u64) {
            let position = self.commit.append(len);
            self.commit.wait(position, || self.sync()).unwrap();
            // Relaxed: that it is seen here comes from the lock in `wait`.
            assert!(position <= self.durable.load(Ordering::Relaxed), "acknowledged too early");
        }
    }

    fn explore(run: impl Fn() + Send + Sync + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(run);
    }

    /// Nobody is told "durable" too early, and nobody waits for ever, in any order of three threads.
    #[test]
    fn threads_that_share_syncs_are_durable_when_they_are_told_so() {
        explore(|| {
            let log = Arc::new(Log::default());
            let threads: Vec<_> = (1..3)
                .map(|len| {
                    let log = Arc::clone(&log);
                    loom::thread::spawn(move || log.write(len))
                })
                .collect();
            log.write(4);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(log.commit.appended(), 7);
            assert!((1..=3).contains(&log.commit.syncs()));
        });
    }

    /// When syncs fail each waiter is told so.
    #[test]
    fn a_sync_that_fails_acknowledges_nothing() {
        explore(|| {
            let log = Arc::new(Log::default());
            log.fails.store(true, Ordering::Relaxed);
            let wait = |log: &Log| {
                let position = log.commit.append(1);
                assert!(log.commit.wait(position, || log.sync()).is_err());
            };
            let other = Arc::clone(&log);
            let thread = loom::thread::spawn(move || wait(&other));
            wait(&log);
            thread.join().unwrap();
            assert_eq!(log.commit.syncs(), 0);
        });
    }
}
