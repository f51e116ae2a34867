//! [`Disk`]: the seam on real files.

mod files;
mod folder;
mod lock;
mod map;
mod segment;

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bitcask_core::{SegmentId, Storage};

use crate::db::Bell;

pub use folder::FolderError;
pub use segment::DiskSegment;

use files::Folder;
use lock::Lock;

/// A folder of segment files, and the right to use it.
///
/// Open for writing, it holds the store's lock until it is dropped: there is one writer at a time, in all
/// processes together. Readers take no lock, and any number of them work beside the writer.
///
/// Files and the folder are made for their user alone, and a segment that is a symbolic link is refused.
/// Sealed segments are mapped into memory and need no open file; the others have one each.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    folder: Folder,
    shared: Arc<Shared>,
    /// Rung whenever a segment is created.
    bell: Arc<Bell>,
}

/// What a [`Disk`] is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Reading and writing, with the store's lock.
    #[default]
    Write,
    /// Reading only, without a lock; nothing in the folder is changed.
    Read,
}

/// How a [`Disk`] is opened; [`DiskOptions::default`] says what is usual.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiskOptions {
    /// Reading and writing, or reading only. Default: [`Access::Write`].
    pub access: Access,
    /// Whether to make the folder if there is none, and to take an empty one. Its parent must be there.
    /// Means nothing with [`Access::Read`]. Default: true.
    pub create: bool,
    /// Whether sealed segments are mapped into memory; else each costs an open file, and every read a
    /// system call and a copy. Without mapping, a disk that fails to read gives errors, not an end of the process
    /// by SIGBUS. Default: true on Unix, false elsewhere (Windows does not remove files that are mapped).
    pub map: bool,
    /// The active segment grows by steps of this many bytes ahead of what is written, so that most syncs
    /// need not write its length too; 0 turns it off. A crash leaves at most one step of zeros. Default: 1 MiB.
    pub growth_bytes: u64,
    /// What other processes are told about who holds the lock. Default: the name of the program.
    pub program: String,
}

impl Default for DiskOptions {
    fn default() -> DiskOptions {
        let program = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
        let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        DiskOptions {
            access: Access::Write,
            create: true,
            map: cfg!(unix),
            growth_bytes: 1 << 20,
            program,
        }
    }
}

impl DiskOptions {
    /// Sets [`access`](DiskOptions::access).
    #[must_use]
    pub fn access(self, access: Access) -> DiskOptions {
        DiskOptions { access, ..self }
    }

    /// Sets [`create`](DiskOptions::create).
    #[must_use]
    pub fn create(self, create: bool) -> DiskOptions {
        DiskOptions { create, ..self }
    }

    /// Sets [`map`](DiskOptions::map).
    #[must_use]
    pub fn map(self, map: bool) -> DiskOptions {
        DiskOptions { map, ..self }
    }

    /// Sets [`growth_bytes`](DiskOptions::growth_bytes).
    #[must_use]
    pub fn growth_bytes(self, growth_bytes: u64) -> DiskOptions {
        DiskOptions { growth_bytes, ..self }
    }

    /// Sets [`program`](DiskOptions::program).
    #[must_use]
    pub fn program(self, program: impl Into<String>) -> DiskOptions {
        DiskOptions { program: program.into(), ..self }
    }

    /// Opens the folder at `path`, which is taken to be absolute from now on.
    ///
    /// # Errors
    ///
    /// See [`FolderError`]. Nothing is changed then, but that an empty folder may have been made.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Disk, FolderError> {
        let path = path.as_ref();
        let path = std::path::absolute(path).map_err(|source| FolderError::Io {
            doing: "looking for",
            path: path.to_owned(),
            source,
        })?;
        let open_files = Arc::new(AtomicUsize::new(0));
        let (folder, lock) =
            folder::open(&path, self.access, self.create, &self.program, &open_files)?;
        let shared = Arc::new(Shared {
            access: self.access,
            map: self.map,
            growth_bytes: self.growth_bytes,
            open_files,
            locked: AtomicBool::new(lock.is_some()),
            lock: Mutex::new(lock),
            sync_nanos: AtomicU64::new(0),
        });
        Ok(Disk { path, folder, shared, bell: Arc::default() })
    }
}

