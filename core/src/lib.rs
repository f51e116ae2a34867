//! The Bitcask engine.
#![forbid(unsafe_code)]

mod error;
mod memory;
mod segment;

pub use bytes::Bytes;
pub use error::{Error, Result};
pub use memory::{Memory, MemorySegment};
pub use segment::{Segment, SegmentId, Storage};
