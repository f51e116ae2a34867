//! [`DiskSegment`]: one segment, one file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::{ArcSwapOption, Guard};
use bitcask_core::Segment;
use bytes::Bytes;

use super::files::{self, OpenFile};
use super::map::Settled;
use super::{Access, Shared};

/// Parts are gathered up to this size, so that a record is one write and a long value is not copied.
const GATHER_BYTES: usize = 16 << 10;

/// One segment of a [`Disk`](super::Disk).
///
/// What is settled is mapped, and reads lend from the mapping; the rest is read through the file, into memory of its
/// own. A freeze maps all of it and closes the file.
#[derive(Debug)]
pub struct DiskSegment {
    path: PathBuf,
    shared: Arc<Shared>,
    /// Where the log ends for this handle; the file may be longer by its growth.
    len: AtomicU64,
    /// Gone once there is a mapping.
    file: ArcSwapOption<OpenFile>,
    settled: Settled,
    appending: Mutex<Appending>,
    /// Counts appends and cuts. What a sync has to do is told by how far this is ahead of `synced`.
    changes: AtomicU64,
    synced: AtomicU64,
    sync_failed: AtomicBool,
}

/// What only appends, cuts and freezes use: one thread at a time.
#[derive(Debug, Default)]
struct Appending {
    /// The file is at most this long.
    file_len: u64,
    frozen: bool,
    gathered: Vec<u8>,
}

/// The file, if there is one, for as long as this is held.
type HeldFile = Guard<Option<Arc<OpenFile>>>;

impl DiskSegment {
    /// A segment whose file was just created and synced.
    pub(super) fn created(path: PathBuf, shared: Arc<Shared>, file: File) -> DiskSegment {
        DiskSegment::new(path, shared, file, 0, 0)
    }

    /// A segment whose file was there. What is in it may be in the cache only: it counts as one change
    /// that was not synced.
    pub(super) fn opened(
        path: PathBuf,
        shared: Arc<Shared>,
        file: File,
    ) -> io::Result<DiskSegment> {
        let len = file.metadata()?.len();
        Ok(DiskSegment::new(path, shared, file, len, 1))
    }

    fn new(path: PathBuf, shared: Arc<Shared>, file: File, len: u64, changes: u64) -> DiskSegment {
        let file = OpenFile::new(file, &shared.open_files);
        DiskSegment {
            path,
            shared,
            len: AtomicU64::new(len),
            file: ArcSwapOption::from_pointee(file),
            settled: Settled::default(),
            appending: Mutex::new(Appending { file_len: len, ..Appending::default() }),
            changes: AtomicU64::new(changes),
            synced: AtomicU64::new(0),
            sync_failed: AtomicBool::new(false),
        }
    }

    /// The right to append, cut or freeze. A thread that panicked with it left `file_len` too large at worst.
    fn appending(&self) -> MutexGuard<'_, Appending> {
        self.appending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file and the right to change it, or why there is none.
    fn change(&self) -> io::Result<(MutexGuard<'_, Appending>, HeldFile)> {
        if self.shared.access == Access::Read {
            return Err(super::read_only());
        }
        let appending = self.appending();
        if !self.shared.is_locked() {
            return Err(io::Error::other("the folder of this segment was closed"));
        }
        let file = self.file.load();
        match file.is_some() && !appending.frozen {
            true => Ok((appending, file)),
            false => Err(frozen()),
        }
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }
}

