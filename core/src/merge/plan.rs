//! Which neighbouring segments to merge next.

use crate::sync::Arc;

use crate::catalog::{Entry, SegmentState};
use crate::merge::MergePolicy;
use crate::segment::{Segment, Storage};
use crate::store::Inner;

/// A sealed segment as a plan sees it.
struct Candidate<G> {
    entry: Arc<Entry<G>>,
    /// Bytes of records that a merge would copy: the live ones, and the tombstones that must stay.
    kept: u64,
    small: bool,
    /// Worth merging for itself.
    worth: bool,
}

impl<S: Storage> Inner<S> {
    /// The inputs of the next merge, oldest first.
    pub(crate) fn plan(
        &self,
        policy: &MergePolicy,
        since_ms: u64,
    ) -> Option<Vec<Arc<Entry<S::Segment>>>> {
        self.stretches(policy, since_ms)
            .into_iter()
            .find_map(|stretch| choose(&stretch, policy, self.options.segment_bytes))
    }

    /// The sealed segments, in stretches of neighbours.
    fn stretches(&self, policy: &MergePolicy, since_ms: u64) -> Vec<Vec<Candidate<S::Segment>>> {
        let mut stretches = vec![Vec::new()];
        let mut older_all_live = true;
        for entry in self.catalog.in_order() {
            let tally = entry.tally();
            match entry.state() {
                SegmentState::Retired => continue,
                SegmentState::Sealed => {
                    let candidate = self.candidate(&entry, policy, since_ms, older_all_live);
                    if let Some(stretch) = stretches.last_mut() {
                        stretch.push(candidate);
                    }
                }
                _ => stretches.push(Vec::new()),
            }
            older_all_live &= is_all_live(&entry, tally.record_bytes);
        }
        stretches
    }

    fn candidate(
        &self,
        entry: &Arc<Entry<S::Segment>>,
        policy: &MergePolicy,
        since_ms: u64,
        tombstones_go: bool,
    ) -> Candidate<S::Segment> {
        let tally = entry.tally();
        let tombstones = if tombstones_go { 0 } else { tally.tombstone_bytes };
        let kept = entry.live_bytes().saturating_add(tombstones);
        let freed = tally.record_bytes.saturating_sub(kept);
        let small_bytes = policy.small_ratio * self.options.segment_bytes as f64;
        let look_for_expired =
            policy.expired && 0 < tally.expiring && entry.expiry_checked_ms() < since_ms;
        let is_dead_enough = 0 < freed && policy.dead_ratio * entry.end() as f64 <= freed as f64;
        Candidate {
            entry: Arc::clone(entry),
            kept,
            small: (entry.end() as f64) < small_bytes,
            worth: is_dead_enough || look_for_expired,
        }
    }
}

/// Whether a segment holds nothing but the latest records of keys that are there.
pub(super) fn is_all_live<G: Segment>(entry: &Entry<G>, record_bytes: u64) -> bool {
    entry.state() != SegmentState::Quarantined && entry.live_bytes() == record_bytes
}

/// The oldest segment worth merging with the neighbours that fit into one output with it; else a run of small ones.
fn choose<G: Segment>(
    stretch: &[Candidate<G>],
    policy: &MergePolicy,
    segment_bytes: u64,
) -> Option<Vec<Arc<Entry<G>>>> {
    let start = stretch.iter().position(|candidate| candidate.worth);
    if let Some(start) = start {
        // The oldest first: what it frees of tombstones lets those of later segments go.
        return Some(run_from(stretch, start, segment_bytes, |c| c.worth || c.small));
    }
    (0..stretch.len())
        .filter(|start| stretch.get(*start).is_some_and(|c| c.small))
        .map(|start| run_from(stretch, start, segment_bytes, |c| c.small))
        .find(|run| policy.small_run.max(2) <= run.len())
}

/// The run that begins at `start` and takes along what `joins`, as long as it fits.
fn run_from<G: Segment>(
    stretch: &[Candidate<G>],
    start: usize,
    segment_bytes: u64,
    joins: impl Fn(&Candidate<G>) -> bool,
) -> Vec<Arc<Entry<G>>> {
    let mut run = Vec::new();
    let mut kept: u64 = 0;
    for candidate in stretch.iter().skip(start) {
        kept = kept.saturating_add(candidate.kept);
        let fits = kept <= segment_bytes && joins(candidate);
        if !run.is_empty() && !fits {
            break;
        }
        run.push(Arc::clone(&candidate.entry));
    }
    run
}
