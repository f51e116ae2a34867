//! Memory that knows what a power cut would leave: what was there when a sync began that has returned.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bitcask_core::{
    Bytes, Durability, Memory, MemorySegment, Options, Segment, SegmentId, Storage, Store,
    WriteOptions,
};

#[derive(Clone)]
pub(crate) struct Synced {
    memory: Memory,
    durable: Arc<Mutex<BTreeMap<SegmentId, u64>>>,
}

pub(crate) struct SyncedSegment {
    id: SegmentId,
    segment: MemorySegment,
    durable: Arc<Mutex<BTreeMap<SegmentId, u64>>>,
}

impl Synced {
    pub(crate) fn new(seed: u64) -> Synced {
        Synced { memory: Memory::new(seed), durable: Arc::default() }
    }

    /// What a power cut would leave now. Nothing may be removed meanwhile.
    pub(crate) fn after_a_power_cut(&self) -> Memory {
        let durable = self.durable.lock().unwrap().clone();
        let mut image = self.memory.image();
        image.retain(|id, _| durable.contains_key(id));
        image.iter_mut().for_each(|(id, bytes)| bytes.truncate(durable[id] as usize));
        Memory::from_image(&image, 7)
    }

    fn own(&self, id: SegmentId, segment: MemorySegment) -> SyncedSegment {
        SyncedSegment { id, segment, durable: Arc::clone(&self.durable) }
    }
}

impl Storage for Synced {
    type Segment = SyncedSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        self.memory.list()
    }

    fn create(&self, id: SegmentId) -> io::Result<SyncedSegment> {
        let segment = self.memory.create(id)?;
        self.durable.lock().unwrap().insert(id, 0);
        Ok(self.own(id, segment))
    }

    fn open(&self, id: SegmentId) -> io::Result<SyncedSegment> {
        Ok(self.own(id, self.memory.open(id)?))
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        self.memory.remove(id)
    }

    fn now_ms(&self) -> u64 {
        0
    }

    fn random(&self) -> u64 {
        self.memory.random()
    }
}

impl Segment for SyncedSegment {
    fn len(&self) -> u64 {
        self.segment.len()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.segment.read_at(offset, len)
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        self.segment.append(parts)
    }

    /// What is appended while it runs may be missed, as on a disk.
    fn sync(&self) -> io::Result<()> {
        let len = self.segment.len();
        self.segment.sync()?;
        // A lock of core's, and so a place where others may go on.
        let _ = self.segment.len();
        let mut durable = self.durable.lock().unwrap();
        let there = durable.entry(self.id).or_default();
        *there = len.max(*there);
        Ok(())
    }

    fn rewrite(&self, place: std::ops::Range<u64>) -> io::Result<()> {
        self.segment.rewrite(place)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.segment.truncate(len)
    }

    fn freeze(&self) -> io::Result<()> {
        self.segment.freeze()
    }
}

/// Writes that wait for durability, beside others that do not; each looks, when it has returned, at what a power cut would leave.
pub(crate) fn write_durably(storage: &Synced, store: &Store<Synced>, thread: u64, writes: u64) {
    let key = thread.to_le_bytes();
    for number in 1..=writes {
        let durability = if number % 3 == 0 { Durability::None } else { Durability::Always };
        let options = WriteOptions::durability(durability);
        store.put_with(&key, &number.to_le_bytes(), &options).unwrap();
        if durability == Durability::None && number % 2 == 0 {
            continue;
        }
        if durability == Durability::None {
            store.sync().unwrap();
        }
        let left = Store::open(storage.after_a_power_cut(), Options::default()).unwrap();
        let there =
            left.get(&key).unwrap().map(|value| u64::from_le_bytes(value[..].try_into().unwrap()));
        assert!(
            Some(number) <= there,
            "{number} was acknowledged as durable, {there:?} would be left"
        );
    }
}
