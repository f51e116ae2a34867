//! Errors, told apart by who is at fault and by what a caller can do.

use std::fmt;
use std::io;

use crate::segment::SegmentId;

/// What can go wrong. `Display` is one sentence without a full stop; [`Error::advice`] says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The caller: the key is empty or longer than 65,535 bytes.
    KeyLen(usize),
    /// The caller: the value is longer than 4,294,967,295 bytes.
    ValueLen(usize),
    /// The caller: a batch that does not fit below 4 GiB.
    BatchLen(u64),
    /// The caller: a write on a store that was opened for reading only.
    ReadOnly,
    /// The caller: nothing was there to open, and the options say not to create a store.
    NoStore,
    /// The caller: the store was closed.
    Closed,
    /// The caller: a limit of the format is reached; the text names it.
    Limit(&'static str),
    /// The environment: a call of the storage failed.
    Io {
        /// What was being done.
        doing: &'static str,
        /// The segment concerned, where there is one.
        segment: Option<SegmentId>,
        /// What the platform said.
        source: io::Error,
    },
    /// The environment, earlier: a write or a sync failed in a way after which this handle must not write.
    /// Reads go on. Holds the sentence of the first failure.
    Poisoned(String),
    /// Damage: durable bytes are not what they were.
    Damaged {
        /// Where.
        segment: SegmentId,
        /// Byte offset in the segment.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// Damage: segments for some positions of the log are gone.
    Missing {
        /// First position without a segment.
        first: u64,
        /// Last position without a segment.
        last: u64,
        /// Files that may once have been it: their headers cannot be read.
        unreadable: Vec<SegmentId>,
    },
    /// Damage or a mix-up: a segment belongs to another store, or is not what its name says.
    Foreign {
        /// The segment's name.
        segment: SegmentId,
        /// What it says of itself.
        what: String,
    },
    /// Damage outside of a store: bytes that were to be imported are no export's stream, or not what it wrote.
    Stream {
        /// Byte offset in the stream.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The store was written by a newer version of the format. Nothing was changed.
    Version {
        /// The segment that says so.
        segment: SegmentId,
        /// Version or feature found.
        found: String,
    },
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(doing: &'static str, segment: SegmentId, source: io::Error) -> Error {
        Error::Io { doing, segment: Some(segment), source }
    }

    pub(crate) fn damaged(segment: SegmentId, offset: u64, what: impl Into<String>) -> Error {
        Error::Damaged { segment, offset, what: what.into() }
    }

    /// Whether durable bytes are lost or damaged: [`Error::Damaged`], [`Error::Missing`], [`Error::Foreign`], and
    /// [`Error::Stream`] outside of a store.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Error::Damaged { .. }
                | Error::Missing { .. }
                | Error::Foreign { .. }
                | Error::Stream { .. }
        )
    }

    /// Whether the disk, or the quota, is full. What was there is untouched; deletes and merges may
    /// still work and make room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Error::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge))
    }

    /// What a person can do about it, in one sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Error::KeyLen(_) => "use a key of 1 to 65,535 bytes",
            Error::ValueLen(_) => "split the value; 4,294,967,295 bytes is the most",
            Error::BatchLen(_) => "write it as several batches",
            Error::ReadOnly => "open the store for writing",
            Error::NoStore => "check the path, or write something to create a store there",
            Error::Closed => "open the store again",
            Error::Limit(_) => "merge the store, or use larger segments",
            Error::Io { .. } if self.is_full() => {
                "make room on the disk and try again: a little is enough for deletes and a merge, which give back more; nothing that was stored is lost"
            }
            Error::Io { .. } => {
                "look at the disk and the permissions of the folder, then try again"
            }
            Error::Poisoned(_) => {
                "close the store and open it again; everything that was synced is there"
            }
            Error::Damaged { .. } => {
                "run verify to see how much is affected; restore the segment from a backup, or open with salvage to keep what is sound"
            }
            Error::Missing { .. } => {
                "put the missing segment files back, or open with salvage to keep what is there"
            }
            Error::Foreign { .. } => "move this file out of the store's folder",
            Error::Stream { .. } => {
                "export again, or take another copy; what was imported before this place is right"
            }
            Error::Version { .. } => "use a newer version of mini-bitcask; nothing was changed",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::KeyLen(0) => write!(f, "the key is empty"),
            Error::KeyLen(len) => write!(f, "the key has {len} bytes; 65,535 is the most"),
            Error::ValueLen(len) => {
                write!(f, "the value has {len} bytes; 4,294,967,295 is the most")
            }
            Error::BatchLen(len) => write!(f, "the batch takes {len} bytes; 4 GiB is the most"),
            Error::ReadOnly => write!(f, "the store is open for reading only"),
            Error::NoStore => write!(f, "there is no store here"),
            Error::Closed => write!(f, "the store is closed"),
            Error::Limit(what) => write!(f, "a limit is reached: {what}"),
            Error::Io { doing, segment: Some(id), source } => {
                write!(f, "{doing} segment {id} failed: {source}")
            }
            Error::Io { doing, segment: None, source } => write!(f, "{doing} failed: {source}"),
            Error::Poisoned(first) => write!(f, "the store takes no more writes since {first}"),
            Error::Damaged { segment, offset, what } => {
                write!(f, "segment {segment} is damaged at offset {offset}: {what}")
            }
            Error::Missing { first, last, unreadable } => {
                write!(f, "segments are missing: nothing stands for log position")?;
                if first == last {
                    write!(f, " {first}")?;
                } else {
                    write!(f, "s {first} to {last}")?;
                }
                match unreadable.as_slice() {
                    [] => Ok(()),
                    ids => {
                        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                        write!(f, " (the header of segment {} cannot be read)", ids.join(", "))
                    }
                }
            }
            Error::Foreign { segment, what } => {
                write!(f, "segment {segment} does not belong here: {what}")
            }
            Error::Stream { offset, what } => {
                write!(f, "the stream is damaged or not whole at offset {offset}: {what}")
            }
            Error::Version { segment, found } => {
                write!(f, "segment {segment} was written by a newer version: {found}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
