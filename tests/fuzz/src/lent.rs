//! A folder that is only read, lends its bytes, and counts how many it was asked for.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bitcask_core::{Bytes, Segment, SegmentId, Storage};

use crate::image::Image;

#[derive(Clone)]
pub(crate) struct Lent {
    files: Arc<BTreeMap<SegmentId, Bytes>>,
    read: Arc<AtomicU64>,
    /// Whether it can be looked at in place, as a mapped file.
    peeks: bool,
}

pub(crate) struct LentSegment {
    bytes: Bytes,
    peeks: bool,
    read: Arc<AtomicU64>,
}

/// What time it is. Expiries before and behind it are among what is tried.
pub(crate) const NOW_MS: u64 = 1000;

impl Lent {
    pub(crate) fn new(image: &Image) -> Lent {
        let files = image.iter().map(|(id, bytes)| (*id, Bytes::from(bytes.clone())));
        Lent { files: Arc::new(files.collect()), read: Arc::default(), peeks: false }
    }

    /// The same, mapped.
    pub(crate) fn mapped(&self) -> Lent {
        Lent { peeks: true, ..self.clone() }
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "a folder that is only read was written")
}

impl Storage for Lent {
    type Segment = LentSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        Ok(self.files.keys().copied().collect())
    }

    fn create(&self, _id: SegmentId) -> io::Result<LentSegment> {
        Err(refused())
    }

    fn open(&self, id: SegmentId) -> io::Result<LentSegment> {
        let bytes = self.files.get(&id).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(LentSegment { bytes, peeks: self.peeks, read: Arc::clone(&self.read) })
    }

    fn remove(&self, _id: SegmentId) -> io::Result<()> {
        Err(refused())
    }

    fn now_ms(&self) -> u64 {
        NOW_MS
    }

    fn random(&self) -> u64 {
        0x9e37_79b9_7f4a_7c15
    }
}

impl Segment for LentSegment {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.read.fetch_add(len as u64, Ordering::Relaxed);
        Ok(self.bytes.slice(start..end))
    }

    fn peek(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok().filter(|_| self.peeks)?;
        self.bytes.get(start..start.checked_add(len)?)
    }

    fn append(&self, _parts: &[&[u8]]) -> io::Result<()> {
        Err(refused())
    }

    fn rewrite(&self, _range: std::ops::Range<u64>) -> io::Result<()> {
        Err(refused())
    }

    fn sync(&self) -> io::Result<()> {
        Err(refused())
    }

    fn truncate(&self, _len: u64) -> io::Result<()> {
        Err(refused())
    }

    fn freeze(&self) -> io::Result<()> {
        Ok(())
    }
}
