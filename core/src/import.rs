//! Importing: what an export wrote, checked before it is believed. FORMAT.md, section 13.

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::format::stream::{
    Closing, Digest, FRAME_HEAD_LEN, FrameHead, FrameKind, PAYLOAD_LEN_MAX, STREAM_HEAD_LEN,
    StreamHead, take_entry,
};
use crate::format::{len_in_memory, len64};

/// Reads the stream that an [`Export`](crate::Export) made. Bytes are pushed in pieces of any size; what is whole and
/// right comes out as batches, for [`Store::write`](crate::Store::write).
///
/// ```
/// use bitcask_core::{Importer, Memory, Options, Range, Store, WriteOptions};
///
/// # fn main() -> bitcask_core::Result<()> {
/// let from = Store::open(Memory::new(1), Options::default())?;
/// from.put(b"user:1", b"Ada")?;
/// let to = Store::open(Memory::new(2), Options::default())?;
/// let mut importer = Importer::new();
/// for chunk in from.export(Range::all()) {
///     importer.push(&chunk?);
///     while let Some(batch) = importer.next_batch()? {
///         to.write(&batch, &WriteOptions::default())?;
///     }
/// }
/// let report = importer.finish()?;
/// assert_eq!((report.entries, to.len()), (1, 1));
/// # Ok(())
/// # }
/// ```
///
/// A batch puts over what is there; keys that are not in the stream stay. A time of expiry comes along. An entry that has expired
/// since is written all the same, so that it replaces what was there; it counts as deleted at once, and a merge drops it.
///
/// To check a stream and write nothing, drop the batches.
///
/// It keeps at most one frame that is not whole yet: 256 KiB, or one entry that is longer. No memory is taken
/// for lengths that the stream claims, but for bytes that came.
#[derive(Debug, Default)]
pub struct Importer {
    /// Bytes that were pushed; those before `start` are done with.
    buffer: Vec<u8>,
    start: usize,
    /// Where in the stream `start` is.
    offset: u64,
    stage: Stage,
    report: ImportReport,
}

/// What a whole stream held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// The store that was exported: its [`Store::id`](crate::Store::id).
    pub store_id: [u8; 16],
    /// The last write of that store which the export saw: a change feed goes on from here.
    pub sequence: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of all keys and values.
    pub bytes: u64,
    /// Bytes of the stream.
    pub stream_bytes: u64,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Head,
    Frames {
        seed: u32,
        digest: Digest,
    },
    Over,
    /// Nothing is believed any more. Where it went wrong, and how.
    Failed(u64, String),
}

impl Importer {
    /// One that waits for the first byte.
    #[must_use]
    pub fn new() -> Importer {
        Importer::default()
    }

