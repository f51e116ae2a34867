//! What the system is really asked for, as `strace` saw it.

use std::fs;
use std::path::Path;
use std::process::Command;

use bitcask::{Access, Disk};
use bitcask_core::{Segment, SegmentId, Storage};
use tempfile::tempdir;

use crate::child::{Role, command};

pub(crate) const ROLES: &[Role] = &[("live a life", live_a_life), ("sync thrice", sync_thrice)];

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
