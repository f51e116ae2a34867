//! A program of calls on a store, with reopening and damage, beside a map that cannot be wrong.

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::{Result, Unstructured};
use bitcask_core::{
    Batch, Conditional, Durability, Entry, Go, Index, Memory, MergePolicy, Options, Range,
    Recovery, Snapshot, Store, WriteOptions,
};

/// By key: value, version, and when it expires.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, u64, Option<u64>)>;

/// The bytes are the choices.
pub fn run(bytes: &[u8]) {
    let mut choices = Unstructured::new(bytes);
    if let Ok(mut life) = Life::begin(&mut choices) {
        // Ends with the choices.
        while !choices.is_empty() && life.step(&mut choices).is_ok() {}
        life.compare();
    }
}

struct Life {
    memory: Memory,
    store: Store<Memory>,
    options: Options,
    model: Model,
    now_ms: u64,
    snapshots: Vec<(Snapshot<Memory>, Model)>,
    /// Every value that a key ever had.
    had: BTreeSet<(Vec<u8>, Vec<u8>)>,
    number: u64,
}

impl Life {
    fn begin(choices: &mut Unstructured<'_>) -> Result<Life> {
        let memory = Memory::new(choices.arbitrary::<u8>()?.into());
        let options = Options::default()
            .index(if choices.ratio(1, 2)? { Index::Hash } else { Index::Ordered })
            .segment_bytes(256 + 4 * choices.arbitrary::<u8>()? as u64)
            .seal_on_roll(choices.ratio(1, 2)?);
        let store = Store::open(memory.clone(), options.clone()).unwrap();
        let (model, had) = Default::default();
        Ok(Life { memory, store, options, model, now_ms: 0, snapshots: Vec::new(), had, number: 0 })
    }

    fn key(choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let number = choices.int_in_range(0..=7u8)?;
        Ok(vec![b'a' + number; 1 + usize::from(number) * 9])
    }

    fn value(&mut self, choices: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        self.number += 1;
        let mut value = self.number.to_le_bytes().to_vec();
        value.resize(8 + usize::from(choices.arbitrary::<u8>()?), self.number as u8);
        if choices.ratio(1, 16)? {
            value.clear();
        }
        Ok(value)
    }

    /// What is there and has not expired.
    fn there(&self, key: &[u8]) -> Option<&(Vec<u8>, u64, Option<u64>)> {
        self.model.get(key).filter(|(.., expires)| expires.is_none_or(|at| self.now_ms < at))
    }

    fn note(&mut self, key: Vec<u8>, value: Vec<u8>, version: u64, expires_at_ms: Option<u64>) {
        self.had.insert((key.clone(), value.clone()));
        self.model.insert(key, (value, version, expires_at_ms));
    }

    fn step(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        match choices.int_in_range(0..=19u8)? {
            0..=4 => self.put(choices)?,
            5 => self.delete(choices)?,
            6 => self.batch(choices)?,
            7 | 8 => self.conditionally(choices)?,
            9 => self.read(choices)?,
            10 => self.snapshot(choices)?,
            11 => drop(self.store.roll().unwrap()),
            12 => drop(self.store.seal_pending().unwrap()),
            13 => self.store.sync().unwrap(),
            14 | 15 => self.merge(choices)?,
            16 => self.reopen(choices)?,
            17 => self.damage(choices)?,
            18 => {
                self.now_ms += choices.arbitrary::<u8>()? as u64;
                self.memory.set_now_ms(self.now_ms);
            }
            _ => self.compare(),
        }
        Ok(())
    }

    fn put(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        let (key, value) = (Life::key(choices)?, self.value(choices)?);
        let durability =
            *choices.choose(&[Durability::None, Durability::Interval, Durability::Always])?;
        let expires_at_ms = match choices.ratio(1, 5)? {
            true => Some(self.now_ms + choices.arbitrary::<u8>()? as u64),
            false => None,
        };
        let options = WriteOptions { durability: Some(durability), expires_at_ms };
        let version = self.store.put_with(&key, &value, &options).unwrap();
        self.note(key, value, version, expires_at_ms);
        Ok(())
    }

    fn delete(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        let key = Life::key(choices)?;
        let there = self.there(&key).is_some();
        assert_eq!(self.store.delete(&key).unwrap(), there);
        if there {
            self.model.remove(&key);
        }
        Ok(())
    }

    fn batch(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        let mut batch = Batch::new();
        let mut last: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for _ in 0..choices.int_in_range(0..=5)? {
            let key = Life::key(choices)?;
            if choices.ratio(1, 4)? {
                batch.delete(&key).unwrap();
                last.insert(key, None);
            } else {
                let value = self.value(choices)?;
                batch.put(&key, &value).unwrap();
                self.had.insert((key.clone(), value.clone()));
                last.insert(key, Some(value));
            }
        }
        self.store.write(&batch, &WriteOptions::default()).unwrap();
        for (key, value) in last {
            match value {
                None => drop(self.model.remove(&key)),
                Some(value) => {
                    let version = self.store.get_entry(&key).unwrap().unwrap().version;
                    self.note(key, value, version, None);
                }
            }
        }
        Ok(())
    }

