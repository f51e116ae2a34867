//! The seam: what the engine asks of a platform.
//!
//! Two small synchronous traits. [`Segment`] is one append-only file, [`Storage`] the folder that holds
//! them, with the two things of the platform that the engine cannot have itself: the time and randomness.
//! The contract is written here and tested by one suite (`bitcask_tests::conformance`) that every
//! implementation runs unchanged.
//!
//! Errors are [`std::io::Error`] on every platform; the engine tells [`io::ErrorKind::StorageFull`] and
//! [`io::ErrorKind::QuotaExceeded`] from the rest, so a binding should use them.

use std::fmt;
use std::io;
use std::ops::Range;

use bytes::Bytes;

/// Names a segment. Ids are handed out in rising order and begin at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One append-only file.
///
/// All methods take `&self`: readers never wait for the one appender. The engine calls [`append`], [`truncate`],
/// [`settle`] and [`freeze`] from one thread at a time and never appends after a freeze; reads and
/// syncs may come from any thread at any moment.
///
/// [`append`]: Segment::append
/// [`truncate`]: Segment::truncate
/// [`settle`]: Segment::settle
/// [`freeze`]: Segment::freeze
pub trait Segment {
    /// Length in bytes: where the next append goes.
    ///
    /// When a segment has just been opened this is the length of the file, which may be more than what
    /// was appended: a binding may have grown the file in steps (what it adds reads as zeros) or reuse
    /// a slot (stale bytes of its earlier life). The engine finds the log's end and truncates to it.
    fn len(&self) -> u64;

    /// Whether the length is 0.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Exactly `len` bytes from `offset`, lent where the binding can (a mapped file), else copied.
    ///
    /// The bytes stay valid for as long as they are held, also after the segment was removed.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` where the range ends beyond [`Segment::len`]; whatever the platform says else.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes>;

    /// As [`Segment::read_at`], which gives the same bytes then, but only looked at where they are: `None` where the binding does not have the bytes in
    /// memory, or the range ends beyond what was frozen or [settled](Segment::settle). Copies and counts nothing, so most
    /// of what the engine looks at costs no more than the bytes themselves.
    fn peek(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let _ = (offset, len);
        None
    }

    /// Promises that the bytes before `len` are never cut: a binding may map them, although the segment still grows.
    /// Said after appends, with a `len` that is at most [`Segment::len`] and never smaller than one said before.
    fn settle(&self, len: u64) {
        let _ = len;
    }

    /// Adds the bytes of all parts, one after another, at [`Segment::len`].
    ///
    /// Success means that all bytes can be read by this process and by others and survive its death
    /// (not a power cut). A binding accepts nothing but the exact count as a success.
    ///
    /// # Errors
    ///
    /// After an error any part of the bytes may be there, and `len` may have grown; the engine
    /// truncates back to where it was.
    fn append(&self, parts: &[&[u8]]) -> io::Result<()>;

    /// Returns once everything appended or rewritten before the call, and the length, survives a power cut.
    ///
    /// # Errors
    ///
    /// After an error nothing is known about what is durable, and the engine writes no more. The platform
    /// may call bytes written that are not (Linux does), so that a later sync, also of the same file
    /// opened anew, says yes without having written them: only [`Segment::rewrite`] makes good for it.
    fn sync(&self) -> io::Result<()>;

    /// Writes the bytes that stand at a place once more, there, so that the next sync writes them out for certain. Only opening calls
    /// this, for what a process before may have failed to sync; never after a freeze, and never what was [settled](Segment::settle).
    ///
    /// Nobody who reads sees a change, and a power cut in the middle leaves what was durable. A binding may
    /// let the platform forget what it has cached of the segment, so the engine looks again at what is there then.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where the place ends beyond [`Segment::len`], and nothing is changed then; whatever the platform
    /// says else.
    fn rewrite(&self, place: Range<u64>) -> io::Result<()>;

    /// Cuts the segment to `len` bytes; the next append goes there. Not durable before a sync.
    ///
    /// Never grows: `len` is at most [`Segment::len`]. Never cuts what was [settled](Segment::settle).
    ///
    /// # Errors
    ///
    /// Whatever the platform says; nothing is changed then.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Promises that the segment never changes again: it is sealed and synced. A binding may give back
    /// the growth behind [`Segment::len`], map the file, and close what only a writer needs. May be
    /// said more than once, and right after [`Storage::open`].
    ///
    /// # Errors
    ///
    /// Whatever the platform says. The segment can be read as before.
    fn freeze(&self) -> io::Result<()>;
}

/// The folder of a store, and what else the engine needs of its platform.
///
/// Having a `Storage` *is* having the store: a binding takes its lock before it hands one out, and
/// gives it back when the storage is dropped.
pub trait Storage {
    /// What [`Storage::create`] and [`Storage::open`] return.
    type Segment: Segment;

    /// The ids of all segments that exist, in any order. Files that are not segments are not listed.
    ///
    /// # Errors
    ///
    /// Whatever the platform says.
    fn list(&self) -> io::Result<Vec<SegmentId>>;

    /// Makes an empty segment. When this returns, the segment's existence survives a power cut.
    ///
    /// One call of a store's method creates at most two segments (a first opening), one in all other
    /// cases, so a binding that can only open files ahead of time keeps two ready.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` where there is one of this id; whatever the platform says else.
    fn create(&self, id: SegmentId) -> io::Result<Self::Segment>;

    /// Opens a segment that exists: for reading, and for appending unless the storage is read-only.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is none; whatever the platform says else.
    fn open(&self, id: SegmentId) -> io::Result<Self::Segment>;

    /// Removes a segment. When this returns, its absence survives a power cut. Segments and bytes that
    /// are still held can be read until they are dropped.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is none; whatever the platform says else.
    fn remove(&self, id: SegmentId) -> io::Result<()>;

    /// Called by the thread that is about to sync for others too, where more wrote lately than wait now: a binding with threads may
    /// give them a moment, as short as it likes, until there are `enough`. They write meanwhile, and share the sync.
    fn gather(&self, enough: &dyn Fn() -> bool) {
        let _ = enough;
    }

    /// Milliseconds since 1970-01-01T00:00:00Z. Decides expiry and nothing else.
    fn now_ms(&self) -> u64;

    /// Unpredictable bits: store ids and the seeds of checksums.
    fn random(&self) -> u64;
}
