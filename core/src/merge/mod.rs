//! Merging: live records of neighbouring sealed segments are rewritten into one, and the inputs go.
//!
//! In steps of bounded work, beside reads and writes. [`plan`] chooses the inputs, [`job`] copies, commits and
//! publishes. FORMAT.md has the order of the writes (section 7) and the rule for tombstones with its proof (section 8).

mod job;
mod plan;

use crate::sync::{Arc, MutexGuard, PoisonError};

use crate::catalog::{Entry, SegmentState};
use crate::error::{Error, Result};
use crate::segment::{Segment, SegmentId, Storage};
use crate::store::{Inner, Store};
use job::Job;

/// How long steps leave a segment alone that they looked through for expired records, else they would never be idle.
const EXPIRY_PAUSE_MS: u64 = 60 * 60 * 1000;

/// Which segments are worth merging.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MergePolicy {
    /// A segment is merged when this part of its bytes, 0 to 1, would be freed.
    pub dead_ratio: f64,
    /// A segment shorter than this part of the store's segment length is small: neighbouring small ones are
    /// joined, and small ones are taken along.
    pub small_ratio: f64,
    /// How many neighbouring small segments are worth joining for that alone.
    pub small_run: usize,
    /// Whether segments with records that may have expired are looked through: by [`Store::merge`] always, by
    /// [`Store::merge_step`] once an hour.
    pub expired: bool,
}

impl Default for MergePolicy {
    /// For merging in the background: what frees 40 % or more, and runs of four small segments.
    fn default() -> MergePolicy {
        MergePolicy { dead_ratio: 0.4, small_ratio: 0.125, small_run: 4, expired: false }
    }
}

impl MergePolicy {
    /// For merging on demand: whatever is dead or expired goes, and small segments are joined.
    #[must_use]
    pub fn full() -> MergePolicy {
        MergePolicy { dead_ratio: 0.0, small_ratio: 0.5, small_run: 2, expired: true }
    }

    /// Merges what frees this part of a segment, 0 to 1.
    #[must_use]
    pub fn dead_ratio(self, dead_ratio: f64) -> MergePolicy {
        MergePolicy { dead_ratio, ..self }
    }
}

/// What a merge would do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergePlan {
    /// The segments that would be merged: neighbours, oldest first.
    pub inputs: Vec<SegmentId>,
    /// Bytes that would be read.
    pub bytes_total: u64,
    /// Bytes that would be written, at most.
    pub bytes_live: u64,
}

/// How far a merge is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeProgress {
    /// Bytes of inputs that were read.
    pub bytes_read: u64,
    /// Bytes of all inputs of this run.
    pub bytes_total: u64,
}

/// What merging came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    /// How many times segments were merged into one.
    pub runs: u64,
    /// Segments that were merged.
    pub inputs: u64,
    /// Bytes of inputs that were read.
    pub bytes_read: u64,
    /// Bytes of records that were copied.
    pub bytes_copied: u64,
    /// Bytes that the files are shorter now, or will be when no snapshot needs the inputs any more.
    pub bytes_freed: u64,
    /// Live records that were copied.
    pub records_copied: u64,
    /// Tombstones that were kept, and dropped.
    pub tombstones_kept: u64,
    /// Tombstones that nothing needed any more.
    pub tombstones_dropped: u64,
    /// Records that had expired.
    pub expired: u64,
}

impl MergeReport {
    fn add(&mut self, other: &MergeReport) {
        self.runs += other.runs;
        self.inputs += other.inputs;
        self.bytes_read += other.bytes_read;
        self.bytes_copied += other.bytes_copied;
        self.bytes_freed += other.bytes_freed;
        self.records_copied += other.records_copied;
        self.tombstones_kept += other.tombstones_kept;
        self.tombstones_dropped += other.tombstones_dropped;
        self.expired += other.expired;
    }
}

/// What one step of merging did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeStep {
    /// There is nothing that the policy finds worth merging.
    Idle,
    /// Something was done; there is more.
    Working(MergeProgress),
    /// A run came to its end.
    Merged(MergeReport),
}

/// Whether long work goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// It goes on.
    On,
    /// It stops at the next good place; nothing is lost.
    Stop,
}

/// The merge that is under way, and the segments that wait for snapshots to let them go.
pub(crate) struct Merger<G> {
    job: Option<Job<G>>,
    retired: Vec<Retired<G>>,
}

/// A merged input that still has its file.
struct Retired<G> {
    entry: Arc<Entry<G>>,
    /// Snapshots up to this sequence number may need it.
    at_sequence: u64,
}

impl<G: Segment> Merger<G> {
    pub(crate) fn new() -> Merger<G> {
        Merger { job: None, retired: Vec::new() }
    }
}

