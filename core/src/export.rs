//! Exporting: a store as one checked stream of bytes, FORMAT.md, section 13.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::format::len64;
use crate::format::stream::{
    Closing, Digest, FRAME_HEAD_LEN, FrameHead, FrameKind, PAYLOAD_LEN_MAX, StreamHead, entry_len,
    put_entry_head,
};
use crate::scan::{Range, Scan};
use crate::segment::Storage;
use crate::snapshot::Snapshot;
use crate::store::{Entry, Store};

/// An iterator over the bytes of an export: one stream in chunks, in order, which an [`Importer`](crate::Importer) reads. A
/// chunk has at most 256 KiB, but for the value of a longer entry, which is a chunk of its own.
///
/// It holds the keys of a range with their values and times of expiry, as of one moment: it holds a snapshot. What has
/// expired when it is read is left out.
///
/// A record that is damaged gives an error in its place. Stop there, and the stream is not complete, which every
/// importer notices. Or go on (where a damaged store is salvaged, say): it is left out then. After any other error the
/// stream ends without its closing frame.
pub struct Export<S: Storage> {
    scan: Scan<S>,
    sequence: u64,
    seed: u32,
    digest: Digest,
    /// Bytes that were made.
    offset: u64,
    entries: u64,
    bytes: u64,
    /// Entries of the frame that is being filled.
    payload: Vec<u8>,
    /// Chunks that are ready.
    chunks: VecDeque<Bytes>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Entries,
    Closing,
    Over,
}

impl<S: Storage> Store<S> {
    /// The entries of a range as they are now, as one checked stream: see [`Export`].
    #[must_use]
    pub fn export(&self, range: Range) -> Export<S> {
        self.snapshot().export(range)
    }
}

impl<S: Storage> Snapshot<S> {
    /// The entries of a range as one checked stream: see [`Export`].
    #[must_use]
    pub fn export(&self, range: Range) -> Export<S> {
        let (store_id, sequence) = (self.inner().store_id, self.sequence());
        let (head, seed) = StreamHead { store_id, sequence }.encode();
        let mut export = Export {
            scan: self.scan(range),
            sequence,
            seed,
            digest: Digest::new(&store_id),
            offset: 0,
            entries: 0,
            bytes: 0,
            payload: Vec::new(),
            chunks: VecDeque::new(),
            stage: Stage::Entries,
        };
        export.give(head.into());
        export
    }
}

impl<S: Storage> Export<S> {
    /// The number of the last write that it sees: where a change feed goes on for whoever imports the stream.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Entries that were exported so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    fn add(&mut self, entry: &Entry) -> Result<()> {
        let Entry { key, value, expires_at_ms, .. } = entry;
        let key_len = u16::try_from(key.len()).map_err(|_| Error::KeyLen(key.len()))?;
        let value_len = u32::try_from(value.len()).map_err(|_| Error::ValueLen(value.len()))?;
        let len = entry_len(key.len(), value.len(), expires_at_ms.is_some());
        if PAYLOAD_LEN_MAX < self.payload.len() + len {
            self.end_frame(&[]);
        }
        put_entry_head(&mut self.payload, key_len, value_len, *expires_at_ms, key);
        self.entries += 1;
        self.bytes += len64(key.len()) + len64(value.len());
        if PAYLOAD_LEN_MAX < len {
            // Not copied.
            self.end_frame(value);
            self.give(value.clone());
        } else {
            self.payload.extend_from_slice(value);
        }
        Ok(())
    }

    /// Makes the frame of what was gathered; `value` is what the caller gives behind it.
    fn end_frame(&mut self, value: &[u8]) {
        if self.payload.is_empty() {
            return;
        }
        let payload = std::mem::take(&mut self.payload);
        self.frame(FrameKind::Entries, &payload, value);
    }

    fn frame(&mut self, kind: FrameKind, payload: &[u8], value: &[u8]) {
        let head = FrameHead::encode(self.seed, self.offset, kind, [payload, value]);
        let mut chunk = Vec::with_capacity(FRAME_HEAD_LEN + payload.len());
        chunk.extend_from_slice(&head);
        chunk.extend_from_slice(payload);
        self.give(chunk.into());
    }

    fn give(&mut self, chunk: Bytes) {
        self.digest.add(&chunk);
        self.offset += len64(chunk.len());
        if !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// Reads on until a chunk is ready or all is said.
    fn read_on(&mut self) -> Result<()> {
        while self.chunks.is_empty() {
            match self.stage {
                Stage::Entries => match self.scan.next() {
                    Some(Ok(entry)) => self.add(&entry)?,
                    Some(Err(error)) => return Err(error),
                    None => {
                        self.end_frame(&[]);
                        self.stage = Stage::Closing;
                    }
                },
                Stage::Closing => {
                    let (entries, bytes) = (self.entries, self.bytes);
                    let digest = self.digest.finish();
                    let closing = Closing { entries, bytes, digest }.encode();
                    self.frame(FrameKind::Closing, &closing, &[]);
                    self.stage = Stage::Over;
                }
                Stage::Over => return Ok(()),
            }
        }
        Ok(())
    }
}

impl<S: Storage> Iterator for Export<S> {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Result<Bytes>> {
        if let Err(error) = self.read_on() {
            if !error.is_damage() {
                self.stage = Stage::Over;
            }
            return Some(Err(error));
        }
        self.chunks.pop_front().map(Ok)
    }
}
