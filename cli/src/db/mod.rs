//! [`Db`]: a store in a folder, with a thread that looks after it.

mod background;
mod bell;
mod cores;
mod options;
mod pace;
mod trouble;

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use bitcask_core::{Result, Store};

use crate::disk::Disk;
use background::Background;

pub(crate) use bell::Bell;
pub use options::{AutoMerge, DbOptions, OpenError};

/// A store in a folder, with a thread that looks after it.
///
/// All of [`Store`] is there, by `Deref`. The thread syncs every second (unless the store was opened with
/// [`Durability::None`](crate::Durability::None)), seals segments that are full, and merges what is worth it, at a bounded pace. A handle that is
/// open for reading only has no thread.
///
/// It is `Send` and `Sync`; share it by reference or in an [`Arc`]. The folder is locked for other writers, in this process
/// and in others, until the handle *and* every [`Snapshot`](crate::Snapshot) and [`Scan`](crate::Scan) of it are dropped.
///
/// # Errors of the thread
///
/// They never pass in silence:
///
/// - A **failed sync** ends writing: every later write answers [`Error::Poisoned`](crate::Error::Poisoned). Reads go on.
/// - **Damage** that a merge meets sets the segment aside: it is never removed, and its sound records are still served.
///   The next write fails with the error, once, and writes nothing; then writing goes on.
/// - **Anything else**, such as a folder that is out of reach for a while, is told by the next write in the same way, and
///   tried again until it works.
/// - On a **full disk** the thread tries again until there is room; a merge needs some for what it copies before it frees
///   more. Writes say themselves whether they had room.
///
/// In all cases [`Db::background_error`] says so (in the last two for as long as it lasts), and [`Db::close`] returns the
/// first failure that was not mended.
pub struct Db {
    // Before the store, which a thread of this must not outlive.
    background: Option<Background>,
    store: Arc<Store<Disk>>,
}

impl Db {
    /// Opens the store in a folder, or makes one where there is nothing or an empty folder. The short form of
    /// `Db::options().open(path)`.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Db, OpenError> {
        DbOptions::default().open(path)
    }

    /// The usual options, to be changed.
    #[must_use]
    pub fn options() -> DbOptions {
        DbOptions::default()
    }

    /// The folder, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.store.storage().path()
    }

    /// What the thread failed at, in a sentence: the first failure that was not mended. `None` where all is well.
    #[must_use]
    pub fn background_error(&self) -> Option<String> {
        self.background.as_ref()?.error()
    }

    /// Stops the thread, also in the middle of a merge, syncs, and takes no more calls. A tail that is worth it is
    /// sealed, so that the next opening is fast.
    ///
    /// The folder's lock is given back when the handle is dropped.
    ///
    /// # Errors
    ///
    /// The first failure of the thread that was not mended, once; else that of closing: `Io`, `Poisoned`. What was
    /// durable before still is.
    pub fn close(&self) -> Result<()> {
        let earlier = self.background.as_ref().map_or(Ok(()), Background::stop);
        let closed = self.store.close();
        earlier.and(closed)
    }
}

impl Deref for Db {
    type Target = Store<Disk>;

    fn deref(&self) -> &Store<Disk> {
        &self.store
    }
}

/// As [`Db::close`], but nobody is told about errors.
impl Drop for Db {
    fn drop(&mut self) {
        _ = self.close();
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// A handle is for all threads.
const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Db>();
};
