//! Why a store is larger than what is live in it.

use indicatif::HumanBytes;
use serde::Serialize;

use super::super::store::{MergePolicy, SegmentState, SegmentStats, Stats};
use super::line;

/// What the bytes are that are not live. Their sum is all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Held {
    /// Dead, in sealed segments that a merge in the background finds worth it.
    pub(super) worth_merging_bytes: u64,
    /// Dead, in sealed segments with too little of it for a merge in the background.
    pub(super) not_worth_merging_bytes: u64,
    /// Dead, in segments that are not sealed yet.
    pub(super) unsealed_bytes: u64,
    /// Tombstones that stay, for an older segment may hold what they delete.
    pub(super) tombstone_bytes: u64,
    /// Dead, in damaged segments, which are never merged.
    pub(super) quarantined_bytes: u64,
    /// Merged segments that a snapshot still needs.
    pub(super) snapshot_bytes: u64,
    /// Headers, seals with their hints, and marks.
    pub(super) overhead_bytes: u64,
}

impl Held {
    pub(super) fn of(stats: &Stats) -> Held {
        let dead_ratio = MergePolicy::default().dead_ratio;
        let mut held = Held::default();
        let mut tombstones_stay = false;
        for segment in &stats.segments {
            held.add(segment, dead_ratio, tombstones_stay);
            // The newest dead record of a key may be a tombstone, which must not go before the others do.
            tombstones_stay |= segment.dead_bytes > 0 || segment.state == SegmentState::Quarantined;
        }
        held
    }

    fn add(&mut self, segment: &SegmentStats, dead_ratio: f64, tombstones_stay: bool) {
        let &SegmentStats { total_bytes, live_bytes, dead_bytes, tombstone_bytes, .. } = segment;
        let staying = if tombstones_stay { tombstone_bytes } else { 0 };
        let freed = dead_bytes.saturating_sub(staying);
        let place = match segment.state {
            SegmentState::Retired => {
                self.snapshot_bytes += total_bytes.saturating_sub(live_bytes);
                return;
            }
            SegmentState::Sealed => {
                self.tombstone_bytes += staying;
                match dead_ratio * total_bytes as f64 <= freed as f64 {
                    true => &mut self.worth_merging_bytes,
                    false => &mut self.not_worth_merging_bytes,
                }
            }
            SegmentState::Quarantined => {
                self.tombstone_bytes += staying;
                &mut self.quarantined_bytes
            }
            _ => {
                self.tombstone_bytes += staying;
                &mut self.unsealed_bytes
            }
        };
        *place += freed;
        self.overhead_bytes += total_bytes.saturating_sub(live_bytes).saturating_sub(dead_bytes);
    }

    pub(super) fn add_to(&self, text: &mut String) {
        let Held {
            worth_merging_bytes,
            not_worth_merging_bytes,
            unsealed_bytes,
            tombstone_bytes,
            quarantined_bytes,
            snapshot_bytes,
            overhead_bytes,
        } = *self;
        let reasons = [
            (worth_merging_bytes, "dead, and worth merging: `bitcask merge` gives it back"),
            (
                not_worth_merging_bytes,
                "dead, but less than 40 % of its segments: `bitcask merge` gives it back",
            ),
            (unsealed_bytes, "dead in the active segment: `bitcask merge` gives it back"),
            (
                tombstone_bytes,
                "tombstones, which stay for as long as older segments hold what they delete",
            ),
            (
                quarantined_bytes,
                "dead in damaged segments, which are never merged: see `bitcask verify`",
            ),
            (snapshot_bytes, "in merged segments that a snapshot needs"),
            (overhead_bytes, "headers, hints and marks"),
        ];
        if reasons.iter().all(|(bytes, _)| *bytes == 0) {
            return;
        }
        line(text, format_args!("\n  held, beside what is live:"));
        for (bytes, why) in reasons.iter().filter(|(bytes, _)| *bytes > 0) {
            line(text, format_args!("  {:>11}  {why}", HumanBytes(*bytes).to_string()));
        }
    }
}
