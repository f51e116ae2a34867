//! Comparing what a store says with what it should say.

use bitcask_core::{Entry, Error, Go, Index, Options, SegmentState, Store};

use super::life::{Checked, Life, any, full};
use super::machine::Machine;
use super::state::{ExpectedScan, KEYS, Span};

impl<S: Machine> Life<S> {
    /// All entries; `None` where reading failed because the storage did.
    pub(super) fn all_entries(&mut self) -> Checked<Option<Vec<Entry>>> {
        let entries: bitcask_core::Result<Vec<Entry>> =
            self.store()?.scan(Span::default().range()).collect();
        self.excused(entries)
    }

    /// Notes versions that somebody saw.
    pub(super) fn saw(&mut self, entries: &[Entry]) {
        let highest = entries.iter().map(|entry| entry.version).max();
        self.highest = self.highest.max(highest.unwrap_or(0));
    }

    /// Every key by every call, the accounts, the statistics.
    pub(super) fn check(&mut self) -> Checked {
        for key in 0..KEYS.len() {
            self.check_key(key as u8)?;
        }
        self.check_scan(&Span::default())?;
        let verified = self.store()?.verify(&mut |_| Go::On);
        if let Some(report) = self.excused(verified)?
            && !self.notice_flips()
        {
            if let Some(problem) = report.problems.first() {
                return Err(format!("verify: {}", problem.error));
            }
            self.check_verification(&report)?;
        }
        self.check_stats()
    }

    pub(super) fn check_key(&mut self, key: u8) -> Checked {
        let expected = self.now.get(key, self.now_ms);
        let bytes = KEYS[usize::from(key)];
        let (entry, there) = (self.store()?.get_entry(bytes), self.store()?.contains(bytes));
        if let Some(entry) = self.excused(entry)? {
            let right = match (&entry, &expected) {
                (Some(entry), Some(item)) => item.is(key, entry),
                (None, None) => true,
                _ => false,
            };
            if !right {
                return Err(format!("key {key}: {entry:?} where {expected:?} should be"));
            }
        }
        if let Some(there) = self.excused(there)?
            && there != expected.is_some()
        {
            return Err(format!("contains({key}) said {there}"));
        }
        let value = self.store()?.value(bytes);
        self.compare_value(value, expected.as_ref())
    }

    pub(super) fn check_scan(&mut self, span: &Span) -> Checked {
        let scan = self.store()?.scan(span.range());
        let expected = self.now.scan(span);
        self.compare_scan(scan, expected, usize::MAX)?;
        self.check_keys(span)
    }

    pub(super) fn advance_scan(&mut self, which: u8, count: u8) -> Checked {
        let len = self.scans.len();
        if len == 0 {
            return Ok(());
        }
        let (mut scan, mut expected) = self.scans.remove(usize::from(which) % len);
        for _ in 0..count {
            let Some(going_on) = self.compare_step(&mut scan, &mut expected)? else {
                return Ok(());
            };
            if !going_on {
                break;
            }
        }
        self.scans.push((scan, expected));
        Ok(())
    }

    fn compare_scan(
        &mut self,
        mut scan: bitcask_core::Scan<S>,
        mut expected: ExpectedScan,
        steps: usize,
    ) -> Checked {
        for _ in 0..steps {
            if self.compare_step(&mut scan, &mut expected)? != Some(true) {
                break;
            }
        }
        Ok(())
    }

    /// Whether there was an entry, and it was right; `None` where reading failed.
    fn compare_step(
        &mut self,
        scan: &mut bitcask_core::Scan<S>,
        expected: &mut ExpectedScan,
    ) -> Checked<Option<bool>> {
        self.lends = !self.lends;
        let next = match self.lends {
            true => scan.lend().map(|lent| lent.map(|lent| lent.to_entry())).transpose(),
            false => scan.next().transpose(),
        };
        let Some(found) = self.excused(next)? else { return Ok(None) };
        let wanted = expected.next(self.now_ms);
        match (&found, &wanted) {
            (None, None) => Ok(Some(false)),
            (Some(entry), Some((key, item))) if item.is(*key, entry) => Ok(Some(true)),
            _ => Err(format!("a scan gave {found:?} where {wanted:?} should be")),
        }
    }

    pub(super) fn check_snapshot(&mut self, which: u8, span: &Span) -> Checked {
        let now_ms = self.now_ms;
        let Some((snapshot, state)) = any(&mut self.snapshots, which) else { return Ok(()) };
        let (scan, keys) = (snapshot.scan(span.range()), snapshot.keys(span.range()));
        let (expected, state) = (state.scan(span), state.clone());
        let answers: Vec<_> = KEYS
            .iter()
            .map(|key| (snapshot.get_entry(key), snapshot.contains(key), snapshot.value(key)))
            .collect();
        for (key, (entry, there, value)) in answers.into_iter().enumerate() {
            let item = state.get(key as u8, now_ms);
            self.compare_value(value, item.as_ref())?;
            if let Some(entry) = self.excused(entry)? {
                let right = match (&entry, &item) {
                    (Some(entry), Some(item)) => item.is(key as u8, entry),
                    (None, None) => true,
                    _ => false,
                };
                if !right {
                    return Err(format!("snapshot, key {key}: {entry:?}, should be {item:?}"));
                }
            }
            if let Some(there) = self.excused(there)?
                && there != item.is_some()
            {
                return Err(format!("snapshot, contains({key}) said {there}"));
            }
        }
        self.compare_keys(keys, expected.clone())?;
        self.compare_scan(scan, expected, usize::MAX)
    }

