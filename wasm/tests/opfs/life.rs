//! A random life of a store, step by step, beside a map that says what must be there.

use std::collections::BTreeMap;

use bitcask_core::{
    Batch, Conditional, Durability, Entry, Go, Index, Memory, MergePolicy, MergeStep, Options,
    Range, Snapshot, Storage, Store, WriteOptions,
};
use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::console_log;

/// What a store must hold.
pub(crate) type Model = BTreeMap<Vec<u8>, Known>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    value: Vec<u8>,
    version: u64,
    expires_at_ms: Option<u64>,
}

pub(crate) struct Life<S: Storage> {
    random: Memory,
    now_ms: u64,
    pub(crate) model: Model,
    last_version: u64,
    pinned: Vec<(Snapshot<S>, Model)>,
}

impl<S: Storage> Life<S> {
    /// A life that depends on its seed only. The time begins at 1,000 ms.
    pub(crate) fn new(seed: u64) -> Life<S> {
        // Shown where the test fails.
        console_log!("a life of seed {seed}");
        let (random, model) = (Memory::new(seed), Model::new());
        Life { random, now_ms: 1000, model, last_version: 0, pinned: Vec::new() }
    }

    /// The same life, on another storage.
    pub(crate) fn moved<T: Storage>(self) -> Life<T> {
        let Life { random, now_ms, model, last_version, .. } = self;
        Life { random, now_ms, model, last_version, pinned: Vec::new() }
    }

    /// How a store of this seed is opened: two index kinds, small segments of many lengths.
    pub(crate) fn options(seed: u64) -> Options {
        let index = if seed.is_multiple_of(2) { Index::Hash } else { Index::Ordered };
        Options::default().index(index).segment_bytes(300 + seed * 97 % 500)
    }