impl Disk {
    /// The usual options, to be changed.
    #[must_use]
    pub fn options() -> DiskOptions {
        DiskOptions::default()
    }

    /// Opens the folder at `path`; with `create`, makes it if there is none. The short form of
    /// [`DiskOptions::open`].
    ///
    /// # Errors
    ///
    /// See [`FolderError`].
    pub fn open(path: impl AsRef<Path>, access: Access, create: bool) -> Result<Disk, FolderError> {
        Disk::options().access(access).create(create).open(path)
    }

    /// The folder, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it was opened for.
    #[must_use]
    pub fn access(&self) -> Access {
        self.shared.access
    }

    /// How many files are open: the folder, the lock, and one for each segment that is held and is not mapped.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.shared.open_files.load(Ordering::Relaxed)
    }

    pub(crate) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    fn file_of(&self, id: SegmentId) -> PathBuf {
        self.path.join(folder::name_of(id))
    }

    fn check_write(&self) -> io::Result<()> {
        match self.shared.access {
            Access::Write => Ok(()),
            Access::Read => Err(read_only()),
        }
    }
}

/// What a [`Disk`] and its segments have in common.
#[derive(Debug)]
struct Shared {
    access: Access,
    map: bool,
    growth_bytes: u64,
    open_files: Arc<AtomicUsize>,
    /// Taken out when the disk is dropped. A segment may outlive that, and must leave the file alone then.
    lock: Mutex<Option<Lock>>,
    /// Whether it is still in: appends ask too often for a mutex.
    locked: AtomicBool,
    /// How long the last sync of a segment took.
    sync_nanos: AtomicU64,
}

/// The part of a sync's time that others are given to join it, how long that may be, and how often they are looked for.
const GATHERED_PART: u32 = 4;
const GATHERED_MAX: Duration = Duration::from_millis(1);
const GATHERED_STEP: Duration = Duration::from_micros(50);

impl Shared {
    fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Acquire)
    }

    /// Does it if the lock is held, and keeps the lock until it is done.
    fn while_locked(&self, act: impl FnOnce()) {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() {
            act();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.locked.store(false, Ordering::Release);
        drop(self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the folder is open for reading only")
}

impl Storage for Disk {
    type Segment = DiskSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        folder::segments(&self.path)
    }

    /// Syncs the new file and the folder.
    fn create(&self, id: SegmentId) -> io::Result<DiskSegment> {
        self.check_write()?;
        let path = self.file_of(id);
        let file = files::private().write(true).create_new(true).open(&path)?;
        if let Err(error) = file.sync_all().and_then(|()| self.folder.sync()) {
            // The name must be free for another try.
            _ = fs::remove_file(&path);
            return Err(error);
        }
        self.bell.ring();
        Ok(DiskSegment::created(path, Arc::clone(&self.shared), file))
    }

    fn open(&self, id: SegmentId) -> io::Result<DiskSegment> {
        let path = self.file_of(id);
        let file =
            files::open_plain(&path, files::private().write(self.access() == Access::Write))?;
        DiskSegment::opened(path, Arc::clone(&self.shared), file)
    }

    /// Syncs the folder.
    fn remove(&self, id: SegmentId) -> io::Result<()> {
        self.check_write()?;
        fs::remove_file(self.file_of(id))?;
        self.folder.sync()
    }

    /// For a part of what a sync takes here, so that it is worth it.
    fn gather(&self, enough: &dyn Fn() -> bool) {
        let begun = Instant::now();
        let usual = Duration::from_nanos(self.shared.sync_nanos.load(Ordering::Relaxed));
        let given = (usual / GATHERED_PART).min(GATHERED_MAX);
        // By sleeping: who yields on a busy machine waits for the turns of all others.
        while GATHERED_STEP <= given && !enough() && begun.elapsed() < given {
            thread::sleep(GATHERED_STEP);
        }
    }

    fn now_ms(&self) -> u64 {
        // A clock before 1970 is a clock that was never set.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> u64 {
        // Where the system has no randomness to give, std's own way to seed its maps is still a guess away.
        getrandom::u64().unwrap_or_else(|_| RandomState::new().build_hasher().finish())
    }
}
