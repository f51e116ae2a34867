//! [`Store`]: one open database.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;

use crate::batch::{Batch, Operation};
use crate::catalog::Catalog;
use crate::changes::Changes;
use crate::commit::Commit;
use crate::error::{Error, Result};
use crate::format::walk::Depth;
use crate::format::{Head, Record};
use crate::keydir::Keydir;
use crate::merge::Merger;
use crate::open::{self, Beside, Here, RecoveryReport, Threads};
use crate::options::{Durability, Options, WriteOptions};
use crate::read::{self, Found};
use crate::scan::{Keys, Range, Scan};
use crate::sealing::Sealing;
use crate::segment::Storage;
use crate::snapshot::{Snapshot, Snapshots};
use crate::stats::{Counters, Operation as Counted};
use crate::untold::Untold;
use crate::write::{Old, Planned, Writer};

/// One open database.
///
/// All methods take `&self`, and where the storage and its segments are `Send + Sync`, so is the store: share it by
/// reference or in an `Arc`. A read takes no lock that a writer holds across I/O. Writes are appended to the log one after another,
/// before they are applied; see [`Durability`] for when they are acknowledged.
///
/// Dropping a store loses nothing that was acknowledged, but [`Store::close`] makes the next opening faster and
/// tells about errors.
///
/// ```
/// use bitcask_core::{Memory, Options, Range, Store};
///
/// # fn main() -> bitcask_core::Result<()> {
/// let store = Store::open(Memory::new(1), Options::default())?;
/// store.put(b"user:1", b"Ada")?;
/// store.put(b"user:2", b"Grace")?;
/// assert_eq!(store.get(b"user:1")?.as_deref(), Some(&b"Ada"[..]));
/// assert!(store.delete(b"user:1")?);
/// for entry in store.scan(Range::prefix("user:")) {
///     assert_eq!(entry?.value, &b"Grace"[..]);
/// }
/// store.close()?;
/// # Ok(())
/// # }
/// ```
pub struct Store<S: Storage> {
    inner: Arc<Inner<S>>,
}

/// What a store and its snapshots share. The storage comes last, so that it is dropped after the segments: having
/// the storage is having the store's lock.
pub(crate) struct Inner<S: Storage> {
    pub(crate) keydir: Keydir,
    pub(crate) catalog: Catalog<S::Segment>,
    pub(crate) writer: Mutex<Writer<S::Segment>>,
    pub(crate) sealing: Sealing<S::Segment>,
    pub(crate) commit: Commit,
    pub(crate) snapshots: Snapshots,
    pub(crate) merger: Mutex<Merger<S::Segment>>,
    pub(crate) counters: Counters,
    pub(crate) options: Options,
    pub(crate) store_id: [u8; 16],
    pub(crate) recovery: RecoveryReport,
    pub(crate) poison: OnceLock<String>,
    pub(crate) untold: Untold,
    pub(crate) closed: AtomicBool,
    pub(crate) storage: S,
}

/// A key, its value, and what else is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The sequence number of the write: what [`Store::replace_if`] compares.
    pub version: u64,
    /// From when on the key counts as deleted, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
}

impl Found {
    /// What a caller gets of the record of this key.
    pub(crate) fn into_entry(self, key: &[u8]) -> Entry {
        let Found { head, value, .. } = self;
        let key = Bytes::copy_from_slice(key);
        Entry { key, value, version: head.sequence, expires_at_ms: head.expires_at_ms }
    }
}

/// How a conditional write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditional {
    /// It was written, with this sequence number: the key's new version.
    Done(u64),
    /// Nothing was written: this is the version that is there, or `None` where the key is not.
    Differs(Option<u64>),
}

