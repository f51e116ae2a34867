//! A storage that watches the engine and fails on demand.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bitcask_core::{Bytes, Memory, MemorySegment, Segment, SegmentId, Storage};

use crate::stores::Image;

/// Asserts of every read that it lies within its segment, so nothing is ever allocated for a length that was not
/// checked; and makes calls fail where a test says so.
#[derive(Clone, Default)]
pub(crate) struct Guard {
    pub(crate) memory: Memory,
    pub(crate) faults: Arc<Faults>,
}

/// What fails next. All is well at first.
#[derive(Default)]
pub(crate) struct Faults {
    /// The next append writes only this many bytes, and says so by an error.
    pub(crate) short_append: Mutex<Option<usize>>,
    /// The next append writes only this many bytes, and says that all is well.
    pub(crate) lying_append: Mutex<Option<usize>>,
    pub(crate) truncate_fails: AtomicBool,
    /// The next sync fails.
    pub(crate) sync_fails: AtomicBool,
    pub(crate) syncs: AtomicU64,
    /// Reads of just so many bytes give a wrong last one.
    pub(crate) lying_read_len: AtomicU64,
    /// Bytes of all reads.
    pub(crate) bytes_read: AtomicU64,
    /// Each look at the clock is a millisecond before the last one.
    pub(crate) clock_goes_back: AtomicBool,
}

pub(crate) struct GuardSegment {
    segment: MemorySegment,
    faults: Arc<Faults>,
}

impl Guard {
    pub(crate) fn of(image: &Image) -> Guard {
        Guard { memory: Memory::from_image(image, 7), faults: Arc::default() }
    }

    fn watch(&self, segment: MemorySegment) -> GuardSegment {
        GuardSegment { segment, faults: Arc::clone(&self.faults) }
    }
}

impl Segment for GuardSegment {
    fn len(&self) -> u64 {
        self.segment.len()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let end = offset.checked_add(len as u64);
        assert!(
            end.is_some_and(|end| end <= self.len()),
            "a read of {len} bytes at {offset} in a segment of {}",
            self.len()
        );
        self.faults.bytes_read.fetch_add(len as u64, Ordering::Relaxed);
        let bytes = self.segment.read_at(offset, len)?;
        if self.faults.lying_read_len.load(Ordering::Relaxed) != len as u64 {
            return Ok(bytes);
        }
        let mut bytes = bytes.to_vec();
        bytes.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
        Ok(bytes.into())
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let all = parts.concat();
        if let Some(len) = self.faults.lying_append.lock().unwrap().take() {
            return self.segment.append(&[&all[..len.min(all.len())]]);
        }
        if let Some(len) = self.faults.short_append.lock().unwrap().take() {
            self.segment.append(&[&all[..len.min(all.len())]])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.segment.append(&[&all])
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.syncs.fetch_add(1, Ordering::Relaxed);
        match self.faults.sync_fails.swap(false, Ordering::Relaxed) {
            true => Err(io::Error::other("the disk is gone")),
            false => Ok(()),
        }
    }

    fn rewrite(&self, place: Range<u64>) -> io::Result<()> {
        self.segment.rewrite(place)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        match self.faults.truncate_fails.load(Ordering::Relaxed) {
            true => Err(io::Error::other("it does not let go")),
            false => self.segment.truncate(len),
        }
    }

    fn freeze(&self) -> io::Result<()> {
        self.segment.freeze()
    }
}

impl Storage for Guard {
    type Segment = GuardSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        self.memory.list()
    }

    fn create(&self, id: SegmentId) -> io::Result<GuardSegment> {
        Ok(self.watch(self.memory.create(id)?))
    }

    fn open(&self, id: SegmentId) -> io::Result<GuardSegment> {
        Ok(self.watch(self.memory.open(id)?))
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        self.memory.remove(id)
    }

    fn now_ms(&self) -> u64 {
        let now_ms = self.memory.now_ms();
        if self.faults.clock_goes_back.load(Ordering::Relaxed) {
            self.memory.set_now_ms(now_ms.saturating_sub(1));
        }
        now_ms
    }

    fn random(&self) -> u64 {
        self.memory.random()
    }
}
