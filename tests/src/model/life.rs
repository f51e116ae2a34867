//! Running a program on a store and on the model at once.

use std::collections::VecDeque;

use bitcask_core::{Error, Go, MergePolicy, MergeReport, MergeStep, Scan, Snapshot, Store};

use super::faulty::Fault;
use super::follow::Follower;
use super::machine::Machine;
use super::outcome::Outcome;
use super::random::Random;
use super::state::{ExpectedScan, State, Value};
use super::step::{Policy, Setup, Step};
use super::stream::Stream;

pub(super) type Checked<T = ()> = Result<T, String>;

/// How closely a life is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Care {
    /// Once in so many openings, and at the end, everything is compared that can be; else what tells most for its time.
    pub one_in: u64,
    /// Followers believe every feed, also one that says that it is not complete: what must be noticed.
    pub followers_believe_all: bool,
}

impl Default for Care {
    fn default() -> Care {
        Care { one_in: 1, followers_believe_all: false }
    }
}

/// A store, its storage, and what it should hold.
///
/// The rule: what is found after a power cut is one of the *candidates*: the state at the last moment at which all was
/// durable, or after any write since. What is found after the death of the process alone is the state now, or what a write that
/// failed would have made of it. Where a bit was changed, whatever is answered is right or an error, and what is found is a state that
/// once was.
pub struct Life<S: Machine> {
    pub(super) machine: S,
    pub(super) store: Option<Store<S>>,
    pub(super) setup: Setup,
    pub(super) now: State,
    pub(super) candidates: Vec<State>,
    /// What writes that failed would have made, since one succeeded.
    pub(super) maybe: Vec<State>,
    /// All states that ever were or may have been, the first first.
    pub(super) history: Vec<State>,
    /// All values that ever were or may have been written.
    pub(super) written: Vec<(u8, Value)>,
    pub(super) snapshots: Vec<(Snapshot<S>, State)>,
    pub(super) scans: Vec<(Scan<S>, ExpectedScan)>,
    /// Whether the step of a scan before was one that lends: they take turns.
    pub(super) lends: bool,
    pub(super) streams: Vec<Stream>,
    pub(super) followers: Vec<Follower>,
    pub(super) care: Care,
    whim: Random,
    pub(super) now_ms: u64,
    /// The highest version that anybody saw.
    pub(super) highest: u64,
    /// Keys that have expired may be there or not: nobody can see which state was found.
    pub(super) expired_may_be_there: bool,
    /// A merge is under way.
    pub(super) merging: bool,
    /// A bit was changed: damage may be told.
    pub(super) flipped: bool,
    /// It may look like what a crash leaves.
    pub(super) flip_may_hide: bool,
    /// What goes wrong after each power cut or death.
    pub(super) faults: VecDeque<Fault>,
    pub(super) outcome: Outcome,
}

impl<S: Machine> Life<S> {
    /// Runs a program. `faults` are what goes wrong after each power cut or death, in turn; what goes wrong first is set on
    /// the machine.
    ///
    /// # Errors
    ///
    /// The first answer that is wrong, in words.
    pub fn run(machine: S, setup: Setup, program: &[Step], faults: &[Fault]) -> Checked<Outcome> {
        Life::run_with(machine, setup, program, faults, Care::default())
    }

    /// As [`Life::run`], with more or less care.
    ///
    /// # Errors
    ///
    /// As [`Life::run`].
    pub fn run_with(
        machine: S,
        setup: Setup,
        program: &[Step],
        faults: &[Fault],
        care: Care,
    ) -> Checked<Outcome> {
        let life = Life {
            machine,
            store: None,
            setup,
            now: State::default(),
            candidates: vec![State::default()],
            maybe: Vec::new(),
            history: vec![State::default()],
            written: Vec::new(),
            snapshots: Vec::new(),
            scans: Vec::new(),
            lends: false,
            streams: Vec::new(),
            followers: vec![Follower::default(); 4],
            care,
            whim: Random::new(program.len() as u64),
            now_ms: 0,
            highest: 0,
            expired_may_be_there: false,
            merging: false,
            flipped: false,
            flip_may_hide: false,
            faults: faults.iter().copied().collect(),
            outcome: Outcome::default(),
        };
        life.go(program)
    }

    fn go(mut self, program: &[Step]) -> Checked<Outcome> {
        self.open(false)?;
        if self.notice_flips() {
            self.after_a_flip()?;
            return Ok(self.outcome());
        }
        for (number, step) in program.iter().enumerate() {
            let at = |what: String| format!("step {number}, {step:?}: {what}");
            self.machine.begin_step();
            self.step(step).map_err(at)?;
            self.outcome.steps += 1;
            if self.machine.is_off() {
                self.fall().map_err(at)?;
            }
            if self.notice_flips() {
                self.after_a_flip().map_err(at)?;
                return Ok(self.outcome());
            }
        }
        self.outcome.calls = self.machine.calls();
        self.end().map_err(|what| format!("at the end: {what}"))?;
        Ok(self.outcome())
    }

