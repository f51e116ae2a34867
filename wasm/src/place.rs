//! [`Place`]: where an [`Engine`](crate::Engine)'s store lives. One type, so that the engine is compiled once.

use std::io;

use bitcask_core::{Result, SegmentId, Storage, Store};

use crate::files::Files;
use crate::handle::Handle;
use crate::opfs::Opfs;
use crate::segment::FileSegment;

/// A store's folder in OPFS, or one that JavaScript gives.
#[derive(Debug)]
pub enum Place {
    /// Slots in the Origin Private File System.
    Opfs(Opfs),
    /// Files of a folder.
    Files(Files),
}

impl Place {
    /// The slots that the next calls of the store may need: see [`Opfs::wanted`].
    ///
    /// # Errors
    ///
    /// Where the store was closed.
    pub fn wanted(&self) -> io::Result<Vec<u32>> {
        match self {
            Place::Opfs(opfs) => opfs.wanted(),
            Place::Files(_) => Ok(Vec::new()),
        }
    }

    /// Adds slots: see [`Opfs::add`].
    ///
    /// # Errors
    ///
    /// Whatever the browser says.
    pub fn add(&self, asked: u32, numbers: &[u32], handles: Vec<Handle>) -> io::Result<()> {
        match self {
            Place::Opfs(opfs) => opfs.add(asked, numbers, handles).map(drop),
            Place::Files(_) => Ok(()),
        }
    }

    /// Runs a step of a merge: see [`Opfs::merging`].
    pub fn merging<T>(&self, work: impl FnOnce() -> T) -> T {
        match self {
            Place::Opfs(opfs) => opfs.merging(work),
            Place::Files(_) => work(),
        }
    }

    /// Runs a call that makes room: see [`Opfs::urgently`].
    pub fn urgently<T>(&self, work: impl FnOnce() -> T) -> T {
        match self {
            Place::Opfs(opfs) => opfs.urgently(work),
            Place::Files(_) => work(),
        }
    }

    /// Forgets what was read and written lately: see [`Opfs::forget_bytes`].
    pub fn forget_bytes(&self) {
        match self {
            Place::Opfs(opfs) => opfs.forget_bytes(),
            Place::Files(files) => files.forget_bytes(),
        }
    }

    /// How many files are open.
    #[must_use]
    pub fn handles(&self) -> usize {
        match self {
            Place::Opfs(opfs) => opfs.slots(),
            Place::Files(files) => files.handles(),
        }
    }

    /// Closes all files and gives the store back.
    pub fn close(&self) {
        match self {
            Place::Opfs(opfs) => opfs.close(),
            Place::Files(files) => files.close(),
        }
    }
}

/// Runs a write. Where it is refused since the active segment's file cannot grow, it is tried in the next segment: with the
/// quota used up, in Chromium, a slot that a merge has freed still has its space, and no other file can have it.
///
/// # Errors
///
/// Those of the write.
pub(crate) fn write_where_room_is<T>(
    store: &Store<Place>,
    write: impl Fn() -> Result<T>,
) -> Result<T> {
    match (write(), store.storage()) {
        (Err(full), Place::Opfs(_)) if full.is_full() => match store.roll() {
            Ok(false) => Err(full),
            // Also where the seal has to wait.
            _ => write(),
        },
        (written, _) => written,
    }
}

impl Storage for Place {
    type Segment = FileSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        match self {
            Place::Opfs(opfs) => opfs.list(),
            Place::Files(files) => files.list(),
        }
    }

    fn create(&self, id: SegmentId) -> io::Result<FileSegment> {
        match self {
            Place::Opfs(opfs) => opfs.create(id),
            Place::Files(files) => files.create(id),
        }
    }

    fn open(&self, id: SegmentId) -> io::Result<FileSegment> {
        match self {
            Place::Opfs(opfs) => opfs.open(id),
            Place::Files(files) => files.open(id),
        }
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        match self {
            Place::Opfs(opfs) => opfs.remove(id),
            Place::Files(files) => files.remove(id),
        }
    }

    fn now_ms(&self) -> u64 {
        match self {
            Place::Opfs(opfs) => opfs.now_ms(),
            Place::Files(files) => files.now_ms(),
        }
    }

    fn random(&self) -> u64 {
        match self {
            Place::Opfs(opfs) => opfs.random(),
            Place::Files(files) => files.random(),
        }
    }
}
