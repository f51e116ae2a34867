//! [`FileSegment`]: a segment in a file.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::rc::{Rc, Weak};

use bitcask_core::{Bytes, Segment};

use crate::cache::{CACHED_LEN_MAX, Cache, Cached};
use crate::slot::{HEADER_LEN, Slot};

/// A buffer that grew beyond this for one large append is given back after it.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

/// Bytes that are read and written again at a time.
const REWRITE_BYTES: usize = 256 * 1024;

/// A segment in a slot of an [`Opfs`](crate::Opfs) or a file of a [`Files`](crate::Files). Clones, and whatever
/// else opened the same segment, share it.
#[derive(Clone, Debug)]
pub struct FileSegment {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slot: Rc<Slot>,
    /// The segment's length; the file may be longer.
    len: Cell<u64>,
    /// After a removal: the header that it overwrote, for those who still read.
    removed: RefCell<Option<[u8; HEADER_LEN]>>,
    cached: Cached,
    memory: Rc<Memory>,
}

/// Memory that all segments of a storage share.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Where the parts of an append are put together: there is one appender.
    buffer: RefCell<Vec<u8>>,
    cache: RefCell<Cache>,
}

impl Memory {
    /// Forgets what was read and written: from here on it is the files that are read.
    pub(crate) fn forget(&self) {
        self.cache.borrow_mut().clear();
    }
}

/// Tells whether somebody still holds a segment.
#[derive(Debug)]
pub(crate) struct Readers(Weak<Shared>);

impl Readers {
    pub(crate) fn are_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// The segment, where somebody holds it.
    pub(crate) fn segment(&self) -> Option<FileSegment> {
        Some(FileSegment { shared: self.0.upgrade()? })
    }
}

impl FileSegment {
    /// A segment that is in the slot.
    pub(crate) fn found(slot: Rc<Slot>, memory: &Rc<Memory>) -> FileSegment {
        let len = slot.size();
        FileSegment::new(slot, len, memory)
    }

    /// A new segment, in a slot that is blank.
    pub(crate) fn created(slot: Rc<Slot>, memory: &Rc<Memory>) -> FileSegment {
        FileSegment::new(slot, 0, memory)
    }

    fn new(slot: Rc<Slot>, len: u64, memory: &Rc<Memory>) -> FileSegment {
        let (len, removed, memory) = (Cell::new(len), RefCell::new(None), Rc::clone(memory));
        let cached = memory.cache.borrow_mut().segment();
        FileSegment { shared: Rc::new(Shared { slot, len, removed, cached, memory }) }
    }

    /// Who else has this segment.
    pub(crate) fn readers(&self) -> Readers {
        Readers(Rc::downgrade(&self.shared))
    }

    /// Closes the file. From here on every call that needs it is an error.
    pub(crate) fn close(&self) {
        self.shared.slot.close();
        self.shared.forget();
    }

    /// Makes the slot one without a segment, durably. It may be reused when the readers are gone.
    pub(crate) fn remove(&self) -> io::Result<Readers> {
        let shared = &self.shared;
        let header = shared.slot.header()?;
        // Also zeros that were read are written again: a flush of them may have failed.
        if 0 < shared.slot.used() {
            shared.slot.forget()?;
        }
        shared.slot.flush()?;
        *shared.removed.borrow_mut() = Some(header);
        Ok(self.readers())
    }
}

impl Shared {
    /// Forgets what was read and written of it.
    fn forget(&self) {
        self.memory.cache.borrow_mut().truncate(&self.cached, 0);
    }

    /// Reads by way of the cache. Nothing where that does not work: a read of more than what was asked for may fail.
    fn cached(&self, offset: u64, len: usize) -> Option<Bytes> {
        if CACHED_LEN_MAX <= len {
            return None;
        }
        let fill = |offset, into: &mut [u8]| self.slot.read(offset, into);
        let mut cache = self.memory.cache.borrow_mut();
        cache.read(&self.cached, offset, len, self.len.get(), &fill).ok()
    }

