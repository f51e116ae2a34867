//! The Bitcask engine.
#![forbid(unsafe_code)]

mod error;
#[allow(dead_code, reason = "wired up below")]
mod format;
#[allow(dead_code, reason = "wired up below")]
mod keydir;
mod memory;
mod segment;

pub use bytes::Bytes;
pub use error::{Error, Result};
pub use format::header::segment_id_of;
pub use format::{KEY_LEN_MAX, VALUE_LEN_MAX};
pub use memory::{Memory, MemorySegment};
pub use segment::{Segment, SegmentId, Storage};
