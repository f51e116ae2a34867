//! What a keydir takes, by a counting allocator: everything that a store has allocated, but for the bytes of its segments, divided
//! by the number of keys. The goal for `hash` is at most 15 bytes a key, whatever the key's length.
#![expect(unsafe_code, reason = "an allocator can only be counted by being one")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test: a panic is its way to say no, and numbers are small"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use bitcask_core::{Bytes, Durability, Index, Memory, Options, Segment, SegmentId, Storage, Store};

static ALLOCATED: AtomicI64 = AtomicI64::new(0);

/// The system's allocator, counted.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory but the counter's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

/// Segments whose bytes are taken back out of the count.
struct Uncounted {
    ids: Memory,
    segments: Mutex<Vec<(SegmentId, SegmentBytes)>>,
}

type SegmentBytes = Arc<Mutex<Vec<u8>>>;

struct UncountedSegment(SegmentBytes);

impl Segment for UncountedSegment {
    fn len(&self) -> u64 {
        self.0.lock().unwrap().len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let bytes = self.0.lock().unwrap();
        let start = offset as usize;
        let found = bytes.get(start..start + len).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Bytes::copy_from_slice(found))
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        let before = bytes.capacity();
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        ALLOCATED.fetch_sub((bytes.capacity() - before) as i64, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn rewrite(&self, _place: std::ops::Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().truncate(len as usize);
        Ok(())
    }

    fn freeze(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Storage for Uncounted {
    type Segment = UncountedSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        Ok(self.segments.lock().unwrap().iter().map(|(id, _)| *id).collect())
    }

    fn create(&self, id: SegmentId) -> io::Result<UncountedSegment> {
        let bytes = SegmentBytes::default();
        self.segments.lock().unwrap().push((id, Arc::clone(&bytes)));
        Ok(UncountedSegment(bytes))
    }

    fn open(&self, _id: SegmentId) -> io::Result<UncountedSegment> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn remove(&self, _id: SegmentId) -> io::Result<()> {
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        0
    }

    fn random(&self) -> u64 {
        self.ids.random()
    }
}

/// Bytes a key at each of these numbers of keys.
fn bytes_a_key(index: Index, key_len: usize, at: &[u64]) -> Vec<f64> {
    let before = ALLOCATED.load(Ordering::Relaxed);
    let options =
        Options::default().index(index).durability(Durability::None).segment_bytes(16 << 20);
    let storage = Uncounted { ids: Memory::new(1), segments: Mutex::default() };
    let store = Store::open(storage, options).unwrap();
    let mut found = Vec::new();
    let mut key = vec![b'k'; key_len];
    let last = at.last().copied().unwrap_or(0);
    for number in 1..=last {
        // In no order: a tree that is filled in order has its nodes half full.
        key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        store.put(&key, b"value").unwrap();
        if at.contains(&number) {
            let allocated = ALLOCATED.load(Ordering::Relaxed) - before;
            let a_key = allocated as f64 / number as f64;
            let said = store.stats().keydir_bytes as f64 / number as f64;
            println!(
                "{index:?}, {number} keys of {key_len} bytes: {a_key:.2} bytes a key, stats say {said:.2}"
            );
            found.push(a_key);
        }
    }
    assert_eq!(store.len(), last);
    found
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn bytes_of_memory_a_key() {
    for key_len in [16, 64] {
        // Between two steps of growth too, not only where one has just paid off.
        let at = [100_000, 150_000, 300_000, 400_000, 700_000, 1_000_000];
        for (number, a_key) in at.iter().zip(bytes_a_key(Index::Hash, key_len, &at)) {
            assert!(a_key <= 15.0, "{a_key:.2} bytes a key of {key_len} bytes at {number} keys");
        }
    }
    for key_len in [16, 64] {
        for a_key in bytes_a_key(Index::Ordered, key_len, &[100_000]) {
            let most = key_len as f64 + 40.0;
            assert!(a_key <= most, "ordered: {a_key:.2} bytes a key of {key_len} bytes");
        }
    }
}
