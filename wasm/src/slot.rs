//! One file and its open handle.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use crate::error::{check_read, check_written, io_error, whole};
use crate::handle::{At, Handle};

/// Length of a segment header: FORMAT.md, section 2.
pub(crate) const HEADER_LEN: usize = 72;

/// In OPFS a file grows by whole steps of this many bytes: an append that makes the file longer costs Chromium
/// 30 µs, one inside its length 4 µs. Small enough that a store of two segments wastes little quota.
pub(crate) const GROWTH_BYTES: u64 = 256 * 1024;

/// The step by which the files of a storage grow, shared by all of them; 0: each append by what it needs.
pub(crate) type Growth = Rc<Cell<u64>>;

/// A file, open for as long as this lives.
#[derive(Debug)]
pub(crate) struct Slot {
    handle: Handle,
    /// Made once: a new object for each call costs a few µs.
    at: At,
    growth: Growth,
    /// Length of the file. Kept here because asking costs 1 µs in Chromium and 50 µs in Firefox.
    size: Cell<u64>,
}

impl Slot {
    /// Takes the handle; closes it where it cannot say its size.
    pub(crate) fn new(handle: Handle, growth: Growth) -> io::Result<Slot> {
        let slot = Slot { handle, at: At::new(), growth, size: Cell::new(0) };
        slot.size.set(size_of(&slot.handle)?);
        Ok(slot)
    }

    /// The first bytes of the file; zeros where it is shorter.
    pub(crate) fn header(&self) -> io::Result<[u8; HEADER_LEN]> {
        let mut header = [0; HEADER_LEN];
        self.read(0, self.within(&mut header))?;
        Ok(header)
    }

    /// As much of a header as the file has.
    fn within<'a>(&self, header: &'a mut [u8; HEADER_LEN]) -> &'a mut [u8] {
        let len = usize::try_from(self.size()).unwrap_or(HEADER_LEN);
        header.get_mut(..len.min(HEADER_LEN)).unwrap_or_default()
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.get()
    }

    /// Fills the buffer from `offset`, or fails.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.at.set_at(offset as f64);
        let count = self.handle.read(buffer, &self.at).map_err(|thrown| io_error(&thrown))?;
        check_read(buffer.len(), count)
    }

    /// Writes all the bytes at `offset`, growing the file in steps where they pass its end.
    ///
    /// After an error any part of them may be there.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset + bytes.len() as u64;
        let growth = self.growth.get();
        if end > self.size.get() && growth > 0 {
            // A refusal is no failure yet: near the quota a step does not fit where the bytes may.
            let _ = self.resize(end.next_multiple_of(growth));
        }
        self.at.set_at(offset as f64);
        let written = self
            .handle
            .write(bytes, &self.at)
            .map_err(|thrown| io_error(&thrown))
            .and_then(|count| check_written(bytes.len(), count));
        match written {
            Ok(()) => self.size.set(self.size.get().max(end)),
            // What is there now is the file's to say. If it does not, assume all: the engine cuts it.
            Err(_) => self.size.set(size_of(&self.handle).unwrap_or(self.size.get().max(end))),
        }
        written
    }

    /// Cuts the file, or grows it with zeros.
    pub(crate) fn resize(&self, size: u64) -> io::Result<()> {
        self.handle.truncate(size as f64).map_err(|thrown| io_error(&thrown))?;
        self.size.set(size);
        Ok(())
    }

    pub(crate) fn flush(&self) -> io::Result<()> {
        self.handle.flush().map_err(|thrown| io_error(&thrown))
    }

    /// Overwrites the header with zeros: from here on, once it is flushed, the slot is free.
    pub(crate) fn forget(&self) -> io::Result<()> {
        let mut zeros = [0; HEADER_LEN];
        // Not beyond the end of the file, so that it works without any quota left.
        self.write(0, self.within(&mut zeros))
    }

    /// Gives the space of a slot without a header back to the quota. The header's zeros stay: it is their
    /// being written that makes a removal durable, not the cut.
    pub(crate) fn cut(&self) -> io::Result<()> {
        if self.size() > HEADER_LEN as u64 { self.resize(HEADER_LEN as u64) } else { Ok(()) }
    }

    /// Makes a free slot as long as a header, of zeros, as [`Slot::cut`] leaves it: a segment can be created
    /// in it when the quota is used up.
    pub(crate) fn lengthen(&self) {
        if self.size() < HEADER_LEN as u64 {
            // Nothing is lost where it fails: creating will tell.
            let _ = self.resize(HEADER_LEN as u64);
        }
    }

    pub(crate) fn close(&self) {
        // Nothing that was acknowledged depends on it.
        let _ = self.handle.close();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.close();
    }
}

fn size_of(handle: &Handle) -> io::Result<u64> {
    whole(handle.size().map_err(|thrown| io_error(&thrown))?)
}