impl<S: Storage> Store<S> {
    /// Opens a store, or makes one where there is none and the options allow it.
    ///
    /// Reads the seals of sealed segments, walks the rest, cuts a torn tail, makes what it read durable, and says in
    /// [`Store::recovery`] what it found.
    ///
    /// # Errors
    ///
    /// [`Error::NoStore`], [`Error::Io`]; [`Error::Damaged`], [`Error::Missing`], [`Error::Foreign`] and [`Error::Version`],
    /// after which nothing was changed.
    pub fn open(storage: S, options: Options) -> Result<Store<S>> {
        Ok(Store { inner: Arc::new(open::open(storage, options, &Here)?) })
    }

    /// As [`Store::open`], where the work of filling the keydir is shared among threads of the binding.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_with_threads(
        storage: S,
        options: Options,
        threads: &dyn Threads,
    ) -> Result<Store<S>>
    where
        S::Segment: Send + Sync,
    {
        Ok(Store { inner: Arc::new(open::open(storage, options, &Beside(threads))?) })
    }

    /// What opening found and did.
    #[must_use]
    pub fn recovery(&self) -> &RecoveryReport {
        &self.inner.recovery
    }

    /// The value of a key. Every read checks the record's checksum.
    ///
    /// # Errors
    ///
    /// `Damaged` where the record is not what was written; `Io`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.get_found(key)?.map(|found| found.value))
    }

    /// The value of a key, with its version and expiry.
    ///
    /// # Errors
    ///
    /// As [`Store::get`].
    pub fn get_entry(&self, key: &[u8]) -> Result<Option<Entry>> {
        Ok(self.get_found(key)?.map(|found| found.into_entry(key)))
    }

    fn get_found(&self, key: &[u8]) -> Result<Option<Found>> {
        let found = self.inner.find(key, Depth::Whole)?;
        let found = found.filter(|found| !self.inner.is_expired(&found.head));
        self.inner.counters.count(if found.is_some() { Counted::Hit } else { Counted::Miss });
        Ok(found)
    }

    /// Whether a key is there. Reads the record's head, not its value.
    ///
    /// # Errors
    ///
    /// As [`Store::get`].
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        let found = self.inner.find(key, Depth::Heads)?;
        Ok(found.is_some_and(|found| !self.inner.is_expired(&found.head)))
    }

    /// Number of keys. One that has expired counts until a merge drops it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.inner.keydir.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes a value and returns its version. Durable as the store was opened.
    ///
    /// # Errors
    ///
    /// [`Error::KeyLen`], [`Error::ValueLen`], [`Error::ReadOnly`], [`Error::Closed`]: nothing was written. [`Error::Io`], [`Error::Poisoned`]: where
    /// the append failed it was undone; where a sync failed, or the seal of an earlier segment that must come before it, the write may or
    /// may not survive.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<u64> {
        self.put_with(key, value, &WriteOptions::default())
    }

    /// Writes a value and returns its version.
    ///
    /// # Errors
    ///
    /// As [`Store::put`].
    pub fn put_with(&self, key: &[u8], value: &[u8], options: &WriteOptions) -> Result<u64> {
        let put = Operation::put(key, value, options.expires_at_ms);
        match self.conditionally(put, options, |_| true)? {
            Conditional::Done(sequence) => Ok(sequence),
            Conditional::Differs(version) => Ok(version.unwrap_or_default()),
        }
    }

    /// Deletes a key; says whether it was there. Writes nothing where it was not.
    ///
    /// # Errors
    ///
    /// As [`Store::put`].
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.delete_with(key, &WriteOptions::default())
    }

    /// Deletes a key; says whether it was there.
    ///
    /// # Errors
    ///
    /// As [`Store::put`].
    pub fn delete_with(&self, key: &[u8], options: &WriteOptions) -> Result<bool> {
        let delete = Operation::delete(key);
        let deleted = self.conditionally(delete, options, |version| version.is_some())?;
        Ok(matches!(deleted, Conditional::Done(_)))
    }

    /// Writes a value if the key is not there.
    ///
    /// # Errors
    ///
    /// As [`Store::put`].
    pub fn put_if_absent(
        &self,
        key: &[u8],
        value: &[u8],
        options: &WriteOptions,
    ) -> Result<Conditional> {
        let put = Operation::put(key, value, options.expires_at_ms);
        self.conditionally(put, options, |version| version.is_none())
    }

    /// Writes a value if the key's version is this one.
    ///
    /// # Errors
    ///
    /// As [`Store::put`].
    pub fn replace_if(
        &self,
        key: &[u8],
        version: u64,
        value: &[u8],
        options: &WriteOptions,
    ) -> Result<Conditional> {
        let put = Operation::put(key, value, options.expires_at_ms);
        self.conditionally(put, options, |there| there == Some(version))
    }

    /// Deletes a key if its version is this one.
    ///
    /// # Errors
    ///
    /// As [`Store::put`].
    pub fn delete_if(
        &self,
        key: &[u8],
        version: u64,
        options: &WriteOptions,
    ) -> Result<Conditional> {
        let delete = Operation::delete(key);
        self.conditionally(delete, options, |there| there == Some(version))
    }

    /// One write, if the version that is there pleases `wanted`.
    fn conditionally(
        &self,
        operation: Operation<'_>,
        options: &WriteOptions,
        wanted: impl FnOnce(Option<u64>) -> bool,
    ) -> Result<Conditional> {
        operation.check()?;
        let key = self.inner.keydir.key(operation.key);
        let mut writer = self.inner.writer_for_writing()?;
        let found = read::find(&self.inner.keydir, &self.inner.catalog, key, Depth::Heads)?;
        let there = found.as_ref().filter(|found| !self.inner.is_expired(&found.head));
        let version = there.map(|found| found.head.sequence);
        if !wanted(version) {
            return Ok(Conditional::Differs(version));
        }
        let old = found.map(|found| Old::of(found.at, &found.head));
        let written = self.inner.append(&mut writer, &[Planned { operation, key, old }])?;
        drop(writer);
        self.acknowledge(written.position, options)?;
        Ok(Conditional::Done(written.sequence))
    }

    /// Writes a batch: after a crash all of it is there or nothing. Returns the sequence number of its last record, or `None`
    /// where nothing had to be written. A read beside it may see some of its keys before others; a snapshot or a scan never does.
    ///
    /// # Errors
    ///
    /// As [`Store::put`], and [`Error::BatchLen`].
    pub fn write(&self, batch: &Batch, options: &WriteOptions) -> Result<Option<u64>> {
        let mut writer = self.inner.writer_for_writing()?;
        let operations = self.inner.plan_batch(batch)?;
        if operations.is_empty() {
            return Ok(None);
        }
        let written = self.inner.append(&mut writer, &operations)?;
        drop(writer);
        self.acknowledge(written.position, options)?;
        Ok(Some(written.sequence))
    }

    /// Waits for as much durability as was asked for.
    fn acknowledge(&self, position: u64, options: &WriteOptions) -> Result<()> {
        match options.durability.unwrap_or(self.inner.options.durability) {
            Durability::None | Durability::Interval => Ok(()),
            Durability::Always => self.inner.wait_durable(position),
        }
    }

    /// Returns once everything that was written before is durable. Threads that call it together share one sync; where
    /// nothing is to be done it costs nothing.
    ///
    /// # Errors
    ///
    /// `Io`, and from then on `Poisoned`: nothing that was not durable before counts as durable after a failed sync.
    pub fn sync(&self) -> Result<()> {
        self.inner.check_open()?;
        self.inner.wait_durable(self.inner.commit.appended())
    }

    /// Seals segments that were rolled, oldest first, and removes those that only a snapshot held. Returns how many
    /// were sealed.
    ///
    /// # Errors
    ///
    /// `Io`, `Damaged`.
    pub fn seal_pending(&self) -> Result<usize> {
        self.inner.check_open()?;
        self.inner.release_retired()?;
        self.inner.seal_pending()
    }

    /// The store as it is now: see [`Snapshot`].
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<S> {
        // Under the writer's lock no batch is half applied.
        let writer = self.inner.writer();
        Snapshot::at(&self.inner, writer.sequence())
    }

    /// The entries within a range, in byte order of the keys, as of now: writes that come later do not show.
    #[must_use]
    pub fn scan(&self, range: Range) -> Scan<S> {
        Scan::new(self.snapshot(), range)
    }

    /// The keys within a range, in byte order, as of now.
    #[must_use]
    pub fn keys(&self, range: Range) -> Keys<S> {
        Keys::new(self.scan(range))
    }

    /// What was written behind a sequence number, in the order of the log: see [`Changes`]. `since` is one that this store
    /// told earlier ([`Changes::until`], [`Store::sequence`], a version), or 0 for everything.
    ///
    /// Reads what is needed to find the place; nothing behind it.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], `Io`.
    pub fn changes(&self, since: u64) -> Result<Changes<S>> {
        self.inner.check_open()?;
        Changes::new(&self.inner, since)
    }

    /// The last sequence number that was handed out: the version of the latest write, or the larger number that a
    /// session began with.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.inner.sequence()
    }

    /// The store's name: random, the same in all its segments, and for as long as it lives. A sequence number means
    /// something only together with it.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.inner.store_id
    }

    /// Syncs, seals a long tail, marks the log as complete, and takes no more calls: they answer [`Error::Closed`]. Snapshots and
    /// scans that were taken before read on. What the store holds of the platform is given back when it and they are dropped.
    ///
    /// # Errors
    ///
    /// `Io`, `Poisoned`: what was durable before still is.
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }

    /// The storage.
    #[must_use]
    pub fn storage(&self) -> &S {
        &self.inner.storage
    }

    pub(crate) fn inner(&self) -> &Arc<Inner<S>> {
        &self.inner
    }
}

