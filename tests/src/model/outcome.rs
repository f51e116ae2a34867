//! What happened in a life, and whether it was enough.

/// Makes the counts of [`Outcome`], and what is done with all of them.
macro_rules! counts {
    ($($(#[doc = $text:literal])* $name:ident)*) => {
        /// What happened in a life. Where a count is of something rare, it is a *probe*: it proves that the rare path was taken.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Outcome {
            $($(#[doc = $text])* pub $name: u64,)*
            /// Calls of the storage since the last power cut, when the program had come to its end: those that change something,
            /// and those that look.
            pub calls: (u64, u64),
            /// Stands for all calls of the storage: the same seed gives the same.
            pub trace: u64,
        }

        impl Outcome {
            /// Adds the counts of another life.
            pub fn add(&mut self, other: &Outcome) {
                $(self.$name += other.$name;)*
            }

            /// All counts by their names.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

counts! {
    /// Lives: a store that was opened for writing and lived until the next opening.
    lives
    /// Steps that were run.
    steps
    /// Power cuts, those in the middle of an opening included.
    cuts
    /// Of these, the ones while a store was being opened.
    cuts_in_open
    /// Deaths of the process alone, in the middle of a call of the storage.
    kills
    /// Of these, the ones while a store was being opened.
    kills_in_open
    /// Power cuts after which something that was written was not there, which is allowed where it was not synced.
    losses
    /// Torn tails that were cut.
    torn
    /// Of these, the ones that ended in half a batch.
    torn_batches
    /// Segments that opening loaded from hints, and those that it walked.
    hinted
    /// Segments that opening walked.
    walked
    /// Segments that opening removed.
    removed
    /// Calls of the store that failed because the storage did.
    failures
    /// Appends that failed and were undone, so that the store went on.
    undone
    /// Calls that were refused because of an earlier failure.
    poisoned
    /// Seals that had to wait, and were written by a later call.
    late_seals
    /// Merges that came to their end.
    merges
    /// Merges that were given up.
    merges_given_up
    /// Tombstones that merges kept.
    tombstones_kept
    /// Tombstones that merges dropped.
    tombstones_dropped
    /// Expired records that merges met.
    expired
    /// Times that a snapshot held merged segments.
    held
    /// Conditional writes that found what they wanted.
    matched
    /// Conditional writes that did not.
    differed
    /// Pulls of followers that were told all.
    told
    /// Pulls of followers that were told to begin anew.
    anew
    /// Streams that were exported.
    exports
    /// Streams that were imported.
    imports
    /// Failed syncs that gave up what they should have written.
    given_up
    /// Power cuts that took what a failed sync had given up, and a later sync had passed over.
    lost_by_syncs
    /// Names that came back or went with the power.
    names_changed
    /// Segments in slots that were used before.
    slots_reused
    /// Slots whose header was torn.
    slots_torn
    /// Bits that were changed, in what was durable or in what was read.
    flips
    /// Stores that did not open because of that, and said so.
    flips_refused
    /// Reads and merges that met it, and said so.
    flips_told
    /// Stores in which it changed nothing that anybody saw.
    flips_unseen
}
