//! Writes, and what they leave behind.

use bitcask_core::{Batch, Conditional, Durability, Result, WriteOptions};

use super::life::{Checked, Life};
use super::machine::Machine;
use super::state::{Item, KEYS, State, Value};
use super::step::{Step, Write};

/// What a conditional write should answer.
enum Expected {
    Done,
    Differs(Option<Item>),
}

impl<S: Machine> Life<S> {
    fn options(&self, always: bool, expires_at_ms: Option<u64>) -> WriteOptions {
        WriteOptions { durability: always.then_some(Durability::Always), expires_at_ms }
    }

    fn expires_at(&self, in_ms: Option<u16>) -> Option<u64> {
        in_ms.map(|ms| self.now_ms + u64::from(ms))
    }

    pub(super) fn put(
        &mut self,
        key: u8,
        value: Value,
        expires_in_ms: Option<u16>,
        always: bool,
    ) -> Checked {
        self.written.push((key, value));
        let expires_at_ms = self.expires_at(expires_in_ms);
        let options = self.options(always, expires_at_ms);
        let put = self.store()?.put_with(KEYS[usize::from(key)], &value.bytes(), &options);
        let version = put.as_ref().ok().copied();
        let mut after = self.now.clone();
        after.0.insert(key, Item { value, version, expires_at_ms });
        self.saw_new(version)?;
        self.settle(put, after, true, always)
    }

    pub(super) fn delete(&mut self, key: u8, always: bool) -> Checked {
        let options = self.options(always, None);
        let there = self.now.get(key, self.now_ms).is_some();
        let deleted = self.store()?.delete_with(KEYS[usize::from(key)], &options);
        if let Ok(deleted) = deleted
            && deleted != there
        {
            return Err(format!("delete said {deleted}, the key was there: {there}"));
        }
        let mut after = self.now.clone();
        if there {
            after.0.remove(&key);
        }
        self.settle(deleted, after, there, always)
    }

    pub(super) fn batch(&mut self, writes: &[Write], always: bool) -> Checked {
        let (mut batch, mut after) = (Batch::new(), self.now.clone());
        for Write { key, put } in writes {
            let bytes = KEYS[usize::from(*key)];
            let added = match put {
                None => {
                    after.0.remove(key);
                    batch.delete(bytes)
                }
                Some((value, expires_in_ms)) => {
                    self.written.push((*key, *value));
                    let expires_at_ms = self.expires_at(*expires_in_ms);
                    let item = Item { value: *value, version: None, expires_at_ms };
                    after.0.insert(*key, item);
                    match expires_at_ms {
                        Some(at_ms) => batch.put_expiring(bytes, &value.bytes(), at_ms),
                        None => batch.put(bytes, &value.bytes()),
                    }
                }
            };
            added.map_err(|error| format!("the batch refuses: {error}"))?;
        }
        self.write_batch(&batch, after, always)
    }

    /// Writes a batch, after which this should be there; items without a version are those that it puts.
    pub(super) fn write_batch(&mut self, batch: &Batch, mut after: State, always: bool) -> Checked {
        let before = self.highest;
        // Others without a version are there since a write that failed.
        let is_new = |key: u8, item: &Item| self.now.0.get(&key) != Some(item);
        let new: Vec<u8> =
            after.0.iter().filter(|(key, item)| is_new(*key, item)).map(|(key, _)| key).collect();
        let written = self.store()?.write(batch, &self.options(always, None));
        if let Ok(last) = &written {
            self.saw_new(*last)?;
            if last.is_none() && !new.is_empty() {
                return Err(String::from("a batch with puts was not written"));
            }
            // Only the last version was told; the others are read.
            for (key, item) in after.0.iter_mut().filter(|(_, item)| item.version.is_none()) {
                let read = self.store()?.get_entry(KEYS[usize::from(key)]);
                item.version = read.ok().flatten().map(|entry| entry.version);
                let wrong =
                    item.version.filter(|version| *version <= before || last < &Some(*version));
                if let Some(version) = wrong
                    && new.contains(&key)
                {
                    return Err(format!("version {version} in a batch of {before} to {last:?}"));
                }
            }
        }
        let wrote = !matches!(written, Ok(None));
        self.settle(written, after, wrote, always)
    }