impl<S: Storage> Inner<S> {
    pub(crate) fn find(&self, key: &[u8], depth: Depth) -> Result<Option<Found>> {
        self.check_open()?;
        self.find_also_closed(key, depth)
    }

    /// As [`Inner::find`], for snapshots, which outlive the store's end.
    pub(crate) fn find_also_closed(&self, key: &[u8], depth: Depth) -> Result<Option<Found>> {
        read::find(&self.keydir, &self.catalog, self.keydir.key(key), depth)
    }

    /// The record as a caller sees it; `None` where it has expired.
    pub(crate) fn visible(&self, record: Record) -> Option<Entry> {
        if self.is_expired(&record.head) {
            return None;
        }
        let Record { head, key, value } = record;
        Some(Entry { key, value, version: head.sequence, expires_at_ms: head.expires_at_ms })
    }

    pub(crate) fn is_expired(&self, head: &Head) -> bool {
        head.expires_at_ms.is_some() && head.is_expired(self.storage.now_ms())
    }

    /// The one appender. A thread that panicked with it left the log at its last whole append.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer<S::Segment>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last sequence number that was handed out. (A method, so that no caller holds the lock for longer.)
    pub(crate) fn sequence(&self) -> u64 {
        self.writer().sequence()
    }

    /// The appender, if this store may write.
    pub(crate) fn writer_for_writing(&self) -> Result<MutexGuard<'_, Writer<S::Segment>>> {
        if !self.options.writes() {
            return Err(Error::ReadOnly);
        }
        let writer = self.writer();
        self.check_open()?;
        self.check_poison()?;
        self.untold.take()?;
        Ok(writer)
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(Error::Closed),
            false => Ok(()),
        }
    }

    pub(crate) fn check_poison(&self) -> Result<()> {
        self.poison.get().map_or(Ok(()), |first| Err(Error::Poisoned(first.clone())))
    }

    /// From now on the store takes no writes; passes the error on.
    pub(crate) fn poisoned_by(&self, error: Error) -> Error {
        // Only the first failure is kept: the later ones follow from it.
        let _ = self.poison.set(error.to_string());
        error
    }
}
