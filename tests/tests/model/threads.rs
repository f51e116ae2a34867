//! Readers, writers, a merger, snapshots and sealing at once. Bounded by operations, not by time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use bitcask_core::{
    Batch, Bytes, Change, ChangeKind, Conditional, Durability, Go, Index, Memory, MergePolicy,
    MergeStep, Options, Range, Store, WriteOptions,
};
use bitcask_tests::model::Random;

use super::seeds;

const WRITERS: u64 = 2;
const KEYS_OF_A_WRITER: u64 = 5;
const WRITES: u64 = 4_000;
const BATCH_KEYS: [&str; 4] = ["batch:a", "batch:b", "batch:c", "batch:d"];

#[test]
fn threads_agree_on_hash() {
    seeds(3).for_each(|seed| threads_agree(seed, Index::Hash));
}

#[test]
fn threads_agree_on_ordered() {
    seeds(3).for_each(|seed| threads_agree(seed, Index::Ordered));
}

/// What the writers of counters have had acknowledged, for the readers to compare with.
struct Shared {
    store: Store<Memory>,
    seed: u64,
    /// By writer and key: what a reader must see at least.
    acknowledged: Vec<AtomicU64>,
    writers_left: AtomicU64,
    /// Something went wrong: all stop.
    stop: AtomicBool,
}

impl Shared {
    fn is_over(&self) -> bool {
        self.writers_left.load(Ordering::Acquire) == 0 || self.stop.load(Ordering::Acquire)
    }

    /// Runs one thread's work; a panic in it stops the others.
    fn run(&self, work: impl FnOnce(&Shared)) {
        struct StopOnPanic<'a>(&'a AtomicBool);
        impl Drop for StopOnPanic<'_> {
            fn drop(&mut self) {
                if thread::panicking() {
                    self.0.store(true, Ordering::Release);
                }
            }
        }
        let _guard = StopOnPanic(&self.stop);
        work(self);
    }

    fn writer(&self, work: impl FnOnce(&Shared)) {
        self.run(work);
        self.writers_left.fetch_sub(1, Ordering::AcqRel);
    }
}

fn threads_agree(seed: u64, index: Index) {
    println!("BITCASK_SEED={seed} {index:?}");
    let memory = Memory::new(seed);
    let options = Options::default()
        .index(index)
        .segment_bytes(1_000 + seed % 3_000)
        .seal_on_roll(seed.is_multiple_of(2));
    let shared = Shared {
        store: Store::open(memory.clone(), options.clone()).unwrap(),
        seed,
        acknowledged: (0..WRITERS * KEYS_OF_A_WRITER).map(|_| AtomicU64::new(0)).collect(),
        writers_left: AtomicU64::new(WRITERS + 3),
        stop: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let shared = &shared;
        for number in 0..WRITERS {
            scope.spawn(move || shared.writer(|shared| write_counters(shared, number)));
        }
        for _ in 0..2 {
            scope.spawn(|| shared.writer(add_up));
        }
        scope.spawn(|| shared.writer(write_batches));
        for number in 0..2 {
            scope.spawn(move || shared.run(|shared| read_counters(shared, number)));
        }
        scope.spawn(|| shared.run(read_batches));
        scope.spawn(|| shared.run(hold_snapshots));
        scope.spawn(|| shared.run(follow));
        scope.spawn(|| shared.run(merge_and_seal));
    });
    check_end(&shared);
    let entries = all(&shared.store);
    shared.store.close().unwrap();
    drop(shared);
    let reopened = Store::open(memory, options).unwrap();
    assert_eq!(all(&reopened), entries, "seed {seed}: after reopening");
}

fn all(store: &Store<Memory>) -> Vec<(Vec<u8>, Vec<u8>, u64)> {
    let entries = store.scan(Range::all()).map(Result::unwrap);
    entries.map(|e| (e.key.to_vec(), e.value.to_vec(), e.version)).collect()
}