    /// Takes the next bytes of the stream. Take all batches before the next push, so that little is kept.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next entries that are whole and right, at most 256 KiB of them or one that is longer; `None` until more is
    /// pushed.
    ///
    /// # Errors
    ///
    /// [`Error::Stream`]: what was pushed is no stream, or not what was written. What came out before is right, and nothing
    /// comes out any more. [`Error::Limit`]: an entry larger than this platform's memory.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        loop {
            let came = match &self.stage {
                Stage::Head => self.head(),
                Stage::Frames { .. } => self.frame(),
                Stage::Over if self.start == self.buffer.len() => return Ok(None),
                Stage::Over => self.fail("something follows the closing frame"),
                Stage::Failed(offset, what) => {
                    return Err(Error::Stream { offset: *offset, what: what.clone() });
                }
            };
            match came? {
                Came::Batch(batch) => return Ok(Some(batch)),
                Came::Other => {}
                Came::Nothing => return Ok(None),
            }
        }
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    ///
    /// [`Error::Stream`] where the closing frame has not come, or not all batches were taken: the stream is not whole.
    pub fn finish(self) -> Result<ImportReport> {
        match self.stage {
            Stage::Over if self.start == self.buffer.len() => Ok(self.report),
            Stage::Failed(offset, what) => Err(Error::Stream { offset, what }),
            _ => {
                let offset = self.offset.saturating_add(len64(self.unread().len()));
                let what = "it ends before its closing frame".to_owned();
                Err(Error::Stream { offset, what })
            }
        }
    }

    /// Entries that came out so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.report.entries
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn done_with(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.buffer.len());
        self.offset = self.offset.saturating_add(len64(len));
    }

    fn fail(&mut self, what: impl Into<String>) -> Result<Came> {
        let (offset, what) = (self.offset, what.into());
        // Its bytes are good for nothing any more.
        self.buffer = Vec::new();
        self.start = 0;
        self.stage = Stage::Failed(offset, what.clone());
        Err(Error::Stream { offset, what })
    }

    fn head(&mut self) -> Result<Came> {
        let Some(bytes) = self.unread().get(..STREAM_HEAD_LEN) else { return Ok(Came::Nothing) };
        match StreamHead::decode(bytes) {
            Err(what) => self.fail(what),
            Ok((StreamHead { store_id, sequence }, seed)) => {
                let mut digest = Digest::new(&store_id);
                digest.add(bytes);
                (self.report.store_id, self.report.sequence) = (store_id, sequence);
                self.stage = Stage::Frames { seed, digest };
                self.done_with(STREAM_HEAD_LEN);
                Ok(Came::Other)
            }
        }
    }

    fn frame(&mut self) -> Result<Came> {
        let Stage::Frames { seed, digest } = &self.stage else { return Ok(Came::Nothing) };
        let (unread, seed, offset) = (self.unread(), *seed, self.offset);
        let Some(head) = unread.get(..FRAME_HEAD_LEN) else { return Ok(Came::Nothing) };
        let head = match FrameHead::decode(seed, offset, head) {
            Ok(head) => head,
            Err(what) => return self.fail(what),
        };
        let len = len_in_memory(head.len).and_then(|len| len.checked_add(FRAME_HEAD_LEN));
        let len = len.ok_or(Error::Limit("a value larger than this platform's memory"))?;
        let Some(frame) = unread.get(..len) else { return Ok(Came::Nothing) };
        let payload = frame.get(FRAME_HEAD_LEN..).unwrap_or_default();
        if !head.is_sound(seed, offset, frame) {
            return self.fail("the checksum of a frame is wrong");
        }
        match head.kind {
            FrameKind::Entries => {
                let Some(batch) = batch(payload) else {
                    return self.fail("the entries of a frame make no sense");
                };
                self.report.entries = self.report.entries.saturating_add(len64(batch.len()));
                self.report.bytes = self.report.bytes.saturating_add(len64(batch.bytes()));
                self.add_to_digest(len);
                self.done_with(len);
                Ok(Came::Batch(batch))
            }
            FrameKind::Closing => {
                let ImportReport { entries, bytes, .. } = self.report;
                let expected = Closing { entries, bytes, digest: digest.finish() };
                if Closing::decode(payload) != Some(expected) {
                    return self.fail("the closing frame does not agree with what came before it");
                }
                self.done_with(len);
                self.report.stream_bytes = self.offset;
                self.stage = Stage::Over;
                Ok(Came::Other)
            }
        }
    }

    fn add_to_digest(&mut self, len: usize) {
        let frame = self.buffer.get(self.start..).and_then(|unread| unread.get(..len));
        if let (Stage::Frames { digest, .. }, Some(frame)) = (&mut self.stage, frame) {
            digest.add(frame);
        }
    }
}

/// What a look at the bytes came to.
enum Came {
    Batch(Batch),
    Other,
    /// More is needed.
    Nothing,
}

/// The entries of a payload. `None` where they make no sense.
fn batch(payload: &[u8]) -> Option<Batch> {
    let mut batch = Batch::new();
    let mut rest = payload;
    while !rest.is_empty() {
        let entry = take_entry(&mut rest)?;
        match entry.expires_at_ms {
            Some(at_ms) => batch.put_expiring(entry.key, entry.value, at_ms).ok()?,
            None => batch.put(entry.key, entry.value).ok()?,
        };
    }
    (payload.len() <= PAYLOAD_LEN_MAX || batch.len() == 1).then_some(batch)
}