    fn conditionally(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        let (key, value) = (Life::key(choices)?, self.value(choices)?);
        let there = self.there(&key).map(|(_, version, _)| *version);
        let version = match choices.ratio(1, 3)? {
            true => choices.arbitrary()?,
            false => there.unwrap_or(0),
        };
        let options = WriteOptions::default();
        let (said, holds, puts) = match choices.int_in_range(0..=2u8)? {
            0 => (self.store.put_if_absent(&key, &value, &options), there.is_none(), true),
            1 => (
                self.store.replace_if(&key, version, &value, &options),
                there == Some(version),
                true,
            ),
            _ => (self.store.delete_if(&key, version, &options), there == Some(version), false),
        };
        match said.unwrap() {
            Conditional::Done(version) => {
                assert!(holds);
                self.model.remove(&key);
                if puts {
                    self.note(key, value, version, None);
                }
            }
            Conditional::Differs(said) => assert!(!holds && said == there),
        }
        Ok(())
    }

    fn read(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        let key = Life::key(choices)?;
        let there = self.there(&key);
        assert_eq!(self.store.contains(&key).unwrap(), there.is_some());
        assert_eq!(self.store.get(&key).unwrap().as_deref(), there.map(|(value, ..)| &value[..]));
        Ok(())
    }

    fn snapshot(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        if self.snapshots.len() < 3 && choices.ratio(1, 2)? {
            self.snapshots.push((self.store.snapshot(), self.model.clone()));
        } else if let Some(which) = self.snapshots.len().checked_sub(1) {
            let (snapshot, model) = self.snapshots.swap_remove(choices.int_in_range(0..=which)?);
            let entries: Vec<Entry> =
                snapshot.scan(Range::all()).map(bitcask_core::Result::unwrap).collect();
            compare(&entries, &model, self.now_ms, "a snapshot");
        }
        Ok(())
    }

    fn merge(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        let policy =
            if choices.ratio(1, 2)? { MergePolicy::full() } else { MergePolicy::default() };
        self.store.merge_step(&policy, 1 + 8 * choices.arbitrary::<u8>()? as u64).unwrap();
        Ok(())
    }

    fn reopen(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        if choices.ratio(2, 3)? {
            self.store.close().unwrap();
        }
        self.snapshots.clear();
        let options = self.options.clone();
        self.options =
            options.index(if choices.ratio(1, 2)? { Index::Hash } else { Index::Ordered });
        self.store = Store::open(self.memory.clone(), self.options.clone()).unwrap();
        assert!(self.store.recovery().cuts.is_empty(), "{:?}", self.store.recovery());
        self.compare();
        Ok(())
    }

    /// A copy of the files is damaged: it does not open, or what it serves was written.
    fn damage(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        let mut image = self.memory.image();
        let which = choices.choose_index(image.len())?;
        let Some(bytes) = image.values_mut().nth(which).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        let place = choices.choose_index(bytes.len())?;
        match choices.int_in_range(0..=3u8)? {
            0 => bytes[place] ^= 1 << choices.int_in_range(0..=7)?,
            1 => bytes.truncate(place),
            2 => bytes[place..].iter_mut().take(64).for_each(|byte| *byte = 0),
            _ => bytes.extend_from_within(place..),
        }
        for recovery in [Recovery::Strict, Recovery::Salvage] {
            let memory = Memory::from_image(&image, 1);
            memory.set_now_ms(self.now_ms);
            let options = self.options.clone().recovery(recovery).read_only(choices.ratio(1, 2)?);
            let Ok(store) = Store::open(memory, options) else { continue };
            for entry in store.scan(Range::all()).filter_map(bitcask_core::Result::ok) {
                let had = (entry.key.to_vec(), entry.value.to_vec());
                assert!(
                    self.had.contains(&had),
                    "{recovery:?}: a value that this key never had: {entry:?}"
                );
            }
            let _ = store.put(b"key", b"value");
            let _ = store.merge(&MergePolicy::full(), &mut |_| Go::On);
            let _ = store.close();
        }
        Ok(())
    }

    fn compare(&self) {
        let entries: Vec<Entry> =
            self.store.scan(Range::all()).map(bitcask_core::Result::unwrap).collect();
        compare(&entries, &self.model, self.now_ms, "the store");
        let report = self.store.verify(&mut |_| Go::On).unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
    }
}

fn compare(entries: &[Entry], model: &Model, now_ms: u64, what: &str) {
    let there =
        entries.iter().map(|e| (e.key.to_vec(), (e.value.to_vec(), e.version, e.expires_at_ms)));
    let visible = model.iter().filter(|(_, (.., expires))| expires.is_none_or(|at| now_ms < at));
    let visible: Model = visible.map(|(key, item)| (key.clone(), item.clone())).collect();
    assert_eq!(there.collect::<Model>(), visible, "{what}");
}
