//! A reader beside a writer that never rests.

use std::collections::BTreeMap;
use std::path::Path;

use bitcask::{AutoMerge, Bytes, ChangeKind, Db, Index, MergePolicy, Range};
use tempfile::tempdir;

use crate::child::{Actor, Role, say, wait_for_parent};

pub(crate) const ROLES: &[Role] = &[("never rest", never_rest), ("hold a db", hold_a_db)];

const KEYS: u64 = 40;

fn options() -> bitcask::DbOptions {
    let auto_merge = AutoMerge {
        policy: MergePolicy::full(),
        bytes_per_second: u64::MAX,
        ..AutoMerge::default()
    };
    Db::options().segment_bytes(2048).auto_merge(Some(auto_merge))
}

/// Counts up in every key, in pairs that are one batch, with segments so short that it rolls and merges all the time.
fn never_rest(folder: &Path) {
    let db = options().open(folder).unwrap();
    let stop = std::thread::spawn(wait_for_parent);
    let mut count = 0_u64;
    while !stop.is_finished() {
        count += 1;
        let key = count % KEYS;
        let value = [count.to_le_bytes(); 9].concat();
        let mut batch = bitcask::Batch::new();
        batch.put(&key.to_be_bytes(), &value).unwrap();
        batch.put(&(KEYS + key).to_be_bytes(), &value).unwrap();
        db.write(&batch, &bitcask::WriteOptions::default()).unwrap();
        if count == KEYS {
            say("all keys are there");
        }
    }
    assert_eq!(db.background_error(), None);
    let stats = db.stats();
    assert!(0 < stats.merges, "{stats:?}");
    db.close().unwrap();
    say(&format!("{count} writes, {} merges", stats.merges));
}

/// A copy that is kept by the change feed, through one reader after another.
#[derive(Default)]
struct Follower {
    copy: BTreeMap<Bytes, (Bytes, u64)>,
    since: u64,
    complete: u64,
    anew: u64,
}

impl Follower {
    fn pull(&mut self, reader: &Db, round: u64) {
        let entries = reader.scan(Range::all()).map(Result::unwrap);
        let there: BTreeMap<_, _> = entries.map(|e| (e.key, (e.value, e.version))).collect();
        let mut feed = reader.changes(self.since).unwrap();
        for change in feed.by_ref() {
            let change = change.unwrap_or_else(|error| panic!("round {round}: {error}"));
            match change.kind {
                ChangeKind::Delete => drop(self.copy.remove(&change.key)),
                ChangeKind::Put { value, .. } => {
                    let item = (value.unwrap(), change.sequence);
                    drop(self.copy.insert(change.key, item));
                }
            }
        }
        self.since = feed.until();
        if feed.is_complete() {
            self.complete += 1;
            assert!(self.copy == there, "round {round}: the copy is another store");
        } else {
            self.anew += 1;
            self.copy = there;
        }
    }
}

fn hold_a_db(folder: &Path) {
    let db = Db::options().program("bitcask import").open(folder).unwrap();
    db.put(b"by", b"the child").unwrap();
    say("held");
    wait_for_parent();
    db.close().unwrap();
}

#[test]
fn f09_another_process_is_told_who_has_the_db_and_may_read() {
    let folder = tempdir().unwrap();
    let mut holder = Actor::start("hold a db", folder.path());
    assert_eq!(holder.hear(), "held");
    let said = Db::open(folder.path()).unwrap_err().to_string();
    let who = format!("locked by process {} (bitcask import)", holder.id());
    assert!(said.contains(&who), "{said}");
    let reader = Db::options().read_only(true).open(folder.path()).unwrap();
    assert_eq!(reader.get(b"by").unwrap().unwrap(), "the child");
    holder.kill();
    assert_eq!(Db::open(folder.path()).unwrap().get(b"by").unwrap().unwrap(), "the child");
}

#[test]
fn a_reader_beside_a_writer_that_rolls_and_merges_never_meets_damage() {
    let folder = tempdir().unwrap();
    let mut writer = Actor::start("never rest", folder.path());
    assert_eq!(writer.hear(), "all keys are there");
    let mut seen: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let mut follower = Follower::default();
    for round in 0..300 {
        let index = if round % 2 == 0 { Index::Hash } else { Index::Ordered };
        let reader = Db::options().read_only(true).index(index).open(folder.path());
        let reader = reader.unwrap_or_else(|error| panic!("round {round}: {error}"));
        let mut counts = BTreeMap::new();
        for entry in reader.scan(Range::all()) {
            let entry = entry.unwrap_or_else(|error| panic!("round {round}: {error}"));
            let count = u64::from_le_bytes(entry.value[..8].try_into().unwrap());
            assert_eq!(entry.value, [count.to_le_bytes(); 9].concat(), "round {round}");
            counts.insert(entry.key.to_vec(), count);
        }
        assert_eq!(counts.len() as u64, 2 * KEYS, "round {round}: keys are gone");
        for (key, count) in &counts {
            assert!(seen.get(key) <= Some(count), "round {round}: {key:?} went back in time");
        }
        for key in 0..KEYS {
            let of = |key: u64| counts[key.to_be_bytes().as_slice()];
            assert_eq!(of(key), of(KEYS + key), "round {round}: half of a batch");
        }
        seen = counts;
        follower.pull(&reader, round);
    }
    let Follower { complete, anew, .. } = follower;
    println!("{complete} complete feeds, {anew} times anew");
    assert!(0 < complete, "a merge was always faster: {anew}");
    writer.let_go();
    println!("{}", writer.hear());
    assert!(writer.finish().success());
}