    /// Writes at the end.
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let offset = self.len.get();
        self.slot.write(offset, bytes)?;
        self.len.set(offset + bytes.len() as u64);
        if bytes.len() < CACHED_LEN_MAX {
            self.memory.cache.borrow_mut().appended(&self.cached, offset, bytes);
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.forget();
        if self.removed.get_mut().is_some() {
            // For the quota's sake. If it fails, or a crash loses it, the next user of the slot cuts it.
            let _ = self.slot.cut();
        }
    }
}

impl Segment for FileSegment {
    fn len(&self) -> u64 {
        self.shared.len.get()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if len == 0 {
            return Ok(Bytes::new());
        }
        let shared = &self.shared;
        let removed = shared.removed.borrow();
        if removed.is_none()
            && let Some(bytes) = shared.cached(offset, len)
        {
            return Ok(bytes);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(len, 0);
        shared.slot.read(offset, &mut bytes)?;
        if let Some(header) = &*removed {
            overlay(header, offset, &mut bytes);
        }
        Ok(bytes.into())
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let shared = &self.shared;
        if let [part] = parts {
            return shared.append(part);
        }
        let mut buffer = shared.memory.buffer.borrow_mut();
        gather(&mut buffer, parts)?;
        let appended = shared.append(&buffer);
        buffer.clear();
        buffer.shrink_to(BUFFER_BYTES_KEPT);
        appended
    }

    fn sync(&self) -> io::Result<()> {
        self.shared.slot.flush()
    }

    fn rewrite(&self, place: Range<u64>) -> io::Result<()> {
        if place.end < place.start || self.len() < place.end {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = Vec::new();
        let mut from = place.start;
        while from < place.end {
            let len = usize::try_from(place.end - from).unwrap_or(usize::MAX).min(REWRITE_BYTES);
            bytes.resize(len, 0);
            self.shared.slot.read(from, &mut bytes)?;
            self.shared.slot.write(from, &bytes)?;
            from += len as u64;
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let shared = &self.shared;
        if len > shared.len.get() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // Where nothing was written stays what it is: with the quota used up, cutting it off would be for ever.
        if len < shared.slot.used() {
            shared.slot.cut_to(len)?;
        }
        shared.memory.cache.borrow_mut().truncate(&shared.cached, len);
        shared.len.set(len);
        Ok(())
    }

    fn freeze(&self) -> io::Result<()> {
        let shared = &self.shared;
        // A seal is looked for at the end of the file.
        if shared.slot.size() > shared.len.get() {
            shared.slot.resize(shared.len.get())?;
            shared.slot.flush()?;
        }
        Ok(())
    }
}

fn gather(buffer: &mut Vec<u8>, parts: &[&[u8]]) -> io::Result<()> {
    buffer.clear();
    for part in parts {
        buffer.try_reserve(part.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        buffer.extend_from_slice(part);
    }
    Ok(())
}

/// Puts the bytes of a removed header where they were, in bytes that were read from `offset`.
fn overlay(header: &[u8], offset: u64, bytes: &mut [u8]) {
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    for (byte, was) in bytes.iter_mut().zip(header.iter().skip(from)) {
        *byte = *was;
    }
}

#[cfg(test)]
mod tests {
    use super::overlay;

    #[test]
    fn a_removed_header_is_still_read() {
        let read = |offset: u64, len| {
            let mut bytes = vec![0; len];
            overlay(&[1, 2, 3, 4], offset, &mut bytes);
            bytes
        };
        assert_eq!(read(0, 6), [1, 2, 3, 4, 0, 0]);
        assert_eq!(read(2, 1), [3]);
        assert_eq!(read(3, 3), [4, 0, 0]);
        assert_eq!(read(4, 2), [0, 0]);
        assert_eq!(read(u64::MAX, 2), [0, 0]);
    }
}
