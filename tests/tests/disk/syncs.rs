//! What the system is really asked for, as `strace` saw it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bitcask::{Access, Db, Disk, Durability};
use bitcask_core::{Segment, SegmentId, Storage};
use tempfile::tempdir;

use crate::child::{Role, command};
use crate::wait::wait_until;

pub(crate) const ROLES: &[Role] = &[
    ("live a life", live_a_life),
    ("sync thrice", sync_thrice),
    ("put with always", |folder| put_and_acknowledge(folder, Durability::Always)),
    ("put with none", |folder| put_and_acknowledge(folder, Durability::None)),
    ("put with interval", |folder| put_and_acknowledge(folder, Durability::Interval)),
    ("sync, close and merge", sync_close_and_merge),
];

const ONE: SegmentId = SegmentId(1);

/// Each step of a segment's life once; the calls that it makes are below, in `f07_f19_…`.
fn live_a_life(folder: &Path) {
    let disk = Disk::options().growth_bytes(4096).open(folder).unwrap();
    let segment = disk.create(ONE).unwrap();
    segment.append(&[b"head", b"key", b"value"]).unwrap();
    segment.sync().unwrap();
    segment.sync().unwrap();
    segment.append(&[b"more"]).unwrap();
    segment.sync().unwrap();
    segment.freeze().unwrap();
    segment.sync().unwrap();
    drop(segment);

    let segment = disk.open(ONE).unwrap();
    segment.freeze().unwrap();
    segment.sync().unwrap();
    disk.remove(ONE).unwrap();
}

