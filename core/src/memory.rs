//! [`Memory`]: segments in memory. The example implementation of the seam, and a store that need not last.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use bytes::Bytes;

use crate::segment::{Segment, SegmentId, Storage};

/// A folder of segments in memory. Clones share the segments, so a clone that is kept can open the
/// store again after the first one was closed or dropped.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    segments: Arc<Mutex<BTreeMap<SegmentId, MemorySegment>>>,
    /// Both are steps of a counter and set by tests: a run depends on its calls only.
    now_ms: Arc<AtomicU64>,
    random: Arc<AtomicU64>,
}

impl Memory {
    /// An empty folder whose time stands still at 0 and whose randomness begins at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Memory {
        let memory = Memory::default();
        memory.random.store(seed, Ordering::Relaxed);
        memory
    }

    /// Sets what [`Storage::now_ms`] returns.
    pub fn set_now_ms(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    /// All segments and their bytes: to copy, damage and restore in tests.
    #[must_use]
    pub fn image(&self) -> BTreeMap<SegmentId, Vec<u8>> {
        lock(&self.segments).iter().map(|(id, s)| (*id, lock(&s.bytes).clone())).collect()
    }

    /// A folder with these segments; the reverse of [`Memory::image`].
    #[must_use]
    pub fn from_image(image: &BTreeMap<SegmentId, Vec<u8>>, seed: u64) -> Memory {
        let memory = Memory::new(seed);
        for (id, bytes) in image {
            let segment = MemorySegment { bytes: Arc::new(Mutex::new(bytes.clone())) };
            lock(&memory.segments).insert(*id, segment);
        }
        memory
    }
}

/// One segment of a [`Memory`].
#[derive(Clone, Debug, Default)]
pub struct MemorySegment {
    bytes: Arc<Mutex<Vec<u8>>>,
}

/// A thread that panicked while it held one of these locks left no half-made change behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Segment for MemorySegment {
    fn len(&self) -> u64 {
        lock(&self.bytes).len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let bytes = lock(&self.bytes);
        usize::try_from(offset)
            .ok()
            .and_then(|start| bytes.get(start..start.checked_add(len)?))
            .map(Bytes::copy_from_slice)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut bytes = lock(&self.bytes);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn rewrite(&self, place: Range<u64>) -> io::Result<()> {
        let is_there = place.start <= place.end && place.end <= self.len();
        if is_there { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut bytes = lock(&self.bytes);
        match usize::try_from(len) {
            Ok(len) if len <= bytes.len() => {
                bytes.truncate(len);
                Ok(())
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn freeze(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Storage for Memory {
    type Segment = MemorySegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        Ok(lock(&self.segments).keys().copied().collect())
    }

    fn create(&self, id: SegmentId) -> io::Result<MemorySegment> {
        let mut segments = lock(&self.segments);
        if segments.contains_key(&id) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let segment = MemorySegment::default();
        segments.insert(id, segment.clone());
        Ok(segment)
    }

    fn open(&self, id: SegmentId) -> io::Result<MemorySegment> {
        lock(&self.segments).get(&id).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        match lock(&self.segments).remove(&id) {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn random(&self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014): well mixed from a plain counter, and repeatable.
        let z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
