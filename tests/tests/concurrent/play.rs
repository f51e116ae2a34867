//! Random programs of a few threads on one store, and the rules that their answers keep.

use std::collections::BTreeMap;

use bitcask_core::{
    Batch, Conditional, Durability, Entry, Go, Index, Memory, MergePolicy, Options, Range, Store,
    WriteOptions,
};
use bitcask_tests::model::Random;

use crate::history::{Did, Event, Item, Recorder, is_linearizable};

pub(crate) const KEYS: usize = 4;

/// A store, and what all threads wrote down.
pub(crate) struct Play {
    pub(crate) store: Store<Memory>,
    pub(crate) recorder: Recorder,
    /// What each key held when this began.
    begin: Vec<Option<Item>>,
}

/// A snapshot that a thread took: its number, and what it saw.
type Seen = (u64, BTreeMap<usize, Item>);

pub(crate) fn key(number: usize) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

/// A number as a value, of a length that depends on it.
pub(crate) fn value(number: u64) -> Vec<u8> {
    let mut value = number.to_le_bytes().to_vec();
    value.resize(8 + (number % 50) as usize, number as u8);
    value
}

fn item(entry: &Entry) -> Item {
    let number = u64::from_le_bytes(entry.value[..8].try_into().unwrap());
    assert_eq!(entry.value, value(number), "a value that nobody wrote");
    (number, entry.version)
}

/// Small segments, so that there is something to roll, seal and merge.
pub(crate) fn options(seed: u64) -> Options {
    let index = if seed.is_multiple_of(2) { Index::Hash } else { Index::Ordered };
    Options::default()
        .index(index)
        .segment_bytes(256 + seed % 700)
        .seal_on_roll(seed.is_multiple_of(3))
}

impl Play {
    pub(crate) fn new(store: Store<Memory>) -> Play {
        let begin =
            (0..KEYS).map(|k| store.get_entry(&key(k)).unwrap().as_ref().map(item)).collect();
        Play { store, recorder: Recorder::default(), begin }
    }

    /// One thread's work: so many calls; `thread` is also what makes its values its own.
    pub(crate) fn thread(&self, thread: usize, seed: u64, calls: u64) -> Vec<Seen> {
        let mut random = Random::new(seed.wrapping_mul(0x1_0001).wrapping_add(thread as u64));
        let mut seen = Vec::new();
        for call in 0..calls {
            let number = (seed << 24) ^ (thread as u64) << 16 ^ call;
            let key = random.index(KEYS);
            match random.below(16) {
                0..=3 => self.on_key(thread, key, |s, k| {
                    Did::Read(s.get_entry(k).unwrap().as_ref().map(item))
                }),
                4 => self.on_key(thread, key, |s, k| Did::Has(s.contains(k).unwrap())),
                5..=7 => self.put(thread, key, number, random.one_in(4)),
                8 => self.on_key(thread, key, |s, k| Did::Delete(Some(s.delete(k).unwrap()))),
                9 => self.on_key(thread, key, |s, k| {
                    let put = s.put_if_absent(k, &value(number), &WriteOptions::default());
                    Did::PutIfAbsent(number, put.unwrap())
                }),
                10 | 11 => self.replace(thread, key, number),
                12 => self.delete_if(thread, key),
                13 => self.batch(thread, number, &mut random),
                14 => seen.push(self.snapshot(thread)),
                _ => self.scan(thread, random.one_in(2)),
            }
        }
        seen
    }

    fn on_key(
        &self,
        thread: usize,
        number: usize,
        call: impl FnOnce(&Store<Memory>, &[u8]) -> Did,
    ) {
        let key = key(number);
        let began = self.recorder.now();
        let did = call(&self.store, &key);
        let ended = self.recorder.now();
        self.recorder.note(Event { thread, key: number, began, ended, did });
    }

    fn put(&self, thread: usize, key: usize, number: u64, always: bool) {
        let durability = if always { Durability::Always } else { Durability::None };
        self.on_key(thread, key, |s, k| {
            let options = WriteOptions::durability(durability);
            Did::Put((number, s.put_with(k, &value(number), &options).unwrap()))
        });
    }

    /// Compare-and-swap on what was read just before, or on a version that may be over.
    fn replace(&self, thread: usize, k: usize, number: u64) {
        let Some(entry) = self.store.get_entry(&key(k)).unwrap() else { return };
        self.on_key(thread, k, |s, k| {
            let options = WriteOptions::default();
            let said = s.replace_if(k, entry.version, &value(number), &options).unwrap();
            Did::ReplaceIf(entry.version, number, said)
        });
    }

    fn delete_if(&self, thread: usize, k: usize) {
        let Some(entry) = self.store.get_entry(&key(k)).unwrap() else { return };
        self.on_key(thread, k, |s, k| {
            let said = s.delete_if(k, entry.version, &WriteOptions::default()).unwrap();
            Did::DeleteIf(entry.version, said)
        });
    }

