//! mini-bitcask on real files.

mod disk;

pub use disk::{Access, Disk, DiskOptions, DiskSegment, FolderError};
