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

/// Bytes of growth that a segment in OPFS keeps at its end for what makes room: deletes, seals and marks. Growth and not a
/// file of its own, since in Chromium what a file gives back is not there for another one before it is closed.
pub(crate) const RESERVE_BYTES: u64 = 64 * 1024;

/// What a free slot is made long by for the output of a merge. Chromium has 1 MiB for every file that is not empty.
const MERGE_RESERVE_BYTES: u64 = 512 * 1024;

/// How the files of a storage grow, shared by all of them.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    /// The step; 0: each append by what it needs, and nothing is kept.
    step: u64,
    /// Whether what is kept may be written to.
    urgent: Cell<bool>,
    /// Whether a file could not grow since somebody looked.
    refused: Cell<bool>,
}

impl Growth {
    /// In steps, and with a reserve.
    pub(crate) fn stepwise() -> Rc<Growth> {
        Rc::new(Growth { step: GROWTH_BYTES, ..Growth::default() })
    }

    /// Whether what runs now makes room.
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent.get()
    }

    /// Whether a file could not grow since this was set to `false`.
    pub(crate) fn refused(&self) -> &Cell<bool> {
        &self.refused
    }

    /// Runs `work`, which may write to what is kept.
    pub(crate) fn urgently<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.urgent.replace(true);
        let done = work();
        self.urgent.set(before);
        done
    }
}

/// A file, open for as long as this lives.
#[derive(Debug)]
pub(crate) struct Slot {
    handle: Handle,
    /// Made once: a new object for each call costs a few µs.
    at: At,
    growth: Rc<Growth>,
    /// Length of the file. Kept here because asking costs 1 µs in Chromium and 50 µs in Firefox.
    size: Cell<u64>,
    /// Behind this all bytes of the file are zero.
    used: Cell<u64>,
    /// Length of the file at its longest since it was opened.
    longest: Cell<u64>,
}

impl Slot {
    /// Takes the handle; closes it where it cannot say its size.
    pub(crate) fn new(handle: Handle, growth: Rc<Growth>) -> io::Result<Slot> {
        let [size, used, longest] = [(); 3].map(|()| Cell::new(0));
        let slot = Slot { handle, at: At::new(), growth, size, used, longest };
        slot.has_size(size_of(&slot.handle)?);
        slot.used.set(slot.size());
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

    fn has_size(&self, size: u64) {
        self.size.set(size);
        self.longest.set(self.longest.get().max(size));
    }

    /// Length of the file at its longest since it was opened.
    pub(crate) fn longest(&self) -> u64 {
        self.longest.get()
    }

    /// Whether closing the file gives space back: in Chromium what was cut off counts until then, but for 1 MiB that every
    /// file has that is not empty.
    pub(crate) fn holds_what_was_cut(&self) -> bool {
        const OF_EVERY_FILE: u64 = 1 << 20;
        self.size().max(OF_EVERY_FILE) < self.longest.get()
    }

    /// Where the last byte ends that may be other than zero.
    pub(crate) fn used(&self) -> u64 {
        self.used.get()
    }

    /// Fills the buffer from `offset`, or fails.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.at.set_at(offset as f64);
        let count = self.handle.read(buffer, &self.at).map_err(|thrown| io_error(&thrown))?;
        check_read(buffer.len(), count)
    }

    /// Writes all the bytes at `offset`, growing the file in steps where they pass its end.
    ///
    /// After an error any part of them may be there. Where the file cannot grow, the last bytes of it are for
    /// [`Growth::urgently`].
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset + bytes.len() as u64;
        self.grow(end)?;
        self.used.set(self.used().max(end));
        self.at.set_at(offset as f64);
        let written = self
            .handle
            .write(bytes, &self.at)
            .map_err(|thrown| io_error(&thrown))
            .and_then(|count| check_written(bytes.len(), count));
        match written {
            Ok(()) => self.has_size(self.size().max(end)),
            // What is there now is the file's to say. If it does not, assume all: the engine cuts it.
            Err(_) => self.has_size(size_of(&self.handle).unwrap_or(self.size().max(end))),
        }
        written
    }

    /// Makes the file long enough for bytes up to `end`, and for the reserve behind them.
    fn grow(&self, end: u64) -> io::Result<()> {
        let Growth { step, urgent, refused } = &*self.growth;
        let wanted = end.saturating_add(RESERVE_BYTES);
        // What is below the end is written over, not added.
        if *step == 0 || end <= self.used() || wanted <= self.size() {
            return Ok(());
        }
        // A refusal is no failure yet: near the quota a step does not fit where the bytes may.
        let grown = self.resize(wanted.next_multiple_of(*step)).or_else(|_| self.resize(wanted));
        refused.set(refused.get() || grown.is_err());
        if urgent.get() { Ok(()) } else { grown }
    }

    /// Cuts the file, or grows it with zeros.
    pub(crate) fn resize(&self, size: u64) -> io::Result<()> {
        self.handle.truncate(size as f64).map_err(|thrown| io_error(&thrown))?;
        self.has_size(size);
        self.used.set(self.used().min(size));
        Ok(())
    }

    /// Cuts off what is behind `len`, and leaves the reserve there.
    pub(crate) fn cut_to(&self, len: u64) -> io::Result<()> {
        let size = self.size();
        self.resize(len)?;
        if 0 < self.growth.step {
            let wanted = len.saturating_add(RESERVE_BYTES).next_multiple_of(self.growth.step);
            // Where others took what the cut gave back: deletes will be told that there is no room.
            let _ = self.resize(size.min(wanted));
        }
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

    /// Makes a free slot ready for a new segment: no stale bytes stand in it.
    pub(crate) fn blank(&self) -> io::Result<()> {
        if self.used() > HEADER_LEN as u64 {
            self.cut()?;
        }
        self.used.set(0);
        Ok(())
    }

    /// Makes a free slot as long as a header, of zeros, as [`Slot::cut`] leaves it: a segment can be created
    /// in it when the quota is used up.
    pub(crate) fn lengthen(&self) {
        if self.size() < HEADER_LEN as u64 {
            // Nothing is lost where it fails: creating will tell.
            let _ = self.resize(HEADER_LEN as u64);
        }
    }

    /// Whether a free slot holds space for the output of a merge.
    pub(crate) fn is_reserve(&self) -> bool {
        self.used() <= HEADER_LEN as u64 && MERGE_RESERVE_BYTES <= self.size()
    }

    /// Whether a header can be written when the quota is used up.
    pub(crate) fn has_header_room(&self) -> bool {
        HEADER_LEN as u64 <= self.size()
    }

    /// Makes a free slot hold space for the output of a merge; says whether there was room.
    pub(crate) fn make_reserve(&self) -> bool {
        self.cut().and_then(|()| self.resize(MERGE_RESERVE_BYTES)).is_ok()
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