    /// Deletes come first, so that the versions of the puts are known: the last ones.
    fn batch(&self, thread: usize, number: u64, random: &mut Random) {
        let first = random.index(KEYS);
        let keys: Vec<usize> = (0..1 + random.index(KEYS)).map(|n| (first + n) % KEYS).collect();
        let (deletes, puts) = keys.split_at(random.index(keys.len() + 1));
        let mut batch = Batch::new();
        deletes.iter().for_each(|k| _ = batch.delete(&key(*k)).unwrap());
        puts.iter().for_each(|k| _ = batch.put(&key(*k), &value(number)).unwrap());
        let began = self.recorder.now();
        let last = self.store.write(&batch, &WriteOptions::default()).unwrap();
        let ended = self.recorder.now();
        for k in deletes {
            self.recorder.note(Event { thread, key: *k, began, ended, did: Did::Delete(None) });
        }
        for (at, k) in puts.iter().enumerate() {
            let version = last.unwrap() - (puts.len() - 1 - at) as u64;
            self.recorder.note(Event {
                thread,
                key: *k,
                began,
                ended,
                did: Did::Put((number, version)),
            });
        }
    }

    /// What a snapshot shows was so when it was taken.
    fn snapshot(&self, thread: usize) -> Seen {
        let began = self.recorder.now();
        let snapshot = self.store.snapshot();
        let ended = self.recorder.now();
        let first = self.entries(snapshot.scan(Range::all()));
        for k in 0..KEYS {
            let entry = snapshot.get_entry(&key(k)).unwrap();
            assert_eq!(
                entry.as_ref().map(item),
                first.get(&k).copied(),
                "a snapshot's get is not its scan"
            );
            let did = Did::Read(first.get(&k).copied());
            self.recorder.note(Event { thread, key: k, began, ended, did });
        }
        assert_eq!(
            self.entries(snapshot.scan(Range::all().reverse())),
            first,
            "a snapshot has changed"
        );
        (snapshot.sequence(), first)
    }

    fn scan(&self, thread: usize, reverse: bool) {
        let range = if reverse { Range::all().reverse() } else { Range::all() };
        let began = self.recorder.now();
        let scan = self.store.scan(range);
        let ended = self.recorder.now();
        let entries = self.entries(scan);
        for k in 0..KEYS {
            let did = Did::Read(entries.get(&k).copied());
            self.recorder.note(Event { thread, key: k, began, ended, did });
        }
    }

    fn entries(&self, scan: bitcask_core::Scan<Memory>) -> BTreeMap<usize, Item> {
        let entries = scan.map(Result::unwrap).map(|entry| {
            let number = String::from_utf8_lossy(&entry.key[4..]).parse::<usize>().unwrap();
            (number, item(&entry))
        });
        let (mut all, mut count) = (BTreeMap::new(), 0);
        entries.for_each(|(k, item)| {
            count += 1;
            all.insert(k, item);
        });
        assert_eq!(all.len(), count, "a scan gave a key twice");
        all
    }

    /// Merges, seals, rolls and syncs beside the others.
    pub(crate) fn upkeep(&self, seed: u64, calls: u64) {
        let mut random = Random::new(seed ^ 0x5eed);
        for _ in 0..calls {
            match random.below(8) {
                0 => drop(self.store.roll().unwrap()),
                1 => drop(self.store.seal_pending().unwrap()),
                2 => self.store.sync().unwrap(),
                _ => {
                    let policy =
                        if random.one_in(3) { MergePolicy::default() } else { MergePolicy::full() };
                    self.store.merge_step(&policy, 1 + random.below(600)).unwrap();
                }
            }
        }
    }

    /// Every key's history is linearizable, and every snapshot is the store as it was at its number.
    pub(crate) fn check(self, seen: &[Seen]) -> Store<Memory> {
        let last: Vec<Option<Item>> =
            (0..KEYS).map(|k| self.store.get_entry(&key(k)).unwrap().as_ref().map(item)).collect();
        let end = self.recorder.now();
        let mut by_key: Vec<Vec<Event>> = vec![Vec::new(); KEYS];
        for event in self.recorder.into_events() {
            by_key[event.key].push(event);
        }
        for (key, events) in by_key.iter_mut().enumerate() {
            // The last word: what is there when all is over.
            let did = Did::Read(last[key]);
            events.push(Event { thread: 99, key, began: end, ended: end + 1, did });
            events.sort_by_key(|event| event.began);
            assert!(
                is_linearizable(self.begin[key], events),
                "key {key} began as {:?}, and this is not linearizable: {events:#?}",
                self.begin[key]
            );
        }
        for (sequence, entries) in seen {
            for (key, events) in by_key.iter().enumerate() {
                let puts =
                    events.iter().filter_map(|event| put_by(event.did)).chain(self.begin[key]);
                let newest = puts.filter(|put| put.1 <= *sequence).max_by_key(|put| put.1);
                let there = entries.get(&key).copied();
                // Where nothing is there, the key was deleted, or not put yet.
                assert!(
                    there.is_none() || there == newest,
                    "snapshot {sequence}, key {key}: {there:?}, {newest:?}"
                );
            }
        }
        let report = self.store.verify(&mut |_| Go::On).unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        self.store
    }
}

fn put_by(did: Did) -> Option<Item> {
    match did {
        Did::Put(item) => Some(item),
        Did::PutIfAbsent(value, Conditional::Done(version))
        | Did::ReplaceIf(_, value, Conditional::Done(version)) => Some((value, version)),
        _ => None,
    }
}
