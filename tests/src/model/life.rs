//! Running a program on a store and on the model at once.

use std::collections::VecDeque;

use bitcask_core::{
    Batch, Conditional, Durability, Error, Go, MergePolicy, Result, Scan, Snapshot, Store,
    WriteOptions,
};

use super::faulty::Fault;
use super::follow::Follower;
use super::machine::Machine;
use super::state::{ExpectedScan, Item, KEYS, State, Value};
use super::step::{Setup, Step, Write};

/// What happened in a life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Steps that were run.
    pub steps: u64,
    /// Power cuts, those in the middle of an opening included.
    pub cuts: u64,
    /// Of these, the ones while a store was being opened.
    pub cuts_in_open: u64,
    /// Power cuts after which something that was written was not there, which is allowed where it was not synced.
    pub losses: u64,
    /// Torn tails that were cut.
    pub torn: u64,
    /// Calls of the store that failed because the storage did.
    pub failures: u64,
    /// Pulls of followers that were told all, and those that were told to begin anew.
    pub pulls: (u64, u64),
    /// Full merges that came to their end in one call.
    pub merges: u64,
    /// Calls of the storage since the last power cut, when the program had come to its end: those that change something, and
    /// those that look.
    pub calls: (u64, u64),
}

/// A store, its storage, and what it should hold.
///
/// The rule: what is found after a power cut is one of the *candidates*: the state at the last moment at which all was
/// durable, or after any write since. What is found after the death of the process alone is the state now, or what a write that
/// failed would have made of it.
pub struct Life<S: Machine> {
    pub(super) machine: S,
    pub(super) store: Option<Store<S>>,
    pub(super) setup: Setup,
    pub(super) now: State,
    pub(super) candidates: Vec<State>,
    /// What writes that failed would have made, since one succeeded.
    pub(super) maybe: Vec<State>,
    pub(super) snapshots: Vec<(Snapshot<S>, State)>,
    pub(super) scans: Vec<(Scan<S>, ExpectedScan)>,
    pub(super) followers: Vec<Follower>,
    /// Followers believe every feed, also one that says that it is not complete: what must be noticed.
    pub(super) followers_believe_all: bool,
    pub(super) now_ms: u64,
    /// The highest version that anybody saw.
    pub(super) highest: u64,
    /// Keys that have expired may be there or not: nobody can see which state was found.
    pub(super) expired_may_be_there: bool,
    /// What goes wrong after each power cut.
    pub(super) faults: VecDeque<Fault>,
    pub(super) outcome: Outcome,
}

/// What a conditional write should answer.
enum Expected {
    Done,
    Differs(Option<Item>),
}

impl<S: Machine> Life<S> {
    /// Runs a program. `faults` are what goes wrong after each power cut, in turn; what goes wrong first is set on the machine.
    ///
    /// # Errors
    ///
    /// The first answer that is wrong, in words.
    pub fn run(
        machine: S,
        setup: Setup,
        program: &[Step],
        faults: &[Fault],
    ) -> std::result::Result<Outcome, String> {
        Life::begin(machine, setup, faults, false).go(program)
    }

    /// As [`Life::run`], but followers do not care whether a feed is complete.
    ///
    /// # Errors
    ///
    /// As [`Life::run`]: some time, one is expected.
    pub fn run_with_careless_followers(
        machine: S,
        setup: Setup,
        program: &[Step],
        faults: &[Fault],
    ) -> std::result::Result<Outcome, String> {
        Life::begin(machine, setup, faults, true).go(program)
    }

    fn begin(machine: S, setup: Setup, faults: &[Fault], careless: bool) -> Life<S> {
        Life {
            machine,
            store: None,
            setup,
            now: State::default(),
            candidates: vec![State::default()],
            maybe: Vec::new(),
            snapshots: Vec::new(),
            scans: Vec::new(),
            followers: vec![Follower::default(); 4],
            followers_believe_all: careless,
            now_ms: 0,
            highest: 0,
            expired_may_be_there: false,
            faults: faults.iter().copied().collect(),
            outcome: Outcome::default(),
        }
    }

