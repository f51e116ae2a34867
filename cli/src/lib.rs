//! mini-bitcask on real files.
//!
//! A [`Db`] is a folder that holds a store. It needs no configuration, may be used from any number of threads, syncs
//! every second, and merges in the background.
//!
//! ```
//! use bitcask::{Batch, Db, Durability, Range, WriteOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let parent = tempfile::tempdir()?;
//! # let folder = parent.path().join("users");
//! let db = Db::open(&folder)?;
//! db.put(b"user:1", b"Ada")?;
//! db.put(b"user:2", b"Grace")?;
//! assert_eq!(db.get(b"user:1")?.as_deref(), Some(&b"Ada"[..]));
//!
//! // This one survives a power cut from here on.
//! db.put_with(b"user:3", b"Edsger", &WriteOptions::durability(Durability::Always))?;
//!
//! // All of a batch or nothing.
//! let mut batch = Batch::new();
//! batch.delete(b"user:1")?.put(b"user:4", b"Barbara")?;
//! db.write(&batch, &WriteOptions::default())?;
//!
//! let names: Vec<_> = db
//!     .scan(Range::prefix("user:"))
//!     .map(|entry| entry.map(|entry| entry.value))
//!     .collect::<Result<_, _>>()?;
//! assert_eq!(names, ["Grace", "Edsger", "Barbara"]);
//! db.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything else that a [`Store`] does, a `Db` does too: snapshots, compare and swap, expiry, a change feed, export as one
//! checked stream, statistics, verifying, merging on demand.

mod db;
mod disk;

pub use bitcask_core::{
    Batch, Bytes, Change, ChangeKind, Changes, Conditional, Cut, DumpItem, DumpKind, Durability,
    Entry, Error, Export, Go, ImportReport, Importer, Index, KEY_LEN_MAX, MergePlan, MergePolicy,
    MergeProgress, MergeReport, MergeStep, PassedOver, Problem, Range, Recovery, RecoveryReport,
    Result, Scan, SegmentId, SegmentState, SegmentStats, Snapshot, Stats, Store, VALUE_LEN_MAX,
    VerifyProgress, VerifyReport, WriteOptions, dump, verify,
};
pub use db::{AutoMerge, Db, DbOptions, OpenError};
pub use disk::{Access, Disk, DiskOptions, DiskSegment, FolderError};
