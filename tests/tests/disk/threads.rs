//! Many threads and one `Db`: order, snapshots, group commit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use bitcask::{AutoMerge, Batch, Db, Durability, Go, Index, MergePolicy, Range, WriteOptions};
use tempfile::tempdir;

use crate::child::{Role, command};

pub(crate) const ROLES: &[Role] = &[("commit in groups", commit_in_groups)];

const WRITERS: u32 = 3;
const KEYS_EACH: u32 = 8;
const WRITES_EACH: u64 = 3000;

fn key(writer: u32, number: u32, twin: u8) -> Vec<u8> {
    [&writer.to_be_bytes()[..], &number.to_be_bytes(), &[twin]].concat()
}

fn value(count: u64) -> Vec<u8> {
    count.to_be_bytes().repeat(1 + (count % 30) as usize)
}

fn count_of(value: &[u8]) -> u64 {
    let count = u64::from_be_bytes(value[..8].try_into().unwrap());
    assert_eq!(value, self::value(count), "a value that nobody wrote");
    count
}

/// Each key counts up, with its twin in the same batch every other time.
fn write(db: &Db, writer: u32) {
    for count in 1..=WRITES_EACH {
        let number = u32::try_from(count).unwrap() % KEYS_EACH;
        if writer == 0 {
            db.put(&key(writer, number, 0), &value(count)).unwrap();
            continue;
        }
        let mut batch = Batch::new();
        batch.put(&key(writer, number, 0), &value(count)).unwrap();
        batch.put(&key(writer, number, 1), &value(count)).unwrap();
        db.write(&batch, &WriteOptions::default()).unwrap();
    }
}

/// A read never goes back in time.
fn read(db: &Db, done: &AtomicBool) -> u64 {
    let mut seen: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let mut reads = 0;
    while !done.load(Ordering::Acquire) {
        for writer in 0..WRITERS {
            for number in 0..KEYS_EACH {
                let key = key(writer, number, 0);
                let count = db.get(&key).unwrap().map_or(0, |value| count_of(&value));
                let before = seen.insert(key, count).unwrap_or(0);
                assert!(before <= count, "{count} was read after {before}");
                reads += 1;
            }
        }
    }
    reads
}

/// A snapshot does not change, knows whole batches only, and lies between what is read before and after it.
fn look(db: &Db, done: &AtomicBool) -> u64 {
    let mut looks = 0;
    while !done.load(Ordering::Acquire) {
        let probe = key(1, 1, 0);
        let before = db.get(&probe).unwrap().map_or(0, |value| count_of(&value));
        let snapshot = db.snapshot();
        let after = db.get(&probe).unwrap().map_or(0, |value| count_of(&value));
        let all = |reverse: bool| -> BTreeMap<Vec<u8>, u64> {
            let range = if reverse { Range::all().reverse() } else { Range::all() };
            let entries = snapshot.scan(range).map(|entry| entry.unwrap());
            entries.map(|entry| (entry.key.to_vec(), count_of(&entry.value))).collect()
        };
        let first = all(false);
        assert_eq!(first, all(true), "a snapshot changed");
        for (key, count) in &first {
            let got = snapshot.get(key).unwrap().map(|value| count_of(&value));
            assert_eq!(got, Some(*count), "a get and a scan of one snapshot differ");
            if key[..4] != [0; 4] {
                let twin = [&key[..8], &[1 - key[8]]].concat();
                assert_eq!(first.get(&twin), Some(count), "a snapshot holds half of a batch");
            }
        }
        let probed = first.get(&probe).copied().unwrap_or(0);
        assert!((before..=after).contains(&probed), "{before} {probed} {after}");
        looks += 1;
    }
    looks
}