    fn go(mut self, program: &[Step]) -> std::result::Result<Outcome, String> {
        self.open(false)?;
        for (number, step) in program.iter().enumerate() {
            let at = |what: String| format!("step {number}, {step:?}: {what}");
            self.step(step).map_err(at)?;
            self.outcome.steps += 1;
            if self.machine.is_off() {
                self.power_cut().map_err(at)?;
            }
        }
        self.outcome.calls = self.machine.calls();
        self.end().map_err(|what| format!("at the end: {what}"))?;
        Ok(self.outcome)
    }

    /// A last power cut, which on a machine without any is the death of the process; then a clean close.
    fn end(&mut self) -> std::result::Result<(), String> {
        self.check()?;
        self.power_cut()?;
        self.check()?;
        self.reopen(true, self.setup)?;
        (0..4).try_for_each(|which| self.follow(which))?;
        self.check()
    }

    pub(super) fn store(&self) -> std::result::Result<&Store<S>, String> {
        self.store.as_ref().ok_or_else(|| String::from("the test lost its store"))
    }

    /// Takes an error for what it is: allowed where a call of the storage failed, and never damage.
    pub(super) fn excused<T>(
        &mut self,
        result: Result<T>,
    ) -> std::result::Result<Option<T>, String> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.is_excused(&error) => {
                self.outcome.failures += 1;
                Ok(None)
            }
            Err(error) => Err(format!("an error that nothing explains: {error}")),
        }
    }

    pub(super) fn is_excused(&self, error: &Error) -> bool {
        let failed = self.machine.is_off() || self.machine.has_fired();
        match error {
            Error::Io { .. } => failed,
            Error::Poisoned(_) => failed && (self.machine.is_off() || self.machine.may_poison()),
            _ => false,
        }
    }

    fn step(&mut self, step: &Step) -> std::result::Result<(), String> {
        match step {
            Step::Put { key, value, expires_in_ms, always } => {
                self.put(*key, *value, *expires_in_ms, *always)
            }
            Step::Delete { key, always } => self.delete(*key, *always),
            Step::Batch { writes, always } => self.batch(writes, *always),
            Step::PutIfAbsent { .. } | Step::ReplaceIf { .. } | Step::DeleteIf { .. } => {
                self.conditional(step)
            }
            Step::Get { key } => self.check_key(*key),
            Step::Scan { span } => self.check_scan(span),
            Step::OpenScan { span } => {
                let scan = self.store()?.scan(span.range());
                let expected = self.now.scan(span);
                self.scans.push((scan, expected));
                Ok(())
            }
            Step::AdvanceScan { which, count } => self.advance_scan(*which, *count),
            Step::DropScan { which } => {
                remove_any(&mut self.scans, *which);
                Ok(())
            }
            Step::Snapshot => {
                let snapshot = self.store()?.snapshot();
                self.snapshots.push((snapshot, self.now.clone()));
                Ok(())
            }
            Step::CheckSnapshot { which, span } => self.check_snapshot(*which, span),
            Step::DropSnapshot { which } => {
                remove_any(&mut self.snapshots, *which);
                Ok(())
            }
            Step::Follow { which } => self.follow(*which),
            Step::MergeStep { full, budget_bytes } => {
                let stepped = self.store()?.merge_step(&policy(*full), u64::from(*budget_bytes));
                self.excused(stepped).map(drop)
            }
            Step::Merge { full } => self.merge(*full),
            Step::SealPending => {
                let sealed = self.store()?.seal_pending();
                self.excused(sealed).map(drop)
            }
            Step::Sync => {
                let synced = self.store()?.sync();
                if self.excused(synced)?.is_some() && !self.machine.is_off() {
                    self.all_is_durable();
                }
                Ok(())
            }
            Step::Check => self.check(),
            Step::ReadOnly { index } => self.check_read_only(*index),
            Step::Wait { ms } => {
                self.now_ms += u64::from(*ms);
                self.machine.set_time(self.now_ms);
                Ok(())
            }
            Step::Reopen { close, setup } => self.reopen(*close, *setup),
        }
    }

    /// What a write that failed left may be there still, until one that worked took its place.
    pub(super) fn all_is_durable(&mut self) {
        self.candidates = vec![self.now.clone()];
        self.candidates.extend(self.maybe.iter().cloned());
    }

    fn options(&self, always: bool, expires_at_ms: Option<u64>) -> WriteOptions {
        WriteOptions { durability: always.then_some(Durability::Always), expires_at_ms }
    }

    fn expires_at(&self, in_ms: Option<u16>) -> Option<u64> {
        in_ms.map(|ms| self.now_ms + u64::from(ms))
    }

    fn put(
        &mut self,
        key: u8,
        value: Value,
        expires_in_ms: Option<u16>,
        always: bool,
    ) -> std::result::Result<(), String> {
        let expires_at_ms = self.expires_at(expires_in_ms);
        let options = self.options(always, expires_at_ms);
        let put = self.store()?.put_with(KEYS[usize::from(key)], &value.bytes(), &options);
        let version = put.as_ref().ok().copied();
        let mut after = self.now.clone();
        after.0.insert(key, Item { value, version, expires_at_ms });
        self.saw_new(version)?;
        self.settle(put, after, true, always)
    }

    fn delete(&mut self, key: u8, always: bool) -> std::result::Result<(), String> {
        let options = self.options(always, None);
        let there = self.now.get(key, self.now_ms).is_some();
        let deleted = self.store()?.delete_with(KEYS[usize::from(key)], &options);
        if let Ok(deleted) = deleted
            && deleted != there
        {
            return Err(format!("delete said {deleted}, the key was there: {there}"));
        }
        let mut after = self.now.clone();
        if there {
            after.0.remove(&key);
        }
        self.settle(deleted, after, there, always)
    }

    fn batch(&mut self, writes: &[Write], always: bool) -> std::result::Result<(), String> {
        let (mut batch, mut after) = (Batch::new(), self.now.clone());
        for Write { key, put } in writes {
            let bytes = KEYS[usize::from(*key)];
            let added = match put {
                None => {
                    after.0.remove(key);
                    batch.delete(bytes)
                }
                Some((value, expires_in_ms)) => {
                    let expires_at_ms = self.expires_at(*expires_in_ms);
                    let item = Item { value: *value, version: None, expires_at_ms };
                    after.0.insert(*key, item);
                    match expires_at_ms {
                        Some(at_ms) => batch.put_expiring(bytes, &value.bytes(), at_ms),
                        None => batch.put(bytes, &value.bytes()),
                    }
                }
            };
            added.map_err(|error| format!("the batch refuses: {error}"))?;
        }
        let before = self.highest;
        let written = self.store()?.write(&batch, &self.options(always, None));
        if let Ok(last) = &written {
            self.saw_new(*last)?;
            if last.is_none() && writes.iter().any(|write| write.put.is_some()) {
                return Err(String::from("a batch with puts was not written"));
            }
            // Only the last version was told; the others are read.
            for (key, item) in after.0.iter_mut().filter(|(_, item)| item.version.is_none()) {
                let read = self.store()?.get_entry(KEYS[usize::from(*key)]);
                item.version = read.ok().flatten().map(|entry| entry.version);
                let wrong =
                    item.version.filter(|version| *version <= before || last < &Some(*version));
                if let Some(version) = wrong
                    && writes.iter().any(|write| write.key == *key)
                {
                    return Err(format!("version {version} in a batch of {before} to {last:?}"));
                }
            }
        }
        let wrote = !matches!(written, Ok(None));
        self.settle(written, after, wrote, always)
    }

    fn conditional(&mut self, step: &Step) -> std::result::Result<(), String> {
        let (Step::PutIfAbsent { key, .. }
        | Step::ReplaceIf { key, .. }
        | Step::DeleteIf { key, .. }) = *step
        else {
            return Ok(());
        };
        let there = self.now.get(key, self.now_ms);
        let bytes = KEYS[usize::from(key)];
        let wanted = |right: bool| match there.and_then(|item| item.version) {
            Some(version) if right => version,
            Some(version) => version + 1,
            None => u64::MAX,
        };
        let known = there.is_some_and(|item| item.version.is_some());
        let options = WriteOptions::default();
        let store = self.store()?;
        let (answer, put, matched) = match *step {
            Step::PutIfAbsent { value, .. } => {
                let answer = store.put_if_absent(bytes, &value.bytes(), &options);
                (answer, Some(value), there.is_none())
            }
            Step::ReplaceIf { value, right, .. } => {
                let answer = store.replace_if(bytes, wanted(right), &value.bytes(), &options);
                (answer, Some(value), right && known)
            }
            Step::DeleteIf { right, .. } => {
                (store.delete_if(bytes, wanted(right), &options), None, right && known)
            }
            _ => return Ok(()),
        };
        let expected = if matched { Expected::Done } else { Expected::Differs(there) };
        let version = answer.as_ref().ok().map_or(Ok(None), |answer| expected.check(*answer))?;
        self.saw_new(version)?;
        let mut after = self.now.clone();
        if matched {
            match put {
                Some(value) => {
                    let _ = after.0.insert(key, Item { value, version, expires_at_ms: None });
                }
                None => drop(after.0.remove(&key)),
            }
        }
        self.settle(answer, after, matched, false)
    }

    /// What a write leaves behind: its outcome decides which states may be found from now on.
    fn settle<T>(
        &mut self,
        result: Result<T>,
        after: State,
        wrote: bool,
        always: bool,
    ) -> std::result::Result<(), String> {
        let worked = self.excused(result)?.is_some();
        self.candidates.push(after.clone());
        if worked {
            self.now = after;
            if wrote && !self.machine.is_off() {
                self.maybe.clear();
                if always || self.setup.durability == Durability::Always {
                    self.all_is_durable();
                }
            }
            return Ok(());
        }
        self.expired_may_be_there |= after.has_expired(self.now_ms);
        self.maybe.push(after.clone());
        if self.machine.is_off() {
            return Ok(());
        }
        // It failed as a whole or only in becoming durable: a reader sees which.
        let Some(entries) = self.all_entries()? else { return Ok(()) };
        if !self.now.is(&entries, self.now_ms) {
            if !after.is(&entries, self.now_ms) {
                return Err(String::from(
                    "a write that failed left neither the old nor the new state",
                ));
            }
            self.now = after;
        }
        self.saw(&entries);
        Ok(())
    }

    fn merge(&mut self, full: bool) -> std::result::Result<(), String> {
        let merged = self.store()?.merge(&policy(full), &mut |_| Go::On);
        if let Some(report) = self.excused(merged)?
            && full
            && !self.machine.has_fired()
        {
            self.outcome.merges += report.runs;
            self.check_nothing_dead()?;
        }
        Ok(())
    }

    /// A new write's version is higher than any that anybody saw, also before a power cut.
    fn saw_new(&mut self, version: Option<u64>) -> std::result::Result<(), String> {
        let Some(version) = version else { return Ok(()) };
        if version <= self.highest {
            return Err(format!("version {version} was handed out after {}", self.highest));
        }
        self.highest = version;
        Ok(())
    }
}

impl Expected {
    /// The version that was written, if the answer is right.
    fn check(&self, answer: Conditional) -> std::result::Result<Option<u64>, String> {
        match (self, answer) {
            (Expected::Done, Conditional::Done(version)) => Ok(Some(version)),
            (Expected::Differs(None), Conditional::Differs(None)) => Ok(None),
            (Expected::Differs(Some(item)), Conditional::Differs(Some(version)))
                if item.version.is_none_or(|known| known == version) =>
            {
                Ok(None)
            }
            _ => Err(format!("a conditional write said {answer:?}")),
        }
    }
}

pub(super) fn policy(full: bool) -> MergePolicy {
    if full { MergePolicy::full() } else { MergePolicy::default() }
}

pub(super) fn any<T>(list: &mut [T], which: u8) -> Option<&mut T> {
    let len = list.len();
    list.get_mut(usize::from(which) % len.max(1))
}

fn remove_any<T>(list: &mut Vec<T>, which: u8) {
    if !list.is_empty() {
        drop(list.remove(usize::from(which) % list.len()));
    }
}