/// The calls that a role makes on files in `parent`, each as `name file rest`, or why that is not known.
fn traced(role: &str, folder: &Path, parent: &Path) -> Result<Vec<String>, String> {
    let works = Command::new("strace").args(["-y", "true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        return Err("strace is not there, or may not trace".into());
    }
    let log = parent.join("strace.log");
    let calls = "trace=openat,mkdir,mkdirat,pwrite64,pwritev,ftruncate,fsync,fdatasync,unlink,unlinkat,msync,sync_file_range";
    let strace = ["strace", "-f", "-y", "-s", "0", "-e", calls, "-o", log.to_str().unwrap()];
    let output = command(&strace, role, folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let log = fs::read_to_string(log).unwrap();
    let parent = parent.to_str().unwrap();
    Ok(log
        .lines()
        .filter(|line| line.contains(parent))
        .filter_map(|line| told(line, parent))
        .collect())
}

/// `123 fsync(4</tmp/x/store/LOCK>) = 0` in `/tmp/x` is told as `fsync store/LOCK`; what failed, and what
/// opens without making anything, is left out.
fn told(line: &str, parent: &str) -> Option<String> {
    let (_, call) = line.split_once(|c: char| !c.is_ascii_digit())?;
    let (name, arguments) = call.trim_start().split_once('(')?;
    if line.contains(" = -1 ") || (name == "openat" && !arguments.contains("O_CREAT")) {
        return None;
    }
    let (_, file) = arguments.split_once(parent)?;
    let file = file.split(['"', '>']).next()?.trim_start_matches('/');
    let length = match name {
        "ftruncate" => arguments.split(", ").nth(1)?.split(')').next(),
        "pwrite64" => arguments.split(", ").nth(2),
        _ => None,
    };
    Some(format!("{name} {file} {}", length.unwrap_or_default()).trim_end().to_owned())
}

#[cfg(target_os = "linux")]
#[test]
fn f07_f19_every_promise_of_durability_is_a_call_of_the_system() {
    let parent = tempdir().unwrap();
    let parent = parent.path().canonicalize().unwrap();
    let calls = match traced("live a life", &parent.join("store"), &parent) {
        Ok(calls) => calls.into_iter().filter(|call| !call.contains("LOCK")).collect::<Vec<_>>(),
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let expected = "
        mkdir store
        fsync
        openat store/000000000001.segment
        fsync store/000000000001.segment
        fsync store
        ftruncate store/000000000001.segment 4096
        pwrite64 store/000000000001.segment 12
        fdatasync store/000000000001.segment
        pwrite64 store/000000000001.segment 4
        fdatasync store/000000000001.segment
        ftruncate store/000000000001.segment 16
        fdatasync store/000000000001.segment
        fdatasync store/000000000001.segment
        unlink store/000000000001.segment
        fsync store";
    let expected: Vec<&str> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(calls, expected, "the folder that holds the store is called \"\" here");
}

/// After a sync has failed, no later one of this segment is a success (F18): the system forgets what it could not
/// write. The failure is the system's own, through `strace`.
#[cfg(target_os = "linux")]
#[test]
fn f18_a_failed_sync_stays_failed() {
    let folder = tempdir().unwrap();
    let works = Command::new("strace").args(["-e", "inject=fdatasync:error=EIO", "true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        println!("skipped: strace is not there, or may not inject");
        return;
    }
    let inject = ["strace", "-f", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO:when=1"];
    let output = command(&inject, "sync thrice", folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The first `fdatasync` fails, the system would call the others a success.
fn sync_thrice(folder: &Path) {
    let disk = Disk::open(folder, Access::Write, true).unwrap();
    let segment = disk.create(ONE).unwrap();
    segment.append(&[b"lost"]).unwrap();
    for attempt in 0..3 {
        assert!(segment.sync().is_err(), "attempt {attempt}");
        segment.append(&[b"more"]).unwrap();
    }
    assert_eq!(segment.read_at(0, 4).unwrap(), "lost");
}

/// Rolls at every fourth put, and makes a file beside the store after each that is acknowledged.
fn put_and_acknowledge(folder: &Path, durability: Durability) {
    let options = Db::options().durability(durability).segment_bytes(512);
    // Just the caller's own calls, but the interval is the thread's.
    let has_thread = durability == Durability::Interval;
    let options = options.background(has_thread).auto_merge(None);
    let db = options.sync_every(Duration::from_millis(1)).open(folder).unwrap();
    for number in 0..10_u32 {
        db.put(&number.to_be_bytes(), &[7; 100]).unwrap();
        fs::write(folder.with_file_name(format!("acknowledged-{number}")), "").unwrap();
        if has_thread {
            // Not a word from us, and yet it is synced.
            wait_until("the thread has synced", || u64::from(number) < db.stats().syncs);
            fs::write(folder.with_file_name(format!("interval-{number}")), "").unwrap();
        }
    }
}

/// Nobody waits for single writes; what is promised is promised by `sync`, `close`, a roll's seal and a merge.
fn sync_close_and_merge(folder: &Path) {
    let options = Db::options().durability(Durability::None).segment_bytes(512);
    let options = options.background(false).auto_merge(None);
    let done = |what: &str| fs::write(folder.with_file_name(format!("done-{what}")), "").unwrap();
    let db = options.open(folder).unwrap();
    db.put(b"kept", &[7; 100]).unwrap();
    db.sync().unwrap();
    done("sync");
    for number in 0..12_u8 {
        db.put(&[b'a' + number % 5], &[number; 100]).unwrap();
    }
    db.close().unwrap();
    done("close");
    drop(db);
    let db = options.open(folder).unwrap();
    done("open");
    db.delete(b"c").unwrap();
    db.roll().unwrap();
    done("roll");
    db.delete(b"b").unwrap();
    // The last delete is durable nowhere when the merge begins, and the merge drops what it made dead.
    let inputs = db.stats().segments.len();
    db.merge(&bitcask::MergePolicy::full(), &mut |_| bitcask::Go::On).unwrap();
    assert!(db.stats().segments.len() < inputs);
    done("merge");
}

/// What is durable, by the calls so far: every write of a segment that a sync of it follows. The oldest and
/// plainest reading of F7: the option must reach the file.
#[cfg(target_os = "linux")]
fn check_synced(calls: &[String], at: &str) -> usize {
    let mut unsynced: Vec<&str> = Vec::new();
    let mut found = 0;
    for call in calls {
        let mut words = call.split_whitespace();
        let (name, file) = (words.next().unwrap(), words.next().unwrap_or_default());
        match name {
            "openat" if file.starts_with(at) => {
                assert_eq!(unsynced, Vec::<&str>::new(), "before {file}: {calls:#?}");
                found += 1;
            }
            // A new file counts once its folder is synced too.
            "openat" if file.ends_with(".segment") => unsynced.extend([file, "store"]),
            "pwrite64" if file.ends_with(".segment") => unsynced.push(file),
            "unlink" if file.ends_with(".segment") => {
                // What it held has been merged, and the log that made the rest of it dead is behind it.
                assert_eq!(unsynced, Vec::<&str>::new(), "before {file} goes: {calls:#?}");
                unsynced.push("store");
            }
            "fsync" | "fdatasync" => unsynced.retain(|unsynced| *unsynced != file),
            _ => {}
        }
    }
    found
}

#[cfg(target_os = "linux")]
#[test]
fn f07_f19_always_means_that_the_system_was_asked_before_every_answer() {
    let parent = tempdir().unwrap();
    let parent = parent.path().canonicalize().unwrap();
    match traced("put with always", &parent.join("store"), &parent) {
        Ok(calls) => assert_eq!(check_synced(&calls, "acknowledged-"), 10),
        Err(why) => println!("skipped: {why}"),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn f07_interval_means_that_the_system_is_asked_soon() {
    let parent = tempdir().unwrap();
    let parent = parent.path().canonicalize().unwrap();
    match traced("put with interval", &parent.join("store"), &parent) {
        Ok(calls) => assert_eq!(check_synced(&calls, "interval-"), 10),
        Err(why) => println!("skipped: {why}"),
    }
}

/// The order of FORMAT.md, section 7: records before the seal that vouches for them, the merge's seal and the log before an input goes, and the
/// folder after it.
#[cfg(target_os = "linux")]
#[test]
fn f07_f17_f19_sync_close_roll_and_merge_ask_the_system_in_order() {
    let parent = tempdir().unwrap();
    let parent = parent.path().canonicalize().unwrap();
    let calls = match traced("sync, close and merge", &parent.join("store"), &parent) {
        Ok(calls) => calls,
        Err(why) => return println!("skipped: {why}"),
    };
    assert_eq!(check_synced(&calls, "done-"), 5);
    let unlinked = |call: &&String| call.starts_with("unlink ") && call.ends_with(".segment");
    let first = calls.iter().position(|call| unlinked(&call)).expect("an input was removed");
    assert!(1 < calls.iter().filter(unlinked).count(), "{calls:#?}");
    // The output is the last segment that was created before the first input went.
    let created = calls[..first]
        .iter()
        .rfind(|call| call.starts_with("openat") && call.ends_with(".segment"));
    let output = created.unwrap().split_whitespace().nth(1).unwrap();
    let mut its: Vec<&str> = calls[..first]
        .iter()
        .filter(|call| call.contains(output) && !call.starts_with("ftruncate"))
        .map(|call| call.split_whitespace().next().unwrap())
        .collect();
    // Its growth is cut behind the seal, and synced once more.
    its.dedup();
    // The header, what is copied, the seal.
    let copied_then_sealed = ["pwrite64", "fdatasync"].repeat(3);
    assert!(its.ends_with(&copied_then_sealed), "{its:?} of {output}: {calls:#?}");
}

/// The three above can fail: without durability the same puts are answered before any sync.
#[cfg(target_os = "linux")]
#[test]
fn f07_none_means_that_nobody_waits() {
    let parent = tempdir().unwrap();
    let parent = parent.path().canonicalize().unwrap();
    let calls = match traced("put with none", &parent.join("store"), &parent) {
        Ok(calls) => calls,
        Err(why) => return println!("skipped: {why}"),
    };
    let waits = std::panic::catch_unwind(|| check_synced(&calls, "acknowledged-"));
    assert!(waits.is_err(), "{calls:#?}");
}
