//! What opening tells.

use crate::error::Error;
use crate::segment::SegmentId;

/// What opening found and did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Segments that count.
    pub segments: usize,
    /// Keys that are there.
    pub records: u64,
    /// Segments that were loaded from the hints in their seals.
    pub from_hints: usize,
    /// Segments whose records were walked: the un-sealed ones, and sealed ones whose hints hold no keys where the keydir wants them.
    pub walked: usize,
    /// Torn tails that were cut (or, in a store that was opened for reading, passed over).
    pub cuts: Vec<Cut>,
    /// Segments that were removed: merged into others, never committed, or never begun.
    pub removed: Vec<SegmentId>,
    /// What salvage passed over. Empty after a strict opening.
    pub passed_over: Vec<PassedOver>,
    /// Whether the session before ended with a close.
    pub clean: bool,
    /// Time that reading took, in milliseconds.
    pub took_ms: u64,
}

/// A torn tail: bytes that were never durable, and that a crash left incomplete.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// The segment.
    pub segment: SegmentId,
    /// Where it ends now.
    pub offset: u64,
    /// Bytes behind it that were not zero, up to the last of them.
    pub bytes: u64,
    /// Why they do not count.
    pub why: &'static str,
}

/// Damage that salvage has passed over.
#[derive(Debug)]
#[non_exhaustive]
pub struct PassedOver {
    /// The damage.
    pub error: Error,
    /// Sound records of the same segment that are served.
    pub served: u64,
}