impl Segment for DiskSegment {
    fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= self.len());
        if end.is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(bytes) = self.settled.lend(offset, len) {
            return Ok(bytes);
        }
        match &*self.file.load() {
            Some(file) => {
                let mut bytes = vec![0; len];
                match self.shared.access {
                    Access::Write => files::read_exact_at(file, &mut bytes, offset)?,
                    // The writer may have cut its growth since this was opened: that was zeros.
                    Access::Read => files::read_at_or_zeros(file, &mut bytes, offset)?,
                }
                Ok(bytes.into())
            }
            // Frozen between the first look at the mapping and the look at the file.
            None => self
                .settled
                .lend(offset, len)
                .ok_or_else(|| io::Error::other("a segment has neither file nor mapping")),
        }
    }

    fn peek(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.settled.peek(offset, len)
    }

    fn settle(&self, len: u64) {
        if !self.shared.map || self.shared.access == Access::Read {
            return;
        }
        // So that no cut comes between.
        let _appending = self.appending();
        let len = len.min(self.len());
        if !self.settled.grow(len, None)
            && let Some(file) = &*self.file.load()
        {
            self.settled.grow(len, Some(file));
        }
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let (mut appending, file) = self.change()?;
        let Some(file) = &*file else { return Err(frozen()) };
        let Appending { file_len, gathered, .. } = &mut *appending;
        let start = self.len();
        let end = end_of(start, parts)?;
        if end == start {
            return Ok(());
        }
        grow(file, file_len, end, self.shared.growth_bytes);
        // Before writing: a write that fails half-way may have made the file this long.
        *file_len = end.max(*file_len);
        write_parts(file, gathered, parts, start)?;
        self.len.store(end, Ordering::Release);
        self.changed();
        Ok(())
    }

    /// By `fdatasync`, which leaves out the times of the file and no more: its length is made durable with
    /// its bytes, since they could not be read back without. On Apple's systems `F_FULLFSYNC`.
    fn sync(&self) -> io::Result<()> {
        // What is written after this line is the next call's.
        let changes = self.changes.load(Ordering::Acquire);
        if self.sync_failed.load(Ordering::Acquire) {
            // The kernel forgets what it could not write; a second `fdatasync` would call that a success.
            return Err(io::Error::other("an earlier sync of this segment failed"));
        }
        if self.synced.load(Ordering::Acquire) >= changes {
            return Ok(());
        }
        let begun = Instant::now();
        let synced = match &*self.file.load() {
            Some(file) => file.sync_data(),
            None => match files::open_plain(&self.path, &files::private()) {
                Ok(file) => file.sync_data(),
                // Removed: there is nothing left to lose.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            },
        };
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.shared.sync_nanos.store(nanos, Ordering::Relaxed);
        match &synced {
            Ok(()) => _ = self.synced.fetch_max(changes, Ordering::Release),
            Err(_) => self.sync_failed.store(true, Ordering::Release),
        }
        synced
    }

    /// Through the file, not through what the system has cached of it: see `files::rewrite_at`.
    fn rewrite(&self, place: Range<u64>) -> io::Result<()> {
        let (_one_at_a_time, file) = self.change()?;
        let Some(file) = &*file else { return Err(frozen()) };
        // What is settled is mapped, and must not change, not even for as long as it takes to read it anew.
        if place.end < place.start || self.len() < place.end || place.start < self.settled.mark() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if !place.is_empty() {
            files::rewrite_at(file, place)?;
            self.changed();
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let (mut appending, file) = self.change()?;
        let Some(file) = &*file else { return Err(frozen()) };
        if len > self.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a cut does not make a segment longer",
            ));
        }
        if len < self.settled.mark() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "what was settled is never cut",
            ));
        }
        if len < appending.file_len {
            file.set_len(len)?;
            appending.file_len = len;
            self.len.store(len, Ordering::Release);
            self.changed();
        }
        Ok(())
    }

    fn freeze(&self) -> io::Result<()> {
        let mut appending = self.appending();
        let Some(file) = self.file.load_full() else { return Ok(()) };
        appending.frozen = true;
        appending.gathered = Vec::new();
        let len = self.len();
        if appending.file_len > len {
            file.set_len(len)?;
            appending.file_len = len;
            self.changed();
            self.sync()?;
        }
        if !self.shared.map || (self.shared.access == Access::Read && may_be_cut(&file, len)?) {
            return Ok(());
        }
        // Without room for a mapping the segment is read through its file, as before.
        if usize::try_from(len).is_ok_and(|len| self.settled.close(&file, len).is_ok()) {
            self.file.store(None);
        }
        Ok(())
    }
}

fn frozen() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the segment is frozen")
}

/// Gives the growth back when a writer lets go of a segment that is not sealed, so that the files of a
/// store that nobody has open are as long as what they hold. Best effort: growth means nothing. Not
/// once the folder was closed: the file may be another process's by then.
impl Drop for DiskSegment {
    fn drop(&mut self) {
        let len = self.len();
        let file_len = self.appending().file_len;
        if let Some(file) = &*self.file.load()
            && file_len > len
        {
            self.shared.while_locked(|| _ = file.set_len(len));
        }
    }
}

/// Where an append of these parts at `start` ends.
fn end_of(start: u64, parts: &[&[u8]]) -> io::Result<u64> {
    parts
        .iter()
        .try_fold(start, |end, part| end.checked_add(part.len() as u64))
        .ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))
}

/// Makes the file longer ahead of the writes, by whole steps, so that most syncs need not write its length
/// too. Where that is refused (a limit, a full disk) the writes themselves make it as long as it must be, or
/// say why not.
fn grow(file: &File, file_len: &mut u64, end: u64, step: u64) {
    if end > *file_len
        && let Some(grown) = end.checked_next_multiple_of(step)
        && grown > end
        && file.set_len(grown).is_ok()
    {
        *file_len = grown;
    }
}

/// Writes the parts one after another from `offset`: short ones together, each write to its exact count.
fn write_parts(
    file: &File,
    gathered: &mut Vec<u8>,
    parts: &[&[u8]],
    mut offset: u64,
) -> io::Result<()> {
    if let [part] = parts {
        return files::write_all_at(file, part, offset);
    }
    gathered.clear();
    for part in parts {
        if gathered.len() + part.len() > GATHER_BYTES {
            files::write_all_at(file, gathered, offset)?;
            offset += gathered.len() as u64;
            gathered.clear();
        }
        if part.len() > GATHER_BYTES {
            files::write_all_at(file, part, offset)?;
            offset += part.len() as u64;
        } else {
            gathered.extend_from_slice(part);
        }
    }
    files::write_all_at(file, gathered, offset)
}

/// Whether the writer may still cut the zeros of its growth from the end of this file.
fn may_be_cut(file: &File, len: u64) -> io::Result<bool> {
    let mut last = [0];
    if let Some(offset) = len.checked_sub(1) {
        files::read_exact_at(file, &mut last, offset)?;
    }
    Ok(last == [0] && len > 0)
}
