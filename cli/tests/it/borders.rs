//! The store's folder has a border: nothing outside of it is touched, no link or pipe in it leads out, and its files are for
//! their user alone.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::processes::Writer;
use crate::sandbox::{Ran, Sandbox};

/// Every command, on a store that has several segments, dead records and a tombstone.
const LIFE: [&str; 14] = [
    "import db in.jsonl --key k --segment-bytes 2000",
    "put db k0001 again --durability always",
    "put db k0003 again --durability none --index ordered",
    "delete db k0002",
    "merge db",
    "get db k0001",
    "scan db --limit 3",
    "watch db --since 0",
    "stats db",
    "verify db",
    "dump db",
    "export db out.jsonl",
    "export db out.store --store",
    "import copy out.store --store",
];

fn with_rows(s: &Sandbox) {
    let lines: String =
        (0..40).map(|i| format!("{{\"k\":\"k{i:04}\",\"v\":\"{}\"}}\n", "x".repeat(100))).collect();
    s.write("in.jsonl", lines);
}

/// What one line of `strace -f -y` changes by name, if it does: `12 openat(AT_FDCWD</tmp/x>, "db/LOCK", O_RDWR|O_CREAT…) = 3</tmp/x/db/LOCK>`
/// as the names in it, made absolute.
fn changed(line: &str, folder: &Path) -> Vec<String> {
    let Some((_, call)) = line.split_once(|c: char| !c.is_ascii_digit()) else { return vec![] };
    let Some((name, arguments)) = call.trim_start().split_once('(') else { return vec![] };
    let only_reads =
        ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().all(|flag| !arguments.contains(flag));
    if name.starts_with("open") && only_reads {
        return vec![];
    }
    // Every other quoted part is a name.
    let names = arguments.split('"').skip(1).step_by(2);
    names.map(|name| folder.join(name).to_str().unwrap().replace("/./", "/")).collect()
}

#[test]
fn nothing_outside_of_the_folder_is_touched() {
    let s = Sandbox::new();
    with_rows(&s);
    let log = s.path("strace.log");
    let folder = s.path("").canonicalize().unwrap();
    let mut seen = BTreeMap::new();
    for words in LIFE {
        let traced = Command::new("strace")
            .args(["-f", "-y", "-s", "4096", "-e", "trace=%file,ftruncate,fchmod,fchown", "-e"])
            .args(["signal=none", "-o"])
            .args([log.as_os_str(), env!("CARGO_BIN_EXE_bitcask").as_ref()])
            .args(words.split(' '))
            .current_dir(&folder)
            .output();
        let Ok(traced) = traced else {
            println!("skipped: strace is not there");
            return;
        };
        let said = String::from_utf8_lossy(&traced.stderr);
        if said.contains("ptrace") {
            println!("skipped: strace may not trace: {said}");
            return;
        }
        assert!(traced.status.success(), "{words}: {said}");
        for line in fs::read_to_string(&log).unwrap().lines() {
            let reads =
                [" execve(", " access(", " faccessat", " readlink", " getcwd", "stat", " chdir("];
            if !reads.iter().any(|name| line.contains(name)) {
                for name in changed(line, &folder) {
                    seen.insert(name, format!("{words}: {line}"));
                }
            }
        }
    }
    let inside = |name: &str| {
        ["db", "copy"].iter().any(|store| {
            let store = folder.join(store);
            Path::new(name) == store || Path::new(name).parent() == Some(&store)
        })
    };
    // Beside the store: only what the user named, each by way of a new file or folder beside it, which is gone at the end.
    let named = |name: &str| {
        let name = name.strip_prefix(folder.to_str().unwrap()).unwrap_or(name);
        ["/out.jsonl", "/out.store"].contains(&name) || name.starts_with("/.bitcask-")
    };
    let outside: Vec<_> = seen.iter().filter(|(name, _)| !inside(name) && !named(name)).collect();
    assert!(outside.is_empty(), "{outside:#?}");
    let segments = seen.keys().filter(|name| inside(name) && name.ends_with(".segment")).count();
    assert!(4 < segments && seen.len() < 200, "{seen:#?}");
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 6, "in.jsonl, out.*, two stores, the log: {left:?}");
}

