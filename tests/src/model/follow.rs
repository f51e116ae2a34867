//! Followers: copies of the store in other places, kept by the change feed.

use std::collections::BTreeMap;

use bitcask_core::{Bytes, Change, ChangeKind, Changes, Entry};

use super::life::{Checked, Life};
use super::machine::Machine;
use super::state::Span;

/// A copy, and how far it is. It outlives the store's process, and every power cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Follower {
    entries: BTreeMap<Bytes, Entry>,
    since: u64,
}

impl Follower {
    fn apply(&mut self, change: Change) {
        let Change { sequence: version, key, kind, .. } = change;
        match kind {
            ChangeKind::Put { value, expires_at_ms } => {
                let value = value.unwrap_or_default();
                let entry = Entry { key: key.clone(), value, version, expires_at_ms };
                self.entries.insert(key, entry);
            }
            ChangeKind::Delete => drop(self.entries.remove(&key)),
        }
    }

    fn visible(&self, now_ms: u64) -> Vec<Entry> {
        let is_there = |entry: &&Entry| entry.expires_at_ms.is_none_or(|at_ms| now_ms < at_ms);
        self.entries.values().filter(is_there).cloned().collect()
    }
}

impl<S: Machine> Life<S> {
    /// Brings a follower up to date, and compares.
    pub(super) fn follow(&mut self, which: u8) -> Checked {
        let place = usize::from(which) % self.followers.len();
        let mut follower = self.followers[place].clone();
        let feed = self.store()?.changes(follower.since);
        let Some(feed) = self.excused(feed)? else { return Ok(()) };
        let Some((changes, until, complete)) = self.pull(feed, follower.since)? else {
            return Ok(());
        };
        if until != self.store()?.sequence() {
            return Err(format!("a feed up to {until}, where {} is", self.store()?.sequence()));
        }
        if complete || self.care.followers_believe_all {
            self.outcome.told += 1;
            changes.into_iter().for_each(|change| follower.apply(change));
            follower.since = until;
        } else {
            self.outcome.anew += 1;
            let snapshot = self.store()?.snapshot();
            let entries: bitcask_core::Result<Vec<Entry>> =
                snapshot.scan(Span::default().range()).collect();
            let Some(entries) = self.excused(entries)? else { return Ok(()) };
            let entries = entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
            follower = Follower { entries, since: snapshot.sequence() };
        }
        let Some(entries) = self.all_entries()? else { return Ok(()) };
        let copied = follower.visible(self.now_ms);
        if copied != entries {
            let since = self.followers[place].since;
            return Err(format!("a follower from {since} on has {copied:#?}\nwhere {entries:#?}"));
        }
        self.followers[place] = follower;
        self.check_feeds_that_are_always_complete(&entries)
    }

    /// All changes, as they are promised, but for what follows from them; `None` where reading failed.
    fn pull(
        &mut self,
        mut feed: Changes<S>,
        since: u64,
    ) -> Checked<Option<(Vec<Change>, u64, bool)>> {
        let (until, mut last) = (feed.until(), since);
        let keys = self.store()?.changes(since).map(Changes::keys_only);
        let Some(mut keys) = self.excused(keys)? else { return Ok(None) };
        let mut changes = Vec::new();
        for next in feed.by_ref() {
            let Some(change) = self.excused(next)? else { return Ok(None) };
            if change.sequence <= last || until < change.sequence {
                return Err(format!("{change:?} after {last} in a feed up to {until}"));
            }
            last = change.sequence;
            let Some(key) = self.excused(keys.next().transpose())? else { return Ok(None) };
            if key != Some(without_value(&change)) {
                return Err(format!("{key:?} without its value where {change:?} is"));
            }
            changes.push(change);
        }
        if changes.last().is_some_and(|change| change.batch_goes_on) {
            return Err(format!("half a batch at the end: {changes:?}"));
        }
        Ok(Some((changes, until, feed.is_complete())))
    }

    /// From nothing, and from now.
    fn check_feeds_that_are_always_complete(&mut self, entries: &[Entry]) -> Checked {
        let feed = self.store()?.changes(0);
        let Some(feed) = self.excused(feed)? else { return Ok(()) };
        let Some((changes, _, complete)) = self.pull(feed, 0)? else { return Ok(()) };
        let mut follower = Follower::default();
        changes.into_iter().for_each(|change| follower.apply(change));
        if self.notice_flips() {
            return Ok(());
        }
        if !complete || follower.visible(self.now_ms) != entries {
            return Err(format!("a follower from 0 on has {follower:#?}\nwhere {entries:#?}"));
        }
        let now = self.store()?.sequence();
        let feed = self.store()?.changes(now);
        let Some(mut feed) = self.excused(feed)? else { return Ok(()) };
        if !feed.is_complete() || feed.next().is_some() {
            return Err(format!("a feed from now on, {now}, is not complete, or tells something"));
        }
        Ok(())
    }
}

fn without_value(change: &Change) -> Change {
    let kind = match &change.kind {
        ChangeKind::Put { expires_at_ms, .. } => {
            ChangeKind::Put { value: None, expires_at_ms: *expires_at_ms }
        }
        ChangeKind::Delete => ChangeKind::Delete,
    };
    Change { kind, ..change.clone() }
}
