//! What the thread of a `Db` fails at reaches its callers.

use std::fs;
use std::path::{Path, PathBuf};

use bitcask::{AutoMerge, Db, DbOptions, Durability, Error, MergePolicy, SegmentState};
use tempfile::tempdir;

use crate::child::{Role, command};
use crate::wait::wait_until;

pub(crate) const ROLES: &[Role] = &[("lose a sync", lose_a_sync)];

const KEYS: u32 = 40;

fn options() -> DbOptions {
    let auto_merge = AutoMerge {
        policy: MergePolicy::full(),
        bytes_per_second: u64::MAX,
        ..AutoMerge::default()
    };
    Db::options().segment_bytes(2048).auto_merge(Some(auto_merge))
}

/// A store of several sealed segments, a part of each of them dead.
fn make_store(folder: &Path) {
    let db = options().background(false).open(folder).unwrap();
    for round in 0..2_u32 {
        for key in (0..KEYS).step_by(1 + 2 * round as usize) {
            db.put(&key.to_be_bytes(), &[round.to_be_bytes(); 50].concat()).unwrap();
        }
    }
    db.close().unwrap();
}

fn segment_files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|e| e == "segment")).collect();
    files.sort();
    files
}

/// F1 and F2 with nobody asking for the merge.
#[test]
fn f01_f25_damage_that_the_thread_meets_is_told_and_nothing_is_removed() {
    let folder = tempdir().unwrap();
    make_store(folder.path());
    let damaged = &segment_files(folder.path())[1];
    let mut bytes = fs::read(damaged).unwrap();
    bytes[500] ^= 1;
    fs::write(damaged, &bytes).unwrap();

    let db = options().open(folder.path()).unwrap();
    wait_until("damage is told", || db.background_error().is_some());
    let said = db.background_error().unwrap();
    assert!(said.contains("segment 2 is damaged"), "{said}");
    // The next caller hears of it, once, and what it wrote is not there.
    let told = db.put(b"new", b"value").unwrap_err();
    assert_eq!(told.to_string(), said);
    assert!(told.is_damage());
    assert!(db.get(b"new").unwrap().is_none());
    db.put(b"new", b"value").unwrap();
    // The rest is merged all the same, and the damaged one kept.
    wait_until("the others are merged", || db.merge_plan(&MergePolicy::full()).unwrap().is_none());
    let stats = db.stats();
    let quarantined: Vec<_> =
        stats.segments.iter().filter(|s| s.state == SegmentState::Quarantined).collect();
    assert_eq!(quarantined.len(), 1, "{stats:?}");
    assert_eq!(fs::read(damaged).unwrap(), bytes);
    let unread: Vec<u32> = (0..KEYS).filter(|key| db.get(&key.to_be_bytes()).is_err()).collect();
    assert!(unread.len() <= 1, "one byte was damaged; not readable: {unread:?}");
    for key in (0..KEYS).filter(|key| !unread.contains(key)) {
        assert!(db.get(&key.to_be_bytes()).unwrap().is_some(), "key {key} is gone");
    }
    assert_eq!(db.background_error().unwrap(), said);
    assert_eq!(db.close().unwrap_err().to_string(), said);
    assert!(db.close().is_ok(), "it is told once");
}

/// A folder that is out of reach: told, tried again, mended, and then forgotten.
#[test]
fn f25_what_fails_for_a_while_is_told_and_tried_again() {
    let parent = tempdir().unwrap();
    let (here, away) = (parent.path().join("store"), parent.path().join("away"));
    make_store(&here);
    let pace =
        AutoMerge { policy: MergePolicy::full(), bytes_per_second: 100, ..AutoMerge::default() };
    let db = options().auto_merge(Some(pace)).open(&here).unwrap();
    fs::rename(&here, &away).unwrap();
    // Each roll creates a segment, which fails for the writer; or the thread is the first to find out.
    let mut number = 0_u32;
    wait_until("the thread has failed", || {
        number += 1;
        _ = db.put(&(number % KEYS).to_be_bytes(), &[7; 200]);
        db.background_error().is_some()
    });
    let said = db.background_error().unwrap();
    assert!(said.contains("segment") && said.contains("failed"), "{said}");
    assert!(db.get(&1_u32.to_be_bytes()).unwrap().is_some(), "reads go on");
    fs::rename(&away, &here).unwrap();
    wait_until("it is mended", || db.background_error().is_none());
    wait_until("writes go on", || db.put(b"new", b"value").is_ok());
    db.close().unwrap();
    drop(db);
    let db = options().open(&here).unwrap();
    assert_eq!(db.get(b"new").unwrap().unwrap(), "value");
    assert_eq!(db.len(), u64::from(KEYS) + 1);
}

/// F18 with nobody asking for the sync: the system refuses one, and every later write is refused.
#[cfg(target_os = "linux")]
#[test]
fn f18_f25_a_sync_that_the_thread_loses_ends_writing() {
    use std::process::Command;

    let folder = tempdir().unwrap();
    let inject = ["strace", "-f", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO"];
    let works = Command::new(inject[0]).args(&inject[1..]).arg("true").output();
    if !works.is_ok_and(|output| output.status.success()) {
        println!("skipped: strace is not there, or may not inject");
        return;
    }
    {
        let db = Db::options().background(false).open(folder.path()).unwrap();
        db.put(b"before", b"value").unwrap();
        db.close().unwrap();
    }
    // Those of the opening succeed, and the first of the thread: strace counts each thread for itself.
    let inject = [&inject[..5], &["inject=fdatasync:error=EIO:when=4+"]].concat();
    let output = command(&inject, "lose a sync", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("lost and told"), "{said}{complaint}");
    let db = Db::open(folder.path()).unwrap();
    assert_eq!(db.get(b"before").unwrap().unwrap(), "value");
}

fn lose_a_sync(folder: &Path) {
    let sync_every = std::time::Duration::from_millis(5);
    let options = Db::options().durability(Durability::Interval).sync_every(sync_every);
    let db = options.open(folder).unwrap();
    let mut refused = None;
    wait_until("a write is refused", || {
        refused = db.put(b"after", b"value").err();
        refused.is_some()
    });
    let refused = refused.unwrap();
    assert!(matches!(refused, Error::Poisoned(_)), "{refused}");
    wait_until("it is told", || db.background_error().is_some());
    let said = db.background_error().unwrap();
    assert!(said.contains("syncing segment"), "{said}");
    assert_eq!(db.stats().poisoned.as_ref(), Some(&said));
    assert!(matches!(db.delete(b"before"), Err(Error::Poisoned(_))));
    assert!(matches!(db.sync(), Err(Error::Poisoned(_))));
    assert_eq!(db.get(b"before").unwrap().unwrap(), "value");
    let closed = db.close().unwrap_err();
    assert_eq!(closed.to_string(), said);
    println!("lost and told");
}