/// The mask of the user's shell takes nothing away here, so what is private was asked to be.
#[test]
fn files_are_private_whatever_the_mask() {
    let s = Sandbox::new();
    with_rows(&s);
    for words in LIFE {
        let script = r#"umask 0; exec "$0" "$@""#;
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_bitcask")]).args(words.split(' '));
        Ran::new(command.current_dir(s.path(""))).ok();
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for store in ["db", "copy"] {
        assert_eq!(mode(&s.path(store)), 0o700, "{store}");
        let files: Vec<_> =
            fs::read_dir(s.path(store)).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(1 < files.len(), "{files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
    // What a user asks for by name is like any file of theirs.
    assert_eq!(mode(&s.path("out.jsonl")), 0o666);
}

/// Runs a command that must end: one that opens a pipe would wait for ever.
fn ends(s: &Sandbox, words: &str) -> Ran {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", "30", env!("CARGO_BIN_EXE_bitcask")]).args(words.split(' '));
    let ran = Ran::new(command.current_dir(s.path("")));
    assert!(ran.code != 124 && ran.code != 137, "it waits for ever: {ran:?}");
    ran
}

const ON_A_STORE: [&str; 10] = [
    "get db k0001",
    "scan db",
    "export db",
    "stats db",
    "verify db",
    "dump db",
    "put db k v",
    "delete db k0001",
    "import db in.jsonl --key k",
    "merge db",
];

/// What may stand where a file of a store should, and how it is made: there, and with this file outside.
struct Stranger(&'static str, fn(&Path, &Path));

const STRANGERS: [Stranger; 5] = [
    Stranger("a link to a file outside", |at, outside| symlink(outside, at).unwrap()),
    Stranger("a link to a device", |at, _| symlink("/dev/zero", at).unwrap()),
    Stranger("a link to nothing", |at, outside| {
        symlink(outside.with_file_name("nothing"), at).unwrap()
    }),
    Stranger("a pipe", |at, _| assert!(Command::new("mkfifo").arg(at).status().unwrap().success())),
    Stranger("a socket", |at, _| drop(std::os::unix::net::UnixListener::bind(at).unwrap())),
];

/// Bytes, length, time of change and mode: of what stands outside.
fn state(path: &Path) -> (Vec<u8>, i64, i64, u32) {
    let about = fs::metadata(path).unwrap();
    (fs::read(path).unwrap(), about.mtime(), about.mtime_nsec(), about.mode())
}

#[test]
fn no_segment_that_is_a_link_a_pipe_or_a_device_is_followed() {
    for which in [0, 1] {
        for Stranger(what, make) in STRANGERS {
            let s = Sandbox::new();
            with_rows(&s);
            s.run(LIFE[0]).ok();
            let segments = s.segments("db");
            // The first of several, and the active one.
            let at = if which == 0 { &segments[0] } else { segments.last().unwrap() };
            fs::rename(at, s.path("outside")).unwrap();
            make(at, &s.path("outside"));
            let before = state(&s.path("outside"));
            let kind = fs::symlink_metadata(at).unwrap().file_type();
            for words in ON_A_STORE {
                let ran = ends(&s, words);
                // `dump` goes on with the next segment, and says so by its code.
                assert!([4, 5].contains(&ran.code), "{what}: {ran:?}");
                assert!(
                    ran.err.contains("not a plain file") || ran.text().contains("not a plain file"),
                    "{what}: {ran:?}"
                );
                assert_eq!(state(&s.path("outside")), before, "{what}: {words}");
                assert_eq!(fs::symlink_metadata(at).unwrap().file_type(), kind, "{what}: {words}");
            }
            assert!(!s.path("nothing").exists(), "{what}");
            fs::remove_file(at).unwrap();
            fs::rename(s.path("outside"), at).unwrap();
            s.run("verify db").ok();
        }
    }
}

#[test]
fn no_lock_that_is_a_link_a_pipe_or_a_device_is_followed() {
    for Stranger(what, make) in STRANGERS {
        let s = Sandbox::new();
        with_rows(&s);
        s.run(LIFE[0]).ok();
        let lock = s.path("db/LOCK");
        fs::remove_file(&lock).unwrap();
        s.write("outside", "precious");
        make(&lock, &s.path("outside"));
        let before = state(&s.path("outside"));
        for words in ON_A_STORE {
            let ran = ends(&s, words);
            let is_writing =
                ["put", "delete", "import", "merge"].iter().any(|w| words.starts_with(w));
            // Who only reads has no use for the lock.
            assert_eq!(ran.code, if is_writing { 4 } else { 0 }, "{what}: {ran:?}");
            assert_eq!(state(&s.path("outside")), before, "{what}: {words}");
        }
        assert!(!s.path("nothing").exists(), "{what}");
    }
}

/// A link to a store is a name of it: what is locked by one name is locked by the other.
#[test]
fn a_link_to_a_folder_is_a_name_of_the_store() {
    let s = Sandbox::new();
    s.run("put db k v").ok();
    symlink("db", s.path("link")).unwrap();
    s.run("get link k").ok().prints("v");
    s.run("put link k w").ok();
    s.run("get db k").ok().prints("w");
    let mut writer = Writer::start(&s, "");
    writer.put("a");
    s.run("put link k x").fails(3, &["locked by"]);
    writer.finish();
    // Nothing is made where a link leads to nothing.
    symlink("missing", s.path("dangling")).unwrap();
    let ran = s.run("put dangling k v");
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(!s.path("missing").exists());
}