fn everybody_at_once(index: Index) {
    let folder = tempdir().unwrap();
    let auto_merge = AutoMerge {
        policy: MergePolicy::full(),
        bytes_per_second: u64::MAX,
        ..AutoMerge::default()
    };
    let options = Db::options().index(index).segment_bytes(8192).auto_merge(Some(auto_merge));
    let db = options.open(folder.path()).unwrap();
    let (done, working) = (AtomicBool::new(false), AtomicUsize::new(WRITERS as usize));
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (db, done, working) = (&db, &done, &working);
            scope.spawn(move || {
                let end = Countdown { working, done };
                write(db, writer);
                drop(end);
            });
        }
        let readers = [(); 2].map(|()| scope.spawn(|| read(&db, &done)));
        let looker = scope.spawn(|| look(&db, &done));
        let reads: u64 = readers.map(|reader| reader.join().unwrap()).iter().sum();
        println!("{reads} reads, {} looks", looker.join().unwrap());
    });
    assert_eq!(db.background_error(), None);
    let merges = db.stats().merges;
    println!("{merges} merges");
    assert!(0 < merges, "nothing was merged meanwhile");
    check_end(&db);
    assert!(db.verify(&mut |_| Go::On).unwrap().is_sound());
    db.close().unwrap();
    drop(db);
    check_end(&options.open(folder.path()).unwrap());
}

/// Readers stop when the last writer has ended, also by a panic.
struct Countdown<'a> {
    working: &'a AtomicUsize,
    done: &'a AtomicBool,
}

impl Drop for Countdown<'_> {
    fn drop(&mut self) {
        if self.working.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.store(true, Ordering::Release);
        }
    }
}

fn check_end(db: &Db) {
    assert_eq!(db.len(), u64::from(KEYS_EACH * (2 * WRITERS - 1)));
    for writer in 0..WRITERS {
        for number in 0..KEYS_EACH {
            let last = (0..=WRITES_EACH).rev().find(|c| c % u64::from(KEYS_EACH) == number.into());
            let got = db.get(&key(writer, number, 0)).unwrap().unwrap();
            assert_eq!(Some(count_of(&got)), last);
        }
    }
}

#[test]
fn f16_readers_writers_merges_and_snapshots_agree_ordered() {
    everybody_at_once(Index::Ordered);
}

#[test]
fn f16_readers_writers_merges_and_snapshots_agree_hash() {
    everybody_at_once(Index::Hash);
}

/// Puts of different threads that wait for durability together share a sync. With syncs as slow as a disk's, by
/// `strace`; where it is not there, as they come.
#[test]
fn threads_that_want_durability_share_syncs() {
    let folder = tempdir().unwrap();
    let delay = ["strace", "-f", "-o", "/dev/null", "-e", "inject=fdatasync:delay_enter=3000"];
    let works = std::process::Command::new(delay[0]).args(&delay[1..]).arg("true").output();
    let before = if works.is_ok_and(|o| o.status.success()) { &delay[..] } else { &[] };
    if before.is_empty() {
        println!("skipped: strace is not there, or may not inject");
        return;
    }
    let output = command(before, "commit in groups", folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn commit_in_groups(folder: &Path) {
    const EACH: u32 = 25;
    let db = Db::options().durability(Durability::Always).open(folder).unwrap();
    thread::scope(|scope| {
        for writer in 0..8_u32 {
            let db = &db;
            scope.spawn(move || {
                for number in 0..EACH {
                    db.put(&key(writer, number, 0), &value(number.into())).unwrap();
                }
            });
        }
    });
    let stats = db.stats();
    assert_eq!(stats.puts, u64::from(8 * EACH));
    assert!(2 * stats.syncs < stats.puts, "{} syncs for {} puts", stats.syncs, stats.puts);
    // Nobody closes it in order: what counts is what was acknowledged.
    std::mem::forget(db.snapshot());
    drop(db);
    let db = Db::options().read_only(true).open(folder).unwrap();
    assert_eq!(db.len(), u64::from(8 * EACH));
    for writer in 0..8 {
        for number in 0..EACH {
            let got = db.get(&key(writer, number, 0)).unwrap().unwrap();
            assert_eq!(count_of(&got), u64::from(number));
        }
    }
}
