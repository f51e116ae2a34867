//! [`FileSegment`]: a segment in a file.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};

use bitcask_core::{Bytes, Segment};

use crate::slot::{HEADER_LEN, Slot};

/// A buffer that grew beyond this for one large append is given back after it.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

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
    /// Whether the file may hold anything behind the length but what creating left: 72 zeros.
    written: Cell<bool>,
    /// After a removal: the header that it overwrote, for those who still read.
    removed: RefCell<Option<[u8; HEADER_LEN]>>,
    buffer: Buffer,
}

/// Where the parts of an append are put together, shared by all segments: there is one appender.
pub(crate) type Buffer = Rc<RefCell<Vec<u8>>>;

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
    pub(crate) fn found(slot: Rc<Slot>, buffer: Buffer) -> FileSegment {
        let len = slot.size();
        FileSegment::new(slot, len, true, buffer)
    }

    /// A new segment, in a slot that was cut.
    pub(crate) fn created(slot: Rc<Slot>, buffer: Buffer) -> FileSegment {
        FileSegment::new(slot, 0, false, buffer)
    }

    fn new(slot: Rc<Slot>, len: u64, written: bool, buffer: Buffer) -> FileSegment {
        let (len, written, removed) = (Cell::new(len), Cell::new(written), RefCell::new(None));
        FileSegment { shared: Rc::new(Shared { slot, len, written, removed, buffer }) }
    }

    /// Who else has this segment.
    pub(crate) fn readers(&self) -> Readers {
        Readers(Rc::downgrade(&self.shared))
    }

    /// Closes the file. From here on every call that needs it is an error.
    pub(crate) fn close(&self) {
        self.shared.slot.close();
    }

    /// Makes the slot one without a segment, durably. It may be reused when the readers are gone.
    pub(crate) fn remove(&self) -> io::Result<Readers> {
        let shared = &self.shared;
        let header = shared.slot.header()?;
        // Also zeros that were read are written again: a flush of them may have failed.
        if shared.written.get() {
            shared.slot.forget()?;
        }
        shared.slot.flush()?;
        *shared.removed.borrow_mut() = Some(header);
        Ok(self.readers())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
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
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(len, 0);
        self.shared.slot.read(offset, &mut bytes)?;
        if let Some(header) = *self.shared.removed.borrow() {
            overlay(&header, offset, &mut bytes);
        }
        Ok(bytes.into())
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let shared = &self.shared;
        shared.written.set(true);
        let added = match parts {
            [part] => {
                shared.slot.write(shared.len.get(), part)?;
                part.len()
            }
            parts => {
                let mut buffer = shared.buffer.borrow_mut();
                gather(&mut buffer, parts)?;
                let written = shared.slot.write(shared.len.get(), &buffer);
                let added = buffer.len();
                buffer.clear();
                buffer.shrink_to(BUFFER_BYTES_KEPT);
                written?;
                added
            }
        };
        shared.len.set(shared.len.get() + added as u64);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.shared.slot.flush()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let shared = &self.shared;
        if len > shared.len.get() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // Growth goes too: a failed append may have left bytes in it. The zeros that creating left stay, for
        // the header: with the quota used up, cutting them off would be for ever.
        if shared.written.get() && len < shared.slot.size() {
            shared.slot.resize(len)?;
        }
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
