//! How a [`Db`] is opened, and why it was not.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bitcask_core::{Durability, Error, Index, MergePolicy, Options, Recovery, Store};

use super::Db;
use super::background::{Background, Duties};
use super::cores::Cores;
use crate::disk::{Access, Disk, FolderError};

/// How a [`Db`] is opened; begin with [`Db::options`].
#[derive(Clone, Debug)]
pub struct DbOptions {
    store: Options,
    program: Option<String>,
    sync_every: Duration,
    auto_merge: Option<AutoMerge>,
    background: bool,
}

/// What the thread of a [`Db`] merges, and how fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoMerge {
    /// What is worth merging.
    pub policy: MergePolicy,
    /// In the place of the policy's [`dead_ratio`](MergePolicy::dead_ratio), if it is less: once no segment was full for two
    /// seconds. What is left unfreed while writers are busy, so that merging does not compete with them, need not stay.
    pub dead_ratio_at_rest: f64,
    /// At most so many bytes of segments are read in a second to be merged; not more are written. 0 counts as 1.
    pub bytes_per_second: u64,
}

impl Default for AutoMerge {
    /// What frees 40 % or more, at rest 20 %, at 64 MiB a second.
    fn default() -> AutoMerge {
        AutoMerge {
            policy: MergePolicy::default(),
            dead_ratio_at_rest: 0.2,
            bytes_per_second: 64 << 20,
        }
    }
}

impl Default for DbOptions {
    fn default() -> DbOptions {
        DbOptions {
            store: Options::default(),
            program: None,
            sync_every: Duration::from_secs(1),
            auto_merge: Some(AutoMerge::default()),
            background: true,
        }
    }
}

impl DbOptions {
    /// The kind of keydir. Default: [`Index::Ordered`].
    #[must_use]
    pub fn index(self, index: Index) -> DbOptions {
        DbOptions { store: self.store.index(index), ..self }
    }

    /// When writes are acknowledged. Default: [`Durability::Interval`].
    #[must_use]
    pub fn durability(self, durability: Durability) -> DbOptions {
        DbOptions { store: self.store.durability(durability), ..self }
    }

    /// What is done about damage. Default: [`Recovery::Strict`]. Salvage implies reading only.
    #[must_use]
    pub fn recovery(self, recovery: Recovery) -> DbOptions {
        DbOptions { store: self.store.recovery(recovery), ..self }
    }

    /// Length of segments in bytes. Default: 64 MiB. At least 256, at most 4 GiB.
    #[must_use]
    pub fn segment_bytes(self, segment_bytes: u64) -> DbOptions {
        DbOptions { store: self.store.segment_bytes(segment_bytes), ..self }
    }

    /// Whether to make a store where there is nothing or an empty folder. Default: true.
    #[must_use]
    pub fn create(self, create: bool) -> DbOptions {
        DbOptions { store: self.store.create(create), ..self }
    }

    /// Whether to read only: without a lock, beside a writer, as of the moment of opening. Default: false.
    #[must_use]
    pub fn read_only(self, read_only: bool) -> DbOptions {
        DbOptions { store: self.store.read_only(read_only), ..self }
    }

    /// What others are told about who has the store open. Default: the name of the program.
    #[must_use]
    pub fn program(self, program: &str) -> DbOptions {
        DbOptions { program: Some(program.to_owned()), ..self }
    }

    /// How much time a power cut takes at most, about, under [`Durability::Interval`]. Default: 1 s.
    #[must_use]
    pub fn sync_every(self, sync_every: Duration) -> DbOptions {
        DbOptions { sync_every, ..self }
    }

    /// What is merged in the background; `None`: nothing. Default: [`AutoMerge::default`].
    #[must_use]
    pub fn auto_merge(self, auto_merge: Option<AutoMerge>) -> DbOptions {
        DbOptions { auto_merge, ..self }
    }

    /// Whether there is a thread. Default: true. Without one nothing is merged unless [`Store::merge`] is called, nothing is
    /// synced at intervals, and segments are sealed by the write that fills them.
    #[must_use]
    pub fn background(self, background: bool) -> DbOptions {
        DbOptions { background, ..self }
    }

    /// Opens the store in a folder.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. Nothing was changed then, but that an empty folder may have been made.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Db, OpenError> {
        let reads_only = self.store.read_only || self.store.recovery == Recovery::Salvage;
        let access = if reads_only { Access::Read } else { Access::Write };
        let has_thread = self.background && !reads_only;
        let mut disk = Disk::options().access(access).create(self.store.create);
        if let Some(program) = &self.program {
            disk = disk.program(program);
        }
        let disk = disk.open(path)?;
        let bell = disk.bell();
        let options = self.store.clone().seal_on_roll(!has_thread);
        let store = Arc::new(Store::open_with_threads(disk, options, &Cores)?);
        let background = match has_thread {
            true => Some(Background::start(Arc::clone(&store), bell, self.duties())?),
            false => None,
        };
        Ok(Db { background, store })
    }

    fn duties(&self) -> Duties {
        Duties {
            sync_every: (self.store.durability != Durability::None).then_some(self.sync_every),
            auto_merge: self.auto_merge,
        }
    }
}

/// Why a store was not opened. `Display` is one sentence without a full stop; [`advice`](OpenError::advice) says what
/// to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// It is about the folder: it is not there, holds something else, is locked, or may not be written.
    Folder(FolderError),
    /// It is about what is in the store.
    Store(Error),
}

impl OpenError {
    /// What a person can do about it, in one sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            OpenError::Folder(error) => error.advice(),
            OpenError::Store(error) => error.advice(),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Folder(error) => error.fmt(f),
            OpenError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Folder(error) => error.source(),
            OpenError::Store(error) => error.source(),
        }
    }
}

impl From<FolderError> for OpenError {
    fn from(error: FolderError) -> OpenError {
        OpenError::Folder(error)
    }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> OpenError {
        OpenError::Store(error)
    }
}