    fn check_stats(&mut self) -> Checked {
        let store = self.store()?;
        let stats = store.stats();
        let wrong = |what: &str| Err(format!("stats: {what}: {stats:#?}"));
        let visible =
            self.now.0.iter().filter(|(key, _)| self.now.get(*key, self.now_ms).is_some());
        // What has expired counts until a merge drops it.
        let (least, most) = (visible.count() as u64, self.now.0.iter().count() as u64);
        let most = if self.expired_may_be_there { KEYS.len() as u64 } else { most };
        if stats.keys != store.len() || !(least..=most).contains(&stats.keys) {
            return wrong("keys");
        }
        if store.is_empty() != (stats.keys == 0) {
            return wrong("is_empty");
        }
        let sum = |of: fn(&bitcask_core::SegmentStats) -> u64| -> u64 {
            stats.segments.iter().map(of).sum()
        };
        if sum(|s| s.live_records) != stats.keys {
            return wrong("live records are not the keys");
        }
        if (sum(|s| s.live_bytes), sum(|s| s.dead_bytes), sum(|s| s.total_bytes))
            != (stats.live_bytes, stats.dead_bytes, stats.total_bytes)
        {
            return wrong("sums");
        }
        for s in &stats.segments {
            // The header, marks and the seal are neither live nor dead.
            let parts = 72 + s.live_bytes + s.dead_bytes;
            // A merge under way counts records that it has not appended yet.
            let under_way = s.is_merge && s.state == SegmentState::Pending;
            if !under_way && (s.total_bytes < parts || s.dead_bytes < s.tombstone_bytes) {
                return wrong("parts");
            }
            if s.records < s.live_records + s.tombstones || s.last_position < s.first_position {
                return wrong("a segment's counts");
            }
        }
        if (stats.held_by_snapshots != 0) && stats.snapshots == 0 && !self.machine.has_fired() {
            // Snapshots that went let their segments go with the next call that may remove.
            let released = store.seal_pending();
            self.excused(released)?;
        }
        if stats.snapshots != self.snapshots.len() + self.scans.len() {
            return Err(String::from("stats: snapshots"));
        }
        let total = self.machine.total_bytes();
        let stats = self.store()?.stats();
        if stats.total_bytes != total && !self.machine.has_fired() {
            return Err(format!(
                "{total} bytes in files, the statistics say {}",
                stats.total_bytes
            ));
        }
        if stats.snapshots == 0 && stats.held_by_snapshots != 0 && !self.machine.has_fired() {
            return Err(String::from("segments are held for snapshots that are gone"));
        }
        Ok(())
    }

    /// After a full merge, sealed segments hold nothing but live records, unless an un-sealed or a newer one matters.
    pub(super) fn check_nothing_dead(&mut self) -> Checked {
        let store = self.store()?;
        let plan = store.merge_plan(&full());
        if let Ok(Some(plan)) = plan {
            return Err(format!("after a full merge there is more to do: {plan:?}"));
        }
        let stats = store.stats();
        let sealed = stats.segments.iter().filter(|s| s.state == SegmentState::Sealed);
        let dead: u64 = sealed.map(|s| s.dead_bytes).sum();
        if dead != 0 {
            return Err(format!("{dead} dead bytes are left by a full merge: {stats:#?}"));
        }
        Ok(())
    }

    /// A reader beside the writer sees the same and changes nothing.
    pub(super) fn check_read_only(&mut self, index: Index) -> Checked {
        let before = self.machine.total_bytes();
        let options = Options::default().read_only(true).index(index);
        let opened = Store::open(self.machine.clone(), options);
        let Some(reader) = self.excused(opened)? else { return Ok(()) };
        let entries: bitcask_core::Result<Vec<Entry>> =
            reader.scan(Span::default().range()).collect();
        let refused = reader.put(b"k", b"v");
        if let Some(entries) = self.excused(entries)? {
            let states = std::iter::once(&self.now).chain(&self.maybe);
            let seen = states.into_iter().any(|state| state.is(&entries, self.now_ms));
            // What nothing vouches for is cut where a bit of it is another one.
            if !seen && !self.notice_flips() {
                return Err(format!("a reader beside the writer sees {entries:?}"));
            }
        }
        if !matches!(refused, Err(Error::ReadOnly)) {
            return Err(format!("a store that is open for reading said {refused:?} to a put"));
        }
        if before != self.machine.total_bytes() {
            return Err(String::from("a reader changed the files"));
        }
        Ok(())
    }
}