impl<S: Storage> Store<S> {
    /// What the next merge would do, if there is one worth doing.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn merge_plan(&self, policy: &MergePolicy) -> Result<Option<MergePlan>> {
        let inner = self.inner();
        inner.check_open()?;
        Ok(inner.plan(policy, inner.storage.now_ms()).map(|inputs| MergePlan {
            inputs: inputs.iter().map(|entry| entry.id()).collect(),
            bytes_total: inputs.iter().map(|entry| entry.end()).sum(),
            bytes_live: inputs.iter().map(|entry| entry.live_bytes()).sum(),
        }))
    }

    /// Begins a merge, or goes on with the one under way: reads about `budget_bytes` of inputs. A run ends with a step
    /// that syncs. A run that is under way when the store closes is given up, and costs nothing but its work.
    ///
    /// # Errors
    ///
    /// `Damaged`: an input is not what it should be; it is quarantined, its sound records are still served, nothing was removed.
    /// `Io`: the merge was given up and its output removed; a later call begins again.
    pub fn merge_step(&self, policy: &MergePolicy, budget_bytes: u64) -> Result<MergeStep> {
        let now_ms = self.inner().storage.now_ms();
        // Never 0, which says that a segment was not looked through yet.
        let since_ms = now_ms.saturating_sub(EXPIRY_PAUSE_MS).max(1);
        self.inner().merge_step(policy, budget_bytes, since_ms)
    }

    /// Merges until the policy finds nothing more worth merging.
    ///
    /// # Errors
    ///
    /// As [`Store::merge_step`]; damage is reported at the end, after all else was merged.
    pub fn merge(
        &self,
        policy: &MergePolicy,
        on_progress: &mut dyn FnMut(MergeProgress) -> Go,
    ) -> Result<MergeReport> {
        const STEP_BYTES: u64 = 4 << 20;
        let inner = self.inner();
        let since_ms = inner.storage.now_ms();
        let mut report = MergeReport::default();
        let mut damage = None;
        let mut quarantined = inner.quarantined();
        loop {
            match inner.merge_step(policy, STEP_BYTES, since_ms) {
                Ok(MergeStep::Idle) => break,
                Ok(MergeStep::Merged(run)) => report.add(&run),
                Ok(MergeStep::Working(progress)) => {
                    if on_progress(progress) == Go::Stop {
                        inner.abandon_merge()?;
                        break;
                    }
                }
                // The damaged input is quarantined now, so the next plan leaves it out.
                Err(error) if error.is_damage() && quarantined < inner.quarantined() => {
                    quarantined = inner.quarantined();
                    damage.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        damage.map_or(Ok(report), Err)
    }
}

impl<S: Storage> Inner<S> {
    fn merger(&self) -> MutexGuard<'_, Merger<S::Segment>> {
        self.merger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn merge_step(
        &self,
        policy: &MergePolicy,
        budget_bytes: u64,
        since_ms: u64,
    ) -> Result<MergeStep> {
        if !self.options.writes() {
            return Err(Error::ReadOnly);
        }
        self.check_open()?;
        self.check_poison()?;
        self.release_retired()?;
        let mut merger = self.merger();
        let mut job = match merger.job.take() {
            Some(job) => job,
            None => match self.plan(policy, since_ms) {
                Some(inputs) => Job::begin(self, inputs, since_ms)?,
                None => return Ok(MergeStep::Idle),
            },
        };
        match job.step(self, budget_bytes.max(1)) {
            Ok(None) => {
                let progress = job.progress();
                merger.job = Some(job);
                Ok(MergeStep::Working(progress))
            }
            Ok(Some(report)) => {
                self.retire(&mut merger, job, &report);
                drop(merger);
                self.release_retired()?;
                Ok(MergeStep::Merged(report))
            }
            Err(error) => {
                // The first error is the one to tell; an output that stays is removed by the next opening.
                let _ = job.abandon(self);
                Err(error)
            }
        }
    }

    /// Gives up the merge that is under way or, where it is committed already, brings it to its end.
    pub(crate) fn abandon_merge(&self) -> Result<()> {
        let mut merger = self.merger();
        let Some(mut job) = merger.job.take() else { return Ok(()) };
        if !job.is_committed() {
            return job.abandon(self);
        }
        while job.is_committed() {
            if let Some(report) = job.step(self, u64::MAX)? {
                self.retire(&mut merger, job, &report);
                break;
            }
        }
        Ok(())
    }

    /// Counts a finished merge, and lets its inputs go as soon as no snapshot needs them.
    fn retire(&self, merger: &mut Merger<S::Segment>, job: Job<S::Segment>, report: &MergeReport) {
        self.counters.merged(report);
        let at_sequence = self.sequence();
        let retired = job.into_inputs().into_iter();
        merger.retired.extend(retired.map(|entry| Retired { entry, at_sequence }));
    }

    /// Removes merged inputs that no snapshot needs.
    pub(crate) fn release_retired(&self) -> Result<()> {
        let mut merger = self.merger();
        let oldest = self.snapshots.oldest();
        let (needed, free): (Vec<_>, Vec<_>) = std::mem::take(&mut merger.retired)
            .into_iter()
            .partition(|retired| oldest.is_some_and(|oldest| oldest <= retired.at_sequence));
        merger.retired = needed;
        let mut free = free.into_iter();
        while let Some(retired) = free.next() {
            self.catalog.remove(&retired.entry);
            let id = retired.entry.id();
            match self.storage.remove(id) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    // It is tried again by the next call.
                    merger.retired.push(retired);
                    merger.retired.extend(free);
                    return Err(Error::io("removing", id, source));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How many segments wait for snapshots.
    pub(crate) fn retired(&self) -> usize {
        self.merger().retired.len()
    }

    /// How many segments are quarantined.
    fn quarantined(&self) -> usize {
        let slots = self.catalog.load();
        slots.iter().flatten().filter(|entry| entry.state() == SegmentState::Quarantined).count()
    }

    /// Says that a segment is damaged: it is served as far as it is sound, and never merged or removed.
    fn quarantine(&self, entry: &Entry<S::Segment>) {
        entry.end_merge();
        entry.set_state(SegmentState::Quarantined);
    }
}
