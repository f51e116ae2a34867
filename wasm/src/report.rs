//! What the engine tells about itself, as plain JavaScript objects.

use bitcask_core::{
    Index, MergeReport, MergeStep, RecoveryReport, SegmentState, SegmentStats, Stats,
    VerifyProgress, VerifyReport,
};
use js_sys::{Array, BigInt, Object};

use crate::fault::{Fault, set};

/// A number as JavaScript has it: exact up to 2⁵³, which no count or length of a store reaches.
macro_rules! numbers {
    ($object:ident, $from:ident: $($name:literal $field:ident)*) => {
        $(set(&$object, $name, $from.$field as f64);)*
    };
}

pub(crate) fn recovery(report: &RecoveryReport, created: bool) -> Object {
    let object = Object::new();
    set(&object, "created", created);
    numbers!(object, report: "segments" segments "records" records "fromHints" from_hints "walked" walked "took" took_ms);
    set(&object, "clean", report.clean);
    set(&object, "bytesCut", report.cuts.iter().map(|cut| cut.bytes).sum::<u64>() as f64);
    let notes = Array::new();
    for cut in &report.cuts {
        let (segment, offset) = (cut.segment, cut.offset);
        notes.push(
            &format!("segment {segment}: a torn tail was cut at offset {offset}: {}", cut.why)
                .into(),
        );
    }
    for over in &report.passed_over {
        notes.push(&format!("passed over: {}; {} records served", over.error, over.served).into());
    }
    set(&object, "notes", notes);
    object
}

pub(crate) fn stats(stats: &Stats, handles: usize) -> Object {
    let object = Object::new();
    numbers!(object, stats: "keys" keys "keydirBytes" keydir_bytes "totalBytes" total_bytes
        "liveBytes" live_bytes "deadBytes" dead_bytes "snapshots" snapshots
        "heldBySnapshots" held_by_snapshots "hits" hits "misses" misses "puts" puts
        "deletes" deletes "syncs" syncs "merges" merges "mergeBytesRead" merge_bytes_read
        "mergeBytesCopied" merge_bytes_copied "mergeBytesFreed" merge_bytes_freed);
    let index = if stats.index == Index::Hash { "hash" } else { "ordered" };
    set(&object, "index", index);
    set(&object, "gets", (stats.hits + stats.misses) as f64);
    set(&object, "version", BigInt::from(stats.sequence));
    set(&object, "sequence", BigInt::from(stats.sequence));
    set(&object, "handles", handles as f64);
    if let Some(why) = &stats.poisoned {
        set(&object, "poisoned", why.as_str());
    }
    set(&object, "segments", stats.segments.iter().map(segment).collect::<Array>());
    object
}

fn segment(stats: &SegmentStats) -> Object {
    let object = Object::new();
    set(&object, "id", stats.id.0 as f64);
    let state = match stats.state {
        SegmentState::Active => "active",
        SegmentState::Spare => "spare",
        SegmentState::Pending if stats.is_merge => "merging",
        SegmentState::Pending => "rolled",
        SegmentState::Sealed => "sealed",
        SegmentState::Retired => "retired",
        _ => "quarantined",
    };
    set(&object, "state", state);
    set(&object, "isMerge", stats.is_merge);
    numbers!(object, stats: "firstPosition" first_position "lastPosition" last_position
        "bytes" total_bytes "liveBytes" live_bytes "deadBytes" dead_bytes
        "tombstoneBytes" tombstone_bytes "records" records "liveRecords" live_records
        "tombstones" tombstones);
    object
}

pub(crate) fn merge_step(step: &MergeStep) -> Object {
    let object = Object::new();
    match step {
        MergeStep::Idle => set(&object, "state", "idle"),
        MergeStep::Working(progress) => {
            set(&object, "state", "working");
            numbers!(object, progress: "bytesRead" bytes_read "bytesTotal" bytes_total);
        }
        MergeStep::Merged(report) => {
            set(&object, "state", "merged");
            set(&object, "report", merge(report));
        }
    }
    object
}

fn merge(report: &MergeReport) -> Object {
    let object = Object::new();
    numbers!(object, report: "runs" runs "inputs" inputs "outputs" runs "bytesRead" bytes_read
        "bytesCopied" bytes_copied "bytesFreed" bytes_freed "recordsCopied" records_copied
        "tombstonesKept" tombstones_kept "tombstonesDropped" tombstones_dropped
        "expired" expired);
    object
}

pub(crate) fn verify_progress(progress: &VerifyProgress) -> Object {
    let object = Object::new();
    numbers!(object, progress: "bytesRead" bytes_read "bytesTotal" bytes_total);
    object
}

pub(crate) fn verify(report: &VerifyReport) -> Object {
    let object = Object::new();
    numbers!(object, report: "segments" segments "sealed" sealed "records" records "bytes" bytes);
    let problems = report.problems.iter().map(|problem| {
        let fault = Fault::from(&problem.error);
        let object = Object::new();
        set(&object, "code", fault.code);
        set(&object, "segment", fault.segment.unwrap_or(0) as f64);
        set(&object, "offset", fault.offset.unwrap_or(0) as f64);
        set(&object, "what", fault.message);
        set(&object, "soundBehind", problem.sound_behind as f64);
        object
    });
    set(&object, "problems", problems.collect::<Array>());
    object
}
