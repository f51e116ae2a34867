//! Opens stores for the subcommands, and closes them.
//!
//! A command does one thing and ends, so nothing works in the background: what is written is synced by the write
//! itself (`--durability always`) or when the store is closed.

use std::path::Path;

use bitcask::{Access, Disk, Recovery, RecoveryReport};

pub(crate) use bitcask::{
    Batch, ChangeKind, Conditional, Db, Entry, Error, Go, ImportReport, Importer, Index,
    MergePolicy, Problem, Range, Result, SegmentId, SegmentState, SegmentStats, Stats,
    VerifyReport, WriteOptions, verify,
};

use super::arguments::{self, Reading, Writing};
use super::failure::Failure;
use super::output::say;

/// Damage that salvage passed over is shown in so many lines; the rest is counted.
const PASSED_OVER_SHOWN_MAX: usize = 5;

/// Whether a command that writes makes a store where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    IfMissing,
    Never,
}

/// The folder of a store, without the lock: for what looks at segments and opens no store.
pub(crate) fn folder(path: &Path) -> std::result::Result<Disk, Failure> {
    Ok(Disk::open(path, Access::Read, false)?)
}

/// Does something with a store that is open for reading only.
pub(crate) fn reading<T>(
    args: &Reading,
    work: impl FnOnce(&Db) -> std::result::Result<T, Failure>,
) -> std::result::Result<T, Failure> {
    let recovery = match args.salvage {
        true => Recovery::Salvage,
        false => Recovery::Strict,
    };
    let options = Db::options().read_only(true).index(args.index.into()).recovery(recovery);
    let db = options.open(&args.store)?;
    tell_passed_over(db.recovery());
    work(&db)
}

/// Does something with a store that is open for writing, and closes it: what was written is durable then, also
/// where the work failed half-way.
pub(crate) fn writing<T>(
    args: &Writing,
    create: Create,
    work: impl FnOnce(&Db) -> std::result::Result<T, Failure>,
) -> std::result::Result<T, Failure> {
    let mut options = Db::options()
        .background(false)
        .create(create == Create::IfMissing)
        .program("bitcask")
        .index(args.index.into())
        .durability(args.durability.into());
    if let Some(segment_bytes) = args.segment_bytes {
        options = options.segment_bytes(segment_bytes);
    }
    let db = options.open(&args.store)?;
    tell_cuts(db.recovery());
    let done = work(&db);
    let closed = db.close();
    let done = done?;
    closed?;
    Ok(done)
}

/// The entries of a range. A store that was opened with salvage goes on behind damaged records and tells of them.
pub(crate) fn entries<'a>(
    args: &'a Reading,
    db: &Db,
    range: Range,
) -> impl Iterator<Item = Result<Entry>> + use<'a> {
    db.scan(range).filter(|entry| match entry {
        Err(error) if args.salvage && error.is_damage() => {
            say(&format!("salvage passes over this: {error}"));
            false
        }
        _ => true,
    })
}

/// A torn tail is no error, but whoever looks for a write that is gone should read of it.
fn tell_cuts(report: &RecoveryReport) {
    for cut in &report.cuts {
        say(&format!(
            "a torn tail was cut: {} bytes of segment {} from offset {} on, never synced ({})",
            cut.bytes, cut.segment, cut.offset, cut.why
        ));
    }
}

fn tell_passed_over(report: &RecoveryReport) {
    for over in report.passed_over.iter().take(PASSED_OVER_SHOWN_MAX) {
        let served = match over.served {
            0 => String::new(),
            served => format!("; {served} sound records of this segment are served"),
        };
        say(&format!("salvage passes over this: {}{served}", over.error));
    }
    if let Some(more @ 1..) = report.passed_over.len().checked_sub(PASSED_OVER_SHOWN_MAX) {
        say(&format!("salvage passes over {more} more; `bitcask verify` lists all"));
    }
}

impl From<arguments::Index> for Index {
    fn from(index: arguments::Index) -> Index {
        match index {
            arguments::Index::Hash => Index::Hash,
            arguments::Index::Ordered => Index::Ordered,
        }
    }
}

impl From<arguments::Durability> for bitcask::Durability {
    fn from(durability: arguments::Durability) -> bitcask::Durability {
        match durability {
            arguments::Durability::None => bitcask::Durability::None,
            arguments::Durability::Interval => bitcask::Durability::Interval,
            arguments::Durability::Always => bitcask::Durability::Always,
        }
    }
}
