//! The end of one life of a store and the beginning of the next.

use bitcask_core::{Entry, Error, Go, Index, Options, RecoveryReport, Store, verify};

use super::life::{Checked, Life};
use super::machine::Machine;
use super::state::{Span, State};
use super::step::Setup;

/// Openings that may fail one after another before the disk is whole again: more than a fault ever lasts, but for one that is for
/// good.
const ATTEMPTS: u32 = 20;

impl<S: Machine> Life<S> {
    /// Closes the store or just lets go of it, as a killed process does, and opens it again.
    pub(super) fn reopen(&mut self, close: bool, setup: Setup) -> Checked {
        if close {
            let closed = self.store()?.close();
            if self.excused(closed)?.is_some() && !self.machine.is_off() {
                self.all_is_durable();
            }
            self.check_closed()?;
        }
        self.setup = setup;
        if self.machine.is_off() {
            return self.fall();
        }
        self.let_go();
        self.open(false)
    }

    /// Nothing works any more but snapshots.
    fn check_closed(&mut self) -> Checked {
        let refused = self.store()?.put(b"k", b"v");
        if !matches!(refused, Err(Error::Closed)) {
            return Err(format!("a closed store said {refused:?} to a put"));
        }
        for which in 0..self.snapshots.len() {
            self.check_snapshot(which as u8, &Span::default())
                .map_err(|what| format!("after close: {what}"))?;
        }
        Ok(())
    }

    pub(super) fn let_go(&mut self) {
        self.snapshots.clear();
        self.scans.clear();
        self.outcome.merges_given_up += u64::from(std::mem::take(&mut self.merging));
        self.store = None;
    }

    /// The power went, or the process died, and the store is opened on what is left.
    pub(super) fn fall(&mut self) -> Checked {
        if !self.machine.is_killed() {
            return self.power_cut();
        }
        self.let_go();
        self.rise();
        self.open(false)
    }

    /// The power goes, if it has not yet, and the store is opened on what is left.
    pub(super) fn power_cut(&mut self) -> Checked {
        self.let_go();
        self.outcome.cuts += 1;
        let next = self.faults.pop_front().unwrap_or_default();
        self.machine.power_on(next);
        self.open(true)
    }

    /// After the death of the process or a power cut; says whether it was one.
    fn rise(&mut self) -> bool {
        let next = self.faults.pop_front().unwrap_or_default();
        if self.machine.is_killed() {
            self.outcome.kills += 1;
            self.machine.restart(next);
            return false;
        }
        self.outcome.cuts += 1;
        self.machine.power_on(next);
        true
    }

    /// Opens the store, however often the power goes meanwhile, and finds out what is there.
    pub(super) fn open(&mut self, mut after_a_cut: bool) -> Checked {
        for attempt in 0..ATTEMPTS {
            if attempt + 5 == ATTEMPTS {
                // What is broken for good is replaced.
                self.machine.restart(super::Fault::None);
            }
            self.machine.forget_fired();
            if after_a_cut && attempt == 0 && self.looks() {
                self.look_before_opening()?;
                self.machine.forget_fired();
            }
            let opened = Store::open(self.machine.clone(), self.setup.options());
            self.outcome.lives += 1;
            if self.machine.is_off() {
                drop(opened);
                // It may have cut something before.
                self.flip_may_hide |= self.notice_flips();
                let was_cut = self.rise();
                after_a_cut |= was_cut;
                self.outcome.cuts_in_open += u64::from(was_cut);
                self.outcome.kills_in_open += u64::from(!was_cut);
                continue;
            }
            let Some(store) = self.excused(opened).map_err(|what| format!("opening: {what}"))?
            else {
                // Refused because of a changed bit: what the next one finds is looked at apart.
                if self.flipped {
                    return Ok(());
                }
                continue;
            };
            self.flip_may_hide |= self.notice_flips() && !store.recovery().cuts.is_empty();
            self.count_recovery(store.recovery());
            self.store = Some(store);
            let Some(entries) = self.all_entries()? else {
                self.let_go();
                if self.flipped {
                    return Ok(());
                }
                continue;
            };
            return self.go_on_from(&entries, after_a_cut);
        }
        Err(String::from("the store does not open, however often it is tried"))
    }

    fn count_recovery(&mut self, report: &RecoveryReport) {
        let outcome = &mut self.outcome;
        outcome.torn += report.cuts.len() as u64;
        let half_batches = report.cuts.iter().filter(|cut| cut.why == "a batch has no end");
        outcome.torn_batches += half_batches.count() as u64;
        outcome.hinted += report.from_hints as u64;
        outcome.walked += report.walked as u64;
        outcome.removed += report.removed.len() as u64;
    }

    /// What was found becomes what is; opening has made it durable.
    fn go_on_from(&mut self, entries: &[Entry], after_a_cut: bool) -> Checked {
        let Some(found) = self.find_state(entries, after_a_cut) else {
            // After a changed bit it may be less, which is looked at apart.
            if self.notice_flips() {
                return Ok(());
            }
            let candidates = if after_a_cut { &self.candidates } else { &self.maybe };
            return Err(format!(
                "found {entries:?}\nwhere {:?}\nor another of {} states should be, the first {:?}",
                self.now,
                candidates.len(),
                candidates.first()
            ));
        };
        let mut states = self.candidates.iter().chain(&self.maybe);
        self.expired_may_be_there |= states.any(|state| state.has_expired(self.now_ms));
        self.outcome.losses += u64::from(found != self.now);
        self.now = found.take_versions(entries);
        self.saw(entries);
        self.maybe.clear();
        self.all_is_durable();
        Ok(())
    }

    fn find_state(&self, entries: &[Entry], after_a_cut: bool) -> Option<State> {
        let others = if after_a_cut { &self.candidates } else { &self.maybe };
        let mut states = std::iter::once(&self.now).chain(others);
        states.find(|state| state.is(entries, self.now_ms)).cloned()
    }

    /// What a reader and `verify` say before anything is put in order: the same, and no false alarm.
    fn look_before_opening(&mut self) -> Checked {
        let verified = match verify(&self.machine, &mut |_| Go::On) {
            Err(Error::NoStore) => return Ok(()),
            verified => verified,
        };
        if let Some(report) = self.excused(verified)?
            && let Some(problem) = report.problems.first()
            && !self.notice_flips()
        {
            return Err(format!("verify after a power cut: {}", problem.error));
        }
        let options = Options::default().read_only(true).index(Index::Hash);
        let opened = Store::open(self.machine.clone(), options);
        let Some(reader) = self.excused(opened).map_err(|what| format!("reading: {what}"))? else {
            return Ok(());
        };
        let entries: bitcask_core::Result<Vec<Entry>> =
            reader.scan(Span::default().range()).collect();
        match self.excused(entries)? {
            Some(entries) if self.find_state(&entries, true).is_none() && !self.notice_flips() => {
                Err(format!("a reader after a power cut sees {entries:?}"))
            }
            _ => Ok(()),
        }
    }
}
