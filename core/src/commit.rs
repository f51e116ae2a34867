//! Group commit: any number of threads that wait for durability share one sync.
//!
//! Whoever comes first leads: it syncs for all that was appended until then, while later ones wait. Those whom that sync
//! covers wait by one bell and those who came too late by another, so that nobody is woken in vain: when a sync is over all of the
//! first are, and one of the second, who leads the next sync. Those who were woken write again soon: the binding may give the next leader
//! a moment for them, or else two halves of all threads would take turns. On a platform with one thread the caller always leads.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::Result;

/// Bytes appended since the store was opened: the measure of what a sync covers.
#[derive(Default)]
pub(crate) struct Commit {
    appended: AtomicU64,
    state: Mutex<State>,
    /// For those who wait for a sync of an even and of an odd number.
    bells: [Condvar; 2],
    syncs: AtomicU64,
}

#[derive(Default)]
struct State {
    durable: u64,
    /// Of the sync that is under way, or was last.
    number: usize,
    syncing: bool,
    /// What the sync under way covers; everything, as long as that is not known.
    reach: u64,
    /// How many threads it is for, its leader among them; how many wait for the next; and how many both were last time.
    joined: u64,
    late: u64,
    expected: u64,
}

impl State {
    /// Where who has appended so much waits, while a sync is under way: by the bell of this one or of the next.
    fn number_for(&self, position: u64) -> usize {
        self.number.wrapping_add(usize::from(self.reach < position))
    }

    /// A thread begins to wait.
    fn count(&mut self, position: u64) {
        match self.syncing && self.reach < position {
            false => self.joined += 1,
            true => self.late += 1,
        }
    }

    fn begin(&mut self) {
        self.syncing = true;
        self.number = self.number.wrapping_add(1);
        self.reach = u64::MAX;
    }

    fn end(&mut self) {
        self.syncing = false;
        self.expected = self.joined + self.late;
        (self.joined, self.late) = (self.late, 0);
    }
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

    /// Says how far the sync that is about to be made will reach: who has appended more need not be woken after it. (Who was
    /// told nothing is, and looks again.)
    pub(crate) fn reaches(&self, position: u64) {
        self.lock().reach = position;
    }

    /// Whether as many threads wait for the sync that is about to be made as waited when the last one ended.
    pub(crate) fn is_complete(&self) -> bool {
        let state = self.lock();
        state.expected <= state.joined
    }

    /// Returns once everything up to `position` is durable. `sync` makes all that was appended before it began
    /// durable, says how far that is to [`Commit::reaches`] as soon as it knows, and returns it.
    ///
    /// # Errors
    ///
    /// Those of `sync`: each waiter of a failed sync tries once itself, and so gets its own error (the
    /// store is poisoned then and says so without trying again).
    pub(crate) fn wait(&self, position: u64, sync: impl Fn() -> Result<u64>) -> Result<()> {
        let mut state = self.lock();
        let mut counted = false;
        while state.durable < position {
            if !counted {
                state.count(position);
                counted = true;
            }
            if state.syncing {
                let bell = self.bell(state.number_for(position));
                state = bell.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.begin();
            drop(state);
            let synced = sync();
            state = self.lock();
            state.end();
            // The next leader first: the disk need not wait until all others are awake.
            let next = self.bell(state.number.wrapping_add(1));
            match &synced {
                Ok(_) => next.notify_one(),
                Err(_) => {
                    state.expected = 0;
                    next.notify_all();
                }
            }
            self.bell(state.number).notify_all();
            state.durable = state.durable.max(synced?);
            self.syncs.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn bell(&self, number: usize) -> &Condvar {
        let [even, odd] = &self.bells;
        if number.is_multiple_of(2) { even } else { odd }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One thread leads a sync that reaches to 10, two come in time and three too late.
    #[test]
    fn who_was_served_is_expected_again() {
        let mut state = State::default();
        state.count(10);
        state.begin();
        assert!(state.expected <= state.joined, "one thread waits for nobody");
        state.count(8);
        state.reach = 10;
        state.count(9);
        [11, 12, 13].into_iter().for_each(|position| state.count(position));
        assert_eq!(state.number_for(10), state.number);
        assert_eq!(state.number_for(11), state.number + 1);
        state.end();
        assert_eq!((state.expected, state.joined, state.late), (6, 3, 0));
        state.begin();
        [14, 15, 16].into_iter().for_each(|position| state.count(position));
        assert!(state.expected <= state.joined);
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
            self.commit.reaches(appended);
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