    /// A last power cut, which on a machine without any is the death of the process; then a clean close.
    fn end(&mut self) -> Checked {
        let looks = self.looks();
        if looks {
            self.check()?;
        }
        if self.notice_flips() {
            return self.after_a_flip();
        }
        self.faults.retain(|fault| !matches!(fault, Fault::FlipRead(_)));
        self.power_cut()?;
        if looks {
            self.check()?;
            self.reopen(true, self.setup)?;
            (0..4).try_for_each(|which| self.follow(which))?;
        }
        self.check()
    }

    fn outcome(&self) -> Outcome {
        let counts = self.machine.counts();
        Outcome {
            given_up: counts.given_up,
            lost_by_syncs: counts.lost_by_syncs,
            names_changed: counts.names_changed,
            slots_reused: counts.slots_reused,
            slots_torn: counts.slots_torn,
            flips: counts.flips,
            trace: self.machine.trace(),
            ..self.outcome
        }
    }

    /// Whether to compare all this time.
    pub(super) fn looks(&mut self) -> bool {
        self.whim.one_in(self.care.one_in)
    }

    pub(super) fn store(&self) -> Checked<&Store<S>> {
        self.store.as_ref().ok_or_else(|| String::from("the test lost its store"))
    }

    /// Takes an error for what it is: allowed where a call of the storage failed, and damage only where a bit was changed.
    pub(super) fn excused<T>(&mut self, result: bitcask_core::Result<T>) -> Checked<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.is_excused(&error) => {
                self.outcome.failures += 1;
                self.outcome.poisoned += u64::from(matches!(error, Error::Poisoned(_)));
                Ok(None)
            }
            Err(error) => Err(format!("an error that nothing explains: {error}")),
        }
    }

    pub(super) fn is_excused(&mut self, error: &Error) -> bool {
        let off = self.machine.is_off();
        match error {
            // Where a bit was changed, a place to write to may make no sense.
            Error::Io { .. } => off || self.machine.has_fired_lately() || self.notice_flips(),
            Error::Poisoned(_) => off || (self.machine.has_fired() && self.machine.may_poison()),
            // To a reader, a new store whose header is wrong is one that is still to be created.
            error
                if (error.is_damage() || matches!(error, Error::NoStore))
                    && self.notice_flips() =>
            {
                self.outcome.flips_told += 1;
                true
            }
            _ => false,
        }
    }

    fn step(&mut self, step: &Step) -> Checked {
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
            Step::Export { span } => self.export(span),
            Step::Import { which } => self.import(*which),
            Step::MergeStep { policy, budget_bytes } => self.merge_step(*policy, *budget_bytes),
            Step::Merge { policy } => self.merge(*policy),
            Step::SealPending => {
                let sealed = self.store()?.seal_pending();
                let count = self.excused(sealed)?.unwrap_or(0) as u64;
                self.outcome.late_seals += count;
                Ok(())
            }
            Step::Roll => {
                let rolled = self.store()?.roll();
                self.excused(rolled).map(drop)
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
            Step::Rot => self.rot(),
            Step::Reopen { close, setup } => self.reopen(*close, *setup),
        }
    }

    /// What a write that failed left may be there still, until one that worked took its place.
    pub(super) fn all_is_durable(&mut self) {
        self.candidates.clear();
        self.candidates.push(self.now.clone());
        self.candidates.extend(self.maybe.iter().cloned());
    }

    fn merge_step(&mut self, policy: Policy, budget_bytes: u16) -> Checked {
        let stepped = self.store()?.merge_step(&policy.policy(), u64::from(budget_bytes));
        let was_merging = std::mem::take(&mut self.merging);
        match self.excused(stepped)? {
            Some(MergeStep::Working(_)) => self.merging = true,
            Some(MergeStep::Merged(report)) => self.merged(&report),
            Some(MergeStep::Idle) => {}
            None => self.outcome.merges_given_up += u64::from(was_merging),
        }
        let held = 0 < self.store()?.stats().held_by_snapshots;
        self.outcome.held += u64::from(held);
        Ok(())
    }

    fn merge(&mut self, policy: Policy) -> Checked {
        let merged = self.store()?.merge(&policy.policy(), &mut |_| Go::On);
        let was_merging = std::mem::take(&mut self.merging);
        let Some(report) = self.excused(merged)? else {
            self.outcome.merges_given_up += u64::from(was_merging);
            return Ok(());
        };
        self.merged(&report);
        if policy == Policy::Full && !self.machine.has_fired() && !self.notice_flips() {
            self.check_nothing_dead()?;
        }
        Ok(())
    }

    fn merged(&mut self, report: &MergeReport) {
        self.outcome.merges += report.runs;
        self.outcome.tombstones_kept += report.tombstones_kept;
        self.outcome.tombstones_dropped += report.tombstones_dropped;
        self.outcome.expired += report.expired;
    }
}

pub(super) fn full() -> MergePolicy {
    Policy::Full.policy()
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