    pub(crate) fn below(&self, n: u64) -> u64 {
        self.random.random() % n
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Lets go of what holds the store.
    pub(crate) fn unpin(&mut self) {
        self.pinned.clear();
    }

    /// One operation, and a look at its answer. The time is the caller's to set.
    pub(crate) fn step(&mut self, store: &Store<S>) {
        let key = self.key();
        match self.below(24) {
            0..=6 => self.put(store, key),
            7..=8 => {
                let deleted = store.delete(&key).unwrap();
                assert_eq!(deleted, self.known(&key).is_some());
                self.model.remove(&key);
            }
            9..=10 => self.batch(store),
            11..=13 => self.conditional(store, &key),
            14 => self.look(store, &key),
            15..=16 => self.scan(store),
            17 => {
                if self.pinned.len() < 2 {
                    self.pinned.push((store.snapshot(), self.model.clone()));
                }
            }
            18 => self.look_back(),
            19..=21 => {
                let full = self.below(2) == 0;
                let policy = if full { MergePolicy::full() } else { MergePolicy::default() };
                store.merge_step(&policy, self.below(400)).unwrap();
            }
            22 => store.sync().unwrap(),
            _ => self.now_ms += self.below(20),
        }
    }

    /// Everything there is and is not, by scan and by key; the bytes and the accounts.
    pub(crate) fn check(&self, store: &Store<S>) {
        assert_eq!(entries(store.scan(Range::all())), self.visible(&self.model));
        let backward: Vec<_> = self.visible(&self.model).into_iter().rev().collect();
        assert_eq!(entries(store.scan(Range::all().reverse())), backward);
        for number in 0..KEYS {
            self.look(store, &key(number));
        }
        let report = store.verify(&mut |_| Go::On).unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        let report = bitcask_core::verify(store.storage(), &mut |_| Go::On).unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
    }

    /// Merges one step further whatever can be merged; says whether there is more to do.
    pub(crate) fn merge_further(&mut self, store: &Store<S>) -> bool {
        self.unpin();
        store.merge_step(&MergePolicy::full(), 1 << 20).unwrap() != MergeStep::Idle
    }

    fn key(&self) -> Vec<u8> {
        key(self.below(KEYS))
    }

    fn value(&self) -> Vec<u8> {
        vec![self.below(256) as u8; self.below(90) as usize]
    }

    fn known(&self, key: &[u8]) -> Option<&Known> {
        self.model.get(key).filter(|known| known.is_there(self.now_ms))
    }

    fn write_options(&self) -> WriteOptions {
        let durable = self.below(4) == 0;
        let durability = durable.then_some(Durability::Always);
        let expires_at_ms = (self.below(4) == 0).then(|| self.now_ms - 3 + self.below(40));
        WriteOptions { durability, expires_at_ms }
    }

    /// Takes in a write that was done.
    fn wrote(&mut self, key: Vec<u8>, value: Vec<u8>, version: u64, expires_at_ms: Option<u64>) {
        self.new_version(version);
        self.model.insert(key, Known { value, version, expires_at_ms });
    }

    fn new_version(&mut self, version: u64) {
        assert!(self.last_version < version, "{version} after {}", self.last_version);
        self.last_version = version;
    }

    fn put(&mut self, store: &Store<S>, key: Vec<u8>) {
        let (value, options) = (self.value(), self.write_options());
        let version = store.put_with(&key, &value, &options).unwrap();
        self.wrote(key, value, version, options.expires_at_ms);
    }

    fn batch(&mut self, store: &Store<S>) {
        let mut batch = Batch::new();
        let mut after = self.model.clone();
        for _ in 0..self.below(5) {
            let (key, value) = (self.key(), self.value());
            let expires_at_ms = (self.below(3) == 0).then(|| self.now_ms + self.below(40));
            match (self.below(3), expires_at_ms) {
                (0, _) => {
                    batch.delete(&key).unwrap();
                    after.remove(&key);
                    continue;
                }
                (_, Some(at_ms)) => batch.put_expiring(&key, &value, at_ms).unwrap(),
                (_, None) => batch.put(&key, &value).unwrap(),
            };
            after.insert(key, Known { value, version: 0, expires_at_ms });
        }
        let before = self.last_version;
        if let Some(last) = store.write(&batch, &WriteOptions::default()).unwrap() {
            self.new_version(last);
        }
        // Which of the batch's numbers a key got depends on what needed no record.
        for (key, known) in after.iter_mut().filter(|(_, known)| known.version == 0) {
            let entry = store.get_entry(key).unwrap();
            assert_eq!(entry.is_some(), known.is_there(self.now_ms));
            known.version = entry.map_or(self.last_version, |entry| entry.version);
            assert!((before + 1..=self.last_version).contains(&known.version));
        }
        self.model = after;
    }

    fn conditional(&mut self, store: &Store<S>, key: &[u8]) {
        let (value, options) = (self.value(), self.write_options());
        let there = self.known(key).map(|known| known.version);
        let asked = if self.below(3) == 0 { 1 } else { there.unwrap_or(7) };
        let (answer, wanted, deletes) = match self.below(3) {
            0 => (store.put_if_absent(key, &value, &options), there.is_none(), false),
            1 => (store.replace_if(key, asked, &value, &options), there == Some(asked), false),
            _ => (store.delete_if(key, asked, &options), there == Some(asked), true),
        };
        match answer.unwrap() {
            Conditional::Done(version) if wanted => {
                self.wrote(key.to_vec(), value, version, options.expires_at_ms);
                if deletes {
                    self.model.remove(key);
                }
            }
            Conditional::Differs(version) if !wanted => assert_eq!(version, there),
            wrong => unreachable!("{wrong:?} where {there:?} was there and {asked} asked for"),
        }
    }

    fn look(&self, store: &Store<S>, key: &[u8]) {
        let expected = self.known(key).map(|known| known.entry(key));
        assert_eq!(store.contains(key).unwrap(), expected.is_some());
        assert_eq!(store.get_entry(key).unwrap(), expected);
    }

    /// A range, both ways, with a write in the middle that must not show.
    fn scan(&mut self, store: &Store<S>) {
        let (from, to, limit) = (self.key(), self.key(), self.below(2 * KEYS) as usize);
        let range = Range::all().gte(&from).lt(&to).limit(limit);
        let within = self.model.iter().filter(|(key, _)| from <= **key && **key < to);
        let within = within.map(|(key, known)| (key.clone(), known.clone())).collect();
        let mut expected = self.visible(&within);
        let backward = self.below(2) == 0;
        let range = if backward { range.reverse() } else { range };
        if backward {
            expected.reverse();
        }
        expected.truncate(limit);
        let mut scan = store.scan(range);
        let mut found: Vec<Entry> =
            scan.by_ref().take(self.below(4) as usize).map(Result::unwrap).collect();
        self.put(store, from);
        found.extend(scan.map(Result::unwrap));
        assert_eq!(found, expected);
    }

    fn look_back(&mut self) {
        let Some((snapshot, model)) = self.pinned.pop() else { return };
        assert_eq!(entries(snapshot.scan(Range::all())), self.visible(&model));
        let key = self.key();
        let expected = model.get(&key).filter(|known| known.is_there(self.now_ms));
        let expected = expected.map(|known| known.entry(&key));
        assert_eq!(snapshot.get_entry(&key).unwrap(), expected);
    }

    fn visible(&self, model: &Model) -> Vec<Entry> {
        let there = model.iter().filter(|(_, known)| known.is_there(self.now_ms));
        there.map(|(key, known)| known.entry(key)).collect()
    }
}

/// Few, so that they meet often.
const KEYS: u64 = 14;

fn key(number: u64) -> Vec<u8> {
    // Of several lengths, and not in the order of the numbers.
    format!("{}{number}", "key-".repeat(number as usize % 4)).into_bytes()
}

fn entries(scan: impl Iterator<Item = bitcask_core::Result<Entry>>) -> Vec<Entry> {
    scan.map(Result::unwrap).collect()
}

impl Known {
    fn is_there(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_none_or(|at_ms| now_ms < at_ms)
    }

    fn entry(&self, key: &[u8]) -> Entry {
        let (key, value) = (key.to_vec().into(), self.value.clone().into());
        Entry { key, value, version: self.version, expires_at_ms: self.expires_at_ms }
    }
}

/// `Date.now`, replaced for as long as this lives.
pub(crate) struct Clock {
    set: Function,
    restore: Function,
}

impl Clock {
    pub(crate) fn at(now_ms: u64) -> Clock {
        let code = "const was = Date.now; let now = 0; Date.now = () => now;
                    return [(ms) => { now = ms; }, () => { Date.now = was; }];";
        let made = Function::new_no_args(code).call0(&JsValue::NULL).unwrap();
        let made: js_sys::Array = made.unchecked_into();
        let (set, restore) = (made.get(0).unchecked_into(), made.get(1).unchecked_into());
        let clock = Clock { set, restore };
        clock.set(now_ms);
        clock
    }

    pub(crate) fn set(&self, now_ms: u64) {
        self.set.call1(&JsValue::NULL, &(now_ms as f64).into()).unwrap();
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = self.restore.call0(&JsValue::NULL);
    }
}