    pub(super) fn conditional(&mut self, step: &Step) -> Checked {
        let (Step::PutIfAbsent { key, .. }
        | Step::ReplaceIf { key, .. }
        | Step::DeleteIf { key, .. }) = *step
        else {
            return Ok(());
        };
        if let Step::PutIfAbsent { value, .. } | Step::ReplaceIf { value, .. } = *step {
            self.written.push((key, value));
        }
        let there = self.now.get(key, self.now_ms);
        let bytes = KEYS[usize::from(key)];
        let wanted = |right: bool| match there.and_then(|item| item.version) {
            Some(version) if right => version,
            Some(version) => version + 1,
            None => u64::MAX,
        };
        let known = there.is_some_and(|item| item.version.is_some());
        let options = WriteOptions::default();
        let store = self.store()?;
        let (answer, put, matched) = match *step {
            Step::PutIfAbsent { value, .. } => {
                let answer = store.put_if_absent(bytes, &value.bytes(), &options);
                (answer, Some(value), there.is_none())
            }
            Step::ReplaceIf { value, right, .. } => {
                let answer = store.replace_if(bytes, wanted(right), &value.bytes(), &options);
                (answer, Some(value), right && known)
            }
            Step::DeleteIf { right, .. } => {
                (store.delete_if(bytes, wanted(right), &options), None, right && known)
            }
            _ => return Ok(()),
        };
        self.outcome.matched += u64::from(matched);
        self.outcome.differed += u64::from(!matched);
        let expected = if matched { Expected::Done } else { Expected::Differs(there) };
        let version = answer.as_ref().ok().map_or(Ok(None), |answer| expected.check(*answer))?;
        self.saw_new(version)?;
        let mut after = self.now.clone();
        if matched {
            match put {
                Some(value) => {
                    after.0.insert(key, Item { value, version, expires_at_ms: None });
                }
                None => after.0.remove(&key),
            }
        }
        self.settle(answer, after, matched, false)
    }

    /// What a write leaves behind: its outcome decides which states may be found from now on.
    fn settle<T>(&mut self, result: Result<T>, after: State, wrote: bool, always: bool) -> Checked {
        let worked = self.excused(result)?.is_some();
        self.candidates.push(after.clone());
        self.history.push(after.clone());
        if worked {
            self.now = after;
            if wrote && !self.machine.is_off() {
                self.maybe.clear();
                if always || self.setup.durability == Durability::Always {
                    self.all_is_durable();
                }
            }
            return Ok(());
        }
        self.expired_may_be_there |= after.has_expired(self.now_ms);
        self.maybe.push(after.clone());
        if self.machine.is_off() {
            return Ok(());
        }
        self.outcome.undone += u64::from(self.store()?.stats().poisoned.is_none());
        // It failed as a whole or only in becoming durable: a reader sees which.
        let mut read = self.all_entries()?;
        for _ in 0..20 {
            if read.is_none() && !self.machine.is_off() {
                read = self.all_entries()?;
            }
        }
        let Some(entries) = read else { return Ok(()) };
        if !self.now.is(&entries, self.now_ms) {
            if !after.is(&entries, self.now_ms) {
                return Err(String::from(
                    "a write that failed left neither the old nor the new state",
                ));
            }
            self.now = after;
        }
        self.saw(&entries);
        Ok(())
    }

    /// A new write's version is higher than any that anybody saw, also before a power cut.
    fn saw_new(&mut self, version: Option<u64>) -> Checked {
        let Some(version) = version else { return Ok(()) };
        if version <= self.highest {
            return Err(format!("version {version} was handed out after {}", self.highest));
        }
        self.highest = version;
        Ok(())
    }
}

impl Expected {
    /// The version that was written, if the answer is right.
    fn check(&self, answer: Conditional) -> Checked<Option<u64>> {
        match (self, answer) {
            (Expected::Done, Conditional::Done(version)) => Ok(Some(version)),
            (Expected::Differs(None), Conditional::Differs(None)) => Ok(None),
            (Expected::Differs(Some(item)), Conditional::Differs(Some(version)))
                if item.version.is_none_or(|known| known == version) =>
            {
                Ok(None)
            }
            _ => Err(format!("a conditional write said {answer:?}")),
        }
    }
}