fn counter_key(writer: u64, key: u64) -> String {
    format!("counter:{writer}:{key}")
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

/// A number and some bytes that depend on it, so that a torn or mixed read shows.
fn value_of(number: u64) -> Vec<u8> {
    let mut value = number.to_le_bytes().to_vec();
    value.extend((0..number % 60).map(|at| (number + at) as u8));
    value
}

fn check_value(bytes: &[u8]) -> u64 {
    let found = number(bytes);
    assert_eq!(bytes, value_of(found), "a value that nobody wrote");
    found
}

/// Counts each of its keys up; now and then deletes one and writes it again at once.
fn write_counters(shared: &Shared, writer: u64) {
    let mut random = Random::new(shared.seed * 1_000 + writer);
    for step in 1..=WRITES {
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        let key = random.below(KEYS_OF_A_WRITER);
        let name = counter_key(writer, key);
        if random.one_in(20) {
            shared.store.delete(name.as_bytes()).unwrap();
        }
        let durability = if random.one_in(50) { Durability::Always } else { Durability::None };
        let options = WriteOptions::durability(durability);
        shared.store.put_with(name.as_bytes(), &value_of(step), &options).unwrap();
        let place = (writer * KEYS_OF_A_WRITER + key) as usize;
        shared.acknowledged[place].store(step, Ordering::Release);
    }
}

/// A key never goes back, by value or version, and never behind what was acknowledged.
fn read_counters(shared: &Shared, reader: u64) {
    let mut random = Random::new(shared.seed * 1_000 + 500 + reader);
    let mut seen = vec![(0, 0); shared.acknowledged.len()];
    let mut reads = 0_u64;
    while !shared.is_over() {
        let place = random.index(seen.len());
        let (writer, key) = (place as u64 / KEYS_OF_A_WRITER, place as u64 % KEYS_OF_A_WRITER);
        let acknowledged = shared.acknowledged[place].load(Ordering::Acquire);
        let entry = shared.store.get_entry(counter_key(writer, key).as_bytes()).unwrap();
        // Not there: between a delete and the put behind it.
        let Some(entry) = entry else { continue };
        let now = (check_value(&entry.value), entry.version);
        assert!(acknowledged <= now.0, "{} after {acknowledged} was acknowledged", now.0);
        assert!(
            seen[place].0 <= now.0 && seen[place].1 <= now.1,
            "{now:?} after {:?}",
            seen[place]
        );
        assert_eq!(seen[place].0 == now.0, seen[place].1 == now.1, "one version, one value");
        seen[place] = now;
        reads += 1;
    }
    assert!(0 < reads || shared.stop.load(Ordering::Acquire), "no read");
}

/// Adds 1 to one number by compare-and-swap, as two threads do.
fn add_up(shared: &Shared) {
    let (key, options) = (b"sum", WriteOptions::default());
    for _ in 0..WRITES / 2 {
        while !shared.stop.load(Ordering::Acquire) {
            let done = match shared.store.get_entry(key).unwrap() {
                None => shared.store.put_if_absent(key, &value_of(1), &options).unwrap(),
                Some(entry) => {
                    let next = value_of(check_value(&entry.value) + 1);
                    shared.store.replace_if(key, entry.version, &next, &options).unwrap()
                }
            };
            if matches!(done, Conditional::Done(_)) {
                break;
            }
        }
    }
}

/// Gives all keys of a batch the same number; every third batch deletes them all.
fn write_batches(shared: &Shared) {
    let mut batch = Batch::new();
    for step in 1..=WRITES / 2 {
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        batch.clear();
        for key in BATCH_KEYS {
            match step % 3 {
                0 => drop(batch.delete(key.as_bytes()).unwrap()),
                _ => drop(batch.put(key.as_bytes(), &value_of(step)).unwrap()),
            }
        }
        shared.store.write(&batch, &WriteOptions::default()).unwrap();
    }
}

/// A scan sees all of a batch or nothing of it, in both directions, and never an older batch later.
fn read_batches(shared: &Shared) {
    let mut last = 0;
    let mut backward = false;
    while !shared.is_over() {
        let range = Range::prefix("batch:");
        let range = if backward { range.reverse() } else { range };
        backward = !backward;
        let entries: Vec<_> = shared.store.scan(range).map(Result::unwrap).collect();
        let Some(first) = entries.first() else { continue };
        let number = check_value(&first.value);
        assert_eq!(entries.len(), BATCH_KEYS.len(), "half a batch");
        assert!(entries.iter().all(|e| check_value(&e.value) == number), "two batches in one scan");
        assert!(last <= number, "batch {number} after {last}");
        last = number;
    }
}

/// What a snapshot says stays the same, however long it is held.
fn hold_snapshots(shared: &Shared) {
    let mut random = Random::new(shared.seed * 1_000 + 900);
    let mut held = Vec::new();
    while !shared.is_over() {
        if held.len() < 4 {
            let snapshot = shared.store.snapshot();
            let entries: Vec<_> = snapshot.scan(Range::all()).map(Result::unwrap).collect();
            assert!(entries.iter().all(|entry| entry.version <= snapshot.sequence()));
            held.push((snapshot, entries));
        }
        let (snapshot, entries) = held.swap_remove(random.index(held.len()));
        let again: Vec<_> = snapshot.scan(Range::all().reverse()).map(Result::unwrap).collect();
        assert!(again.iter().rev().eq(&entries), "a snapshot has changed");
        for entry in &entries {
            assert_eq!(snapshot.get_entry(&entry.key).unwrap().as_ref(), Some(entry));
            assert!(snapshot.contains(&entry.key).unwrap());
        }
        if !random.one_in(3) {
            held.push((snapshot, entries));
        }
    }
}

/// A copy that is kept by the change feed is the store as it was at the end of each feed.
fn follow(shared: &Shared) {
    let mut copy: BTreeMap<Bytes, (Bytes, u64)> = BTreeMap::new();
    let (mut since, mut complete, mut anew) = (0, 0_u64, 0_u64);
    loop {
        let is_last = shared.is_over();
        let mut feed = shared.store.changes(since).unwrap();
        let changes: Vec<_> = feed.by_ref().map(Result::unwrap).collect();
        since = feed.until();
        if feed.is_complete() {
            complete += 1;
            for Change { sequence, key, kind, .. } in changes {
                match kind {
                    ChangeKind::Delete => drop(copy.remove(&key)),
                    ChangeKind::Put { value, .. } => {
                        drop(copy.insert(key, (value.unwrap(), sequence)));
                    }
                }
            }
        } else {
            anew += 1;
            let snapshot = shared.store.snapshot();
            let entries = snapshot.scan(Range::all()).map(Result::unwrap);
            copy = entries.map(|entry| (entry.key, (entry.value, entry.version))).collect();
            since = snapshot.sequence();
        }
        let batch: Vec<u64> = BATCH_KEYS
            .iter()
            .filter_map(|key| copy.get(key.as_bytes()))
            .map(|v| number(&v.0))
            .collect();
        assert!(batch.is_empty() || batch == [batch[0]; BATCH_KEYS.len()], "half a batch");
        if is_last {
            break;
        }
    }
    println!("{complete} complete feeds, {anew} times anew");
    if !shared.stop.load(Ordering::Acquire) {
        let copy: Vec<_> =
            copy.into_iter().map(|(k, (v, n))| (k.to_vec(), v.to_vec(), n)).collect();
        assert!(copy == all(&shared.store), "the copy is another store");
    }
}

fn merge_and_seal(shared: &Shared) {
    let mut random = Random::new(shared.seed * 1_000 + 901);
    let mut merged = 0_u64;
    while !shared.is_over() {
        let policy = if random.one_in(2) { MergePolicy::full() } else { MergePolicy::default() };
        let step = shared.store.merge_step(&policy, 1 + random.below(3_000)).unwrap();
        merged += u64::from(matches!(step, MergeStep::Merged(_)));
        if random.one_in(4) {
            shared.store.seal_pending().unwrap();
        }
        if random.one_in(50) {
            shared.store.sync().unwrap();
        }
    }
    println!("{merged} merges beside the writers");
}

fn check_end(shared: &Shared) {
    let store = &shared.store;
    let sum = check_value(&store.get(b"sum").unwrap().unwrap());
    assert_eq!(sum, 2 * (WRITES / 2), "every increment counts once");
    for (place, acknowledged) in shared.acknowledged.iter().enumerate() {
        let (writer, key) = (place as u64 / KEYS_OF_A_WRITER, place as u64 % KEYS_OF_A_WRITER);
        let there = store.get(counter_key(writer, key).as_bytes()).unwrap();
        let found = there.map_or(0, |value| check_value(&value));
        assert_eq!(found, acknowledged.load(Ordering::Acquire), "the last write");
    }
    store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
    let report = store.verify(&mut |_| Go::On).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
}
