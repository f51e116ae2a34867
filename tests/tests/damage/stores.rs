//! Small stores, one of each sort, written by the engine.

use std::collections::BTreeMap;

use bitcask_core::{
    Batch, Durability, Go, Index, Memory, MergePolicy, MergeStep, Options, SegmentId, Store,
    WriteOptions,
};

/// The bytes of all segments.
pub(crate) type Image = BTreeMap<SegmentId, Vec<u8>>;

/// What a store holds: values with their expiry.
pub(crate) type State = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

pub(crate) struct Made {
    pub(crate) name: &'static str,
    pub(crate) image: Image,
    /// What was written, by a map beside the store.
    pub(crate) state: State,
}

/// A store and the map beside it.
pub(crate) struct Twin {
    pub(crate) memory: Memory,
    pub(crate) options: Options,
    pub(crate) store: Store<Memory>,
    pub(crate) state: State,
}

impl Twin {
    pub(crate) fn new(seed: u64, options: &Options) -> Twin {
        let memory = Memory::new(seed);
        let store = Store::open(memory.clone(), options.clone()).unwrap();
        Twin { memory, options: options.clone(), store, state: State::new() }
    }

    pub(crate) fn put(&mut self, key: &str, value: impl AsRef<[u8]>) {
        self.store.put(key.as_bytes(), value.as_ref()).unwrap();
        self.state.insert(key.into(), (value.as_ref().to_vec(), None));
    }

    pub(crate) fn put_expiring(&mut self, key: &str, value: &str, at_ms: u64) {
        let options = WriteOptions::default().expires_at_ms(at_ms);
        self.store.put_with(key.as_bytes(), value.as_bytes(), &options).unwrap();
        self.state.insert(key.into(), (value.into(), Some(at_ms)));
    }

    pub(crate) fn delete(&mut self, key: &str) {
        let was_there = self.store.delete(key.as_bytes()).unwrap();
        assert_eq!(was_there, self.state.remove(key.as_bytes()).is_some());
    }

    /// Writes two values and deletes a third key, all or nothing.
    pub(crate) fn batch(&mut self, first: &str, second: &str, deleted: &str) {
        let mut batch = Batch::new();
        batch.put(first.as_bytes(), b"from a batch").unwrap();
        batch.put_expiring(second.as_bytes(), b"that expires", 1 << 40).unwrap();
        batch.delete(deleted.as_bytes()).unwrap();
        self.store.write(&batch, &WriteOptions::default()).unwrap();
        self.state.insert(first.into(), (b"from a batch".to_vec(), None));
        self.state.insert(second.into(), (b"that expires".to_vec(), Some(1 << 40)));
        self.state.remove(deleted.as_bytes());
    }

    /// As a process that is killed, and its successor.
    pub(crate) fn reopen(&mut self) {
        self.store = Store::open(self.memory.clone(), self.options.clone()).unwrap();
    }

    pub(crate) fn close_and_reopen(&mut self) {
        self.store.close().unwrap();
        self.reopen();
    }

    pub(crate) fn merge(&self) {
        self.store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
    }

    pub(crate) fn made(self, name: &'static str) -> Made {
        Made { name, image: self.memory.image(), state: self.state }
    }
}

/// Writes something of everything.
fn write(twin: &mut Twin, rounds: usize, value_len: usize) {
    for round in 0..rounds {
        twin.put(&format!("k{round}"), vec![b'a' + round as u8; value_len]);
        twin.put("same", format!("round {round}"));
        twin.put_expiring("later", "gone some day", 1 << 41);
        twin.batch("b1", "b2", "k0");
        if round % 2 == 1 {
            twin.delete("same");
        }
        twin.put("empty", "");
    }
}

pub(crate) fn options() -> Options {
    Options::default().durability(Durability::None)
}

pub(crate) fn plain() -> Made {
    let mut twin = Twin::new(1, &options());
    write(&mut twin, 3, 20);
    twin.made("plain, un-sealed, never synced")
}

pub(crate) fn always() -> Made {
    let mut twin = Twin::new(2, &options().durability(Durability::Always));
    write(&mut twin, 3, 20);
    twin.made("plain, every write synced")
}

pub(crate) fn half_synced() -> Made {
    let mut twin = Twin::new(3, &options());
    write(&mut twin, 2, 20);
    twin.store.sync().unwrap();
    write(&mut twin, 2, 20);
    twin.made("synced once in the middle")
}

pub(crate) fn closed() -> Made {
    let mut twin = Twin::new(4, &options());
    write(&mut twin, 2, 20);
    twin.store.close().unwrap();
    twin.made("closed cleanly")
}

pub(crate) fn several_sessions() -> Made {
    let mut twin = Twin::new(5, &options().segment_bytes(600));
    write(&mut twin, 1, 30);
    twin.close_and_reopen();
    write(&mut twin, 1, 30);
    twin.reopen();
    write(&mut twin, 1, 30);
    twin.made("several sessions, one ended uncleanly")
}

pub(crate) fn sealed_with_keys() -> Made {
    let mut twin = Twin::new(6, &options().segment_bytes(700));
    for number in 0..9 {
        twin.put(["a", "b", "c", "d"][number % 4], vec![b'0' + number as u8; 200]);
    }
    twin.delete("b");
    twin.made("sealed, hints with keys")
}

pub(crate) fn sealed_with_hashes() -> Made {
    let mut twin = Twin::new(7, &options().segment_bytes(400));
    for round in 0..3 {
        twin.put("a key that is long", format!("round {round}"));
        twin.put(&format!("number {round} of the long keys"), "x");
        twin.batch("another of the long keys", "and the third one", "number 0 of the long keys");
        twin.put("number 0 of the long keys", "");
    }
    twin.delete("a key that is long");
    twin.made("sealed, hints with hashes")
}

/// A close that found its tail worth a seal: the last segment holds nothing but a mark.
pub(crate) fn sealed_and_closed() -> Made {
    let mut twin = Twin::new(8, &options().segment_bytes(500));
    write(&mut twin, 3, 10);
    twin.put("last", vec![b'z'; 200]);
    twin.store.close().unwrap();
    twin.made("sealed and closed")
}

pub(crate) fn unsealed_segments() -> Made {
    let mut twin = Twin::new(9, &options().segment_bytes(400).seal_on_roll(false));
    write(&mut twin, 3, 30);
    twin.made("several un-sealed segments")
}

pub(crate) fn merged() -> Made {
    let mut twin = Twin::new(10, &options().segment_bytes(500));
    write(&mut twin, 4, 60);
    twin.merge();
    write(&mut twin, 2, 60);
    twin.delete("k1");
    twin.made("merged, then written on")
}

/// Nothing but a merge's output, and an empty log behind it.
pub(crate) fn merged_and_closed() -> Made {
    let mut twin = Twin::new(11, &options().segment_bytes(800));
    write(&mut twin, 4, 60);
    twin.put("last", vec![b'z'; 300]);
    twin.close_and_reopen();
    twin.merge();
    twin.store.close().unwrap();
    twin.made("merged and closed")
}

/// A merge whose inputs came back after it.
pub(crate) fn retired_inputs() -> Made {
    let mut twin = Twin::new(12, &options().segment_bytes(500));
    write(&mut twin, 4, 60);
    let mut image = twin.memory.image();
    while twin.store.merge_step(&MergePolicy::full(), u64::MAX).unwrap() != MergeStep::Idle {}
    image.extend(twin.memory.image());
    let state = twin.state;
    Made { name: "retired inputs beside their output", image, state }
}

pub(crate) const INDEXES: [Index; 2] = [Index::Hash, Index::Ordered];
