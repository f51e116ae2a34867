//! The thread of a [`Db`](super::Db): syncs, seals, merges.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bitcask_core::{Error, MergeStep, Result, Store};

use super::bell::{Bell, Woken};
use super::options::AutoMerge;
use super::pace::Pace;
use super::trouble::{Task, Trouble, copy_of};
use crate::disk::Disk;

/// How soon after a roll the segment is sealed, while segments are rolled.
const TICK: Duration = Duration::from_millis(50);

/// For how long after the last roll more of them are expected.
const BUSY: Duration = Duration::from_secs(1);

/// How long after the last roll a store is at rest.
const REST: Duration = Duration::from_secs(2);

/// How often an idle store is looked at: deletes make segments worth merging without any roll.
const IDLE: Duration = Duration::from_secs(1);

/// The pause after a failure, and how long it may become while failures go on.
const RETRY: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(15);

/// What the thread does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Duties {
    pub(super) sync_every: Option<Duration>,
    pub(super) auto_merge: Option<AutoMerge>,
}

/// The running thread, as its [`Db`](super::Db) sees it.
pub(super) struct Background {
    bell: Arc<Bell>,
    trouble: Arc<Trouble>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    pub(super) fn start(
        store: Arc<Store<Disk>>,
        bell: Arc<Bell>,
        duties: Duties,
    ) -> Result<Background> {
        let trouble = Arc::new(Trouble::default());
        let work = Work::new(store, Arc::clone(&bell), Arc::clone(&trouble), duties);
        let thread = thread::Builder::new()
            .name("bitcask".into())
            .spawn(move || work.run_to_the_end())
            .map_err(|source| Error::Io {
                doing: "starting the background thread",
                segment: None,
                source,
            })?;
        Ok(Background { bell, trouble, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread after the step that it is at. Returns the first failure that was not mended, once.
    pub(super) fn stop(&self) -> Result<()> {
        self.bell.stop();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic is in `trouble` already.
            _ = thread.join();
        }
        self.trouble.take()
    }

    pub(super) fn error(&self) -> Option<String> {
        self.trouble.told()
    }
}

/// When a task is due, and how patient it has become.
struct Due {
    at: Instant,
    retry: Duration,
}

impl Due {
    fn at(at: Instant) -> Due {
        Due { at, retry: RETRY }
    }

    fn again(&mut self, after: Duration) {
        // A pause of thousands of years is not one that an `Instant` can hold.
        let now = Instant::now();
        self.at = now.checked_add(after).unwrap_or(now + Duration::from_secs(86_400));
        self.retry = RETRY;
    }

    fn later(&mut self) {
        self.at = Instant::now() + self.retry;
        self.retry = (self.retry * 2).min(RETRY_MAX);
    }
}

/// What the thread knows.
struct Work {
    store: Arc<Store<Disk>>,
    bell: Arc<Bell>,
    trouble: Arc<Trouble>,
    duties: Duties,
    pace: Pace,
    /// Bytes that the merge under way has read.
    read_bytes: u64,
    busy_until: Instant,
    /// From when on the store is at rest, if nothing is rolled.
    rests_from: Instant,
    sync: Due,
    seal: Due,
    merge: Due,
}

/// Nothing more can be done: the store is closed or poisoned.
struct Over;

impl Work {
    fn new(
        store: Arc<Store<Disk>>,
        bell: Arc<Bell>,
        trouble: Arc<Trouble>,
        duties: Duties,
    ) -> Work {
        let now = Instant::now();
        let bytes_per_second = duties.auto_merge.map_or(1, |merge| merge.bytes_per_second);
        Work {
            store,
            bell,
            trouble,
            duties,
            pace: Pace::new(bytes_per_second, now),
            read_bytes: 0,
            busy_until: now,
            rests_from: now + REST,
            sync: Due::at(now),
            seal: Due::at(now),
            merge: Due::at(now),
        }
    }

    fn run_to_the_end(mut self) {
        let trouble = Arc::clone(&self.trouble);
        if catch_unwind(AssertUnwindSafe(|| self.run())).is_err() {
            let source = std::io::Error::other("it panicked, and was ended");
            let error = Error::Io { doing: "the background thread", segment: None, source };
            trouble.add(None, error);
        }
    }

    fn run(&mut self) {
        while self.wait() {
            if let Err(Over) = self.do_what_is_due() {
                return;
            }
        }
    }

    /// Waits until something is due; `false` at the end.
    fn wait(&mut self) -> bool {
        loop {
            let due = self.sync.at.min(self.seal.at).min(self.merge.at);
            match self.bell.wait_until(due) {
                Woken::Stopped => return false,
                Woken::Due => return true,
                Woken::Rung => {
                    // The roll may be under way still, so it is looked for more than once.
                    let now = Instant::now();
                    self.busy_until = now + BUSY;
                    self.rests_from = now + REST;
                    self.seal.at = self.seal.at.min(now + TICK);
                }
            }
        }
    }

    fn do_what_is_due(&mut self) -> Result<(), Over> {
        let now = Instant::now();
        if self.sync.at <= now {
            self.sync()?;
        }
        if self.seal.at <= now {
            self.seal(now)?;
        }
        if self.merge.at <= now {
            self.merge(now)?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Over> {
        let Some(every) = self.duties.sync_every else {
            self.sync.again(Duration::MAX);
            return Ok(());
        };
        let synced = self.store.sync();
        match self.heed(Task::Sync, synced)? {
            Some(()) => self.sync.again(every),
            None => self.sync.later(),
        }
        Ok(())
    }

    fn seal(&mut self, now: Instant) -> Result<(), Over> {
        let sealed = self.store.seal_pending();
        match self.heed(Task::Seal, sealed)? {
            Some(sealed) => {
                self.seal.again(if now < self.busy_until { TICK } else { IDLE });
                if 0 < sealed {
                    self.merge.at = self.merge.at.min(self.pace.ready_at());
                }
            }
            None => self.seal.later(),
        }
        Ok(())
    }

    fn merge(&mut self, now: Instant) -> Result<(), Over> {
        let Some(AutoMerge { mut policy, dead_ratio_at_rest, .. }) = self.duties.auto_merge else {
            self.merge.again(Duration::MAX);
            return Ok(());
        };
        if self.rests_from <= now {
            policy.dead_ratio = policy.dead_ratio.min(dead_ratio_at_rest);
        }
        let step = self.store.merge_step(&policy, self.pace.step_bytes());
        match self.heed(Task::Merge, step)? {
            Some(MergeStep::Working(progress)) => {
                self.spend(progress.bytes_read, now);
                self.read_bytes = progress.bytes_read;
            }
            Some(MergeStep::Merged(report)) => {
                self.spend(report.bytes_read, now);
                self.read_bytes = 0;
            }
            Some(MergeStep::Idle) => {
                self.merge.again(IDLE);
                self.read_bytes = 0;
            }
            None => {
                self.merge.later();
                self.read_bytes = 0;
            }
        }
        Ok(())
    }

    fn spend(&mut self, read_bytes: u64, begun: Instant) {
        self.pace.spend(read_bytes.saturating_sub(self.read_bytes), begun);
        self.merge = Due::at(self.pace.ready_at());
    }

    /// Keeps failures to be told. `None`: to be tried again.
    fn heed<T>(&self, task: Task, done: Result<T>) -> Result<Option<T>, Over> {
        let error = match done {
            Ok(done) => {
                self.trouble.mended(task);
                return Ok(Some(done));
            }
            Err(Error::Closed) => return Err(Over),
            Err(error) => error,
        };
        if self.store.stats().poisoned.is_some() {
            // Every write says so from now on.
            self.trouble.add(None, error);
            return Err(Over);
        }
        // A damaged segment is set aside for good, and the rest goes on.
        let mended_by = if error.is_damage() { None } else { Some(task) };
        // Where the disk is full, the next write finds that out itself, or there is room again.
        let to_tell = if error.is_full() { None } else { copy_of(&error) };
        if self.trouble.add(mended_by, error)
            && let Some(error) = to_tell
        {
            self.store.fail_next_write(error);
        }
        Ok(None)
    }
}
