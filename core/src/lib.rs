//! The Bitcask engine of mini-bitcask: the log's format, the keydir, recovery and merge, without I/O.
//!
//! A *store* is a log of *segments*. Every write appends a *record* to the active segment and then points the *keydir*, a map in
//! memory from keys to places in the log, at it. A read is one look into the keydir and one into the log. A *merge* rewrites
//! the live records of old segments and frees the rest. The idea is that of Sheehy and Smith, "Bitcask: A Log-Structured
//! Hash Table for Fast Key/Value Data" (2010); the bytes, the order of writes and their proofs are in FORMAT.md.
//!
//! What the engine needs of a platform comes through two small traits, [`Segment`] and [`Storage`]. [`Memory`] is the example;
//! the crates `bitcask-cli` and `bitcask-wasm` bind it to files and to the browser's Origin Private File System.
//!
//! The engine starts no thread, reads no clock and does nothing behind its caller's back.
#![forbid(unsafe_code)]

mod append;
mod batch;
mod catalog;
mod changes;
mod commit;
mod dump;
mod error;
mod export;
mod format;
mod import;
mod keydir;
mod lend;
mod memory;
mod merge;
mod open;
mod options;
mod order;
mod read;
mod scan;
mod sealing;
mod segment;
mod snapshot;
mod stats;
mod store;
mod sync;
mod untold;
mod value;
mod verify;
mod write;

pub use batch::Batch;
pub use bytes::Bytes;
pub use catalog::SegmentState;
pub use changes::{Change, ChangeKind, Changes};
pub use dump::{DumpItem, DumpKind, dump};
pub use error::{Error, Result};
pub use export::Export;
pub use format::header::segment_id_of;
pub use format::{KEY_LEN_MAX, VALUE_LEN_MAX};
pub use import::{ImportReport, Importer};
pub use lend::EntryRef;
pub use memory::{Memory, MemorySegment};
pub use merge::{Go, MergePlan, MergePolicy, MergeProgress, MergeReport, MergeStep};
pub use open::{Cut, PassedOver, RecoveryReport, Threads};
pub use options::{Durability, Index, Options, Recovery, WriteOptions};
pub use scan::{Keys, Range, Scan};
pub use segment::{Segment, SegmentId, Storage};
pub use snapshot::Snapshot;
pub use stats::{SegmentStats, Stats};
pub use store::{Conditional, Entry, Store};
pub use value::Value;
pub use verify::{Problem, Verification, VerifyProgress, VerifyReport, verify};
