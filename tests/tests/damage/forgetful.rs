//! A storage like Linux's page cache: what a failed sync did not write is called clean, and still shown to readers.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bitcask_core::{Bytes, Segment, SegmentId, Storage};

/// Clones share everything, as processes share the cache.
///
/// Each file has a *live* image, which reads see, and a *durable* one. Bytes that were written are *dirty*, and a sync makes them durable. **A sync that
/// fails makes nothing durable and forgets what was dirty**: later syncs say yes and leave those bytes out, and a power cut
/// takes them. Names, lengths and cuts are durable at once; the power goes only where a test says so.
#[derive(Clone, Default)]
pub(crate) struct Forgetful {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    files: BTreeMap<SegmentId, Arc<Mutex<File>>>,
    random: u64,
    syncs: u64,
    fails: Option<u64>,
    /// Whether removes fail from a failed sync on.
    is_sick: bool,
    failed: bool,
}

#[derive(Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// One for each byte of the live image.
    dirty: Vec<bool>,
}

pub(crate) struct ForgetfulSegment {
    file: Arc<Mutex<File>>,
    shared: Arc<Mutex<Shared>>,
}

impl Forgetful {
    /// The sync of this number fails, counted from now and from 0; with `None` none does.
    pub(crate) fn fail_sync(&self, number: Option<u64>) {
        let mut shared = self.shared.lock().unwrap();
        (shared.syncs, shared.fails, shared.failed) = (0, number, false);
    }

    /// Nothing can be removed any more after a failed sync, until the next one is ordered.
    pub(crate) fn be_sick(&self, is_sick: bool) {
        self.shared.lock().unwrap().is_sick = is_sick;
    }

    /// Syncs since a failure was ordered.
    pub(crate) fn syncs(&self) -> u64 {
        self.shared.lock().unwrap().syncs
    }

    /// The cache is gone: what is durable is left.
    pub(crate) fn power_cut(&self) {
        for file in self.shared.lock().unwrap().files.values() {
            let mut file = file.lock().unwrap();
            file.live = file.durable.clone();
            file.dirty = vec![false; file.live.len()];
        }
    }
}

impl Segment for ForgetfulSegment {
    fn len(&self) -> u64 {
        self.file.lock().unwrap().live.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let file = self.file.lock().unwrap();
        let found = file.live.get(offset as usize..offset as usize + len);
        found.map(Bytes::copy_from_slice).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = self.file.lock().unwrap();
        file.live.extend(parts.concat());
        let len = file.live.len();
        file.dirty.resize(len, true);
        // The length is the file system's own affair, which it keeps in its journal.
        file.durable.resize(len, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut shared = self.shared.lock().unwrap();
        let fails = shared.fails == Some(shared.syncs);
        shared.syncs += 1;
        shared.failed |= fails;
        let file = &mut *self.file.lock().unwrap();
        for ((dirty, live), durable) in file.dirty.iter_mut().zip(&file.live).zip(&mut file.durable)
        {
            if *dirty && !fails {
                *durable = *live;
            }
            *dirty = false;
        }
        if fails { Err(io::Error::other("the disk did not take it")) } else { Ok(()) }
    }

    fn rewrite(&self, place: Range<u64>) -> io::Result<()> {
        let mut file = self.file.lock().unwrap();
        file.dirty[place.start as usize..place.end as usize].fill(true);
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut file = self.file.lock().unwrap();
        file.live.truncate(len as usize);
        file.durable.truncate(len as usize);
        file.dirty.truncate(len as usize);
        Ok(())
    }

    fn freeze(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Forgetful {
    fn segment(&self, file: &Arc<Mutex<File>>) -> ForgetfulSegment {
        ForgetfulSegment { file: Arc::clone(file), shared: Arc::clone(&self.shared) }
    }
}

impl Storage for Forgetful {
    type Segment = ForgetfulSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        Ok(self.shared.lock().unwrap().files.keys().copied().collect())
    }

    fn create(&self, id: SegmentId) -> io::Result<ForgetfulSegment> {
        let file = Arc::default();
        if self.shared.lock().unwrap().files.insert(id, Arc::clone(&file)).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(self.segment(&file))
    }

    fn open(&self, id: SegmentId) -> io::Result<ForgetfulSegment> {
        let found = self.shared.lock().unwrap().files.get(&id).cloned();
        found.map(|file| self.segment(&file)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        let mut shared = self.shared.lock().unwrap();
        if shared.is_sick && shared.failed {
            return Err(io::Error::other("the disk does not answer"));
        }
        let removed = shared.files.remove(&id);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn now_ms(&self) -> u64 {
        0
    }

    fn random(&self) -> u64 {
        let mut shared = self.shared.lock().unwrap();
        shared.random = shared.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        shared.random ^ (shared.random >> 29)
    }
}
