//! What people and disks get wrong: each a clear error with its exit code, and nothing lost.

use std::fs;
use std::path::Path;

use crate::sandbox::{Sandbox, copy_folder};

const READING: [&str; 6] = ["get db k", "scan db", "export db", "stats db", "verify db", "dump db"];
const WRITING: [&str; 4] = ["put db k v", "delete db k", "import db in.jsonl --key k", "merge db"];

/// A sandbox with a store of several sealed segments in `db`, and a file to import.
fn with_store() -> Sandbox {
    let s = Sandbox::new();
    s.write("in.jsonl", "{\"k\":1}\n");
    for i in 0..6 {
        s.run(&format!("put db k{i} {} --segment-bytes 200", "v".repeat(100))).ok();
    }
    s.run("put db k v --segment-bytes 200").ok();
    assert!(s.segments("db").len() > 4);
    s
}

#[test]
fn keys_and_values_beyond_the_limits() {
    let s = Sandbox::new();
    s.run("put db k v").ok();
    s.run_args(["put", "db", "", "v"]).fails(2, &["the key is empty", "1 to 65,535"]);
    s.run_args(["get", "db", ""]).fails(2, &["the key is empty"]);
    s.run_args(["delete", "db", ""]).fails(2, &["the key is empty"]);
    s.write("longest", vec![b'x'; 65_535]);
    s.write("too long", vec![b'x'; 65_536]);
    s.run("put db --key-file longest v").ok();
    s.run_args(["put", "db", "--key-file", "too long", "v"]).fails(2, &["65536 bytes", "65,535"]);
    s.run_args(["get", "db", "--key-file", "too long"]).fails(2, &["65536 bytes"]);
    s.run("scan db --keys-only --limit 1").ok().prints("k\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_value_that_is_too_large_is_refused_before_it_is_read() {
    let s = Sandbox::new();
    // A file of 5 GB that takes no room.
    fs::File::create(s.path("large")).unwrap().set_len(5_000_000_000).unwrap();
    s.run("put db k --value-file large").fails(2, &["value", "4,294,967,295"]);
    assert!(!s.path("db").exists());
}

#[test]
fn commands_that_are_not_understood() {
    let s = Sandbox::new();
    for words in [
        "",
        "fly db",
        "get",
        "get db",
        "put db",
        "put db k",
        "import db",
        "scan db --limit many",
        "get db k --what",
        "put db k v --value-file f",
        "put db k v w",
        "import db f --format xml",
        "dump db one",
    ] {
        let ran = s.run_args(words.split_whitespace()).exits(2);
        assert!(!ran.err.is_empty(), "{words}");
        assert!(!s.path("db").exists(), "{words}");
    }
}

#[test]
fn a_store_that_is_not_there() {
    let s = Sandbox::new();
    s.write("in.jsonl", "{\"k\":1}\n");
    for words in READING.iter().chain(&["delete db k", "merge db"]) {
        s.run(words).fails(4, &["db"]);
        assert!(!s.path("db").exists(), "{words}");
    }
    s.run("put no/db k v").fails(4, &["no"]);
}

#[test]
fn a_folder_that_is_not_a_store() {
    let s = Sandbox::new();
    fs::create_dir(s.path("db")).unwrap();
    s.write("in.jsonl", "{\"k\":1}\n");
    s.write("db/holiday.jpg", "photo");
    let before = s.image("db");
    for words in READING.iter().chain(&WRITING) {
        s.run(words).fails(4, &["db", "store"]);
        assert_eq!(s.image("db"), before, "{words}");
    }
}

#[test]
fn a_path_that_is_a_file() {
    let s = Sandbox::new();
    s.write("db", "not a folder");
    s.write("in.jsonl", "{\"k\":1}\n");
    for words in READING.iter().chain(&WRITING) {
        s.run(words).fails(4, &["file"]);
    }
    assert_eq!(s.read("db"), b"not a folder");
}

/// Changes the bytes of a file.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_newer_format_version_is_refused_and_left_alone() {
    let s = with_store();
    for file in s.segments("db") {
        // FORMAT.md, section 2: the version is at 8, the checksum of bytes 0..68 at 68, in every version.
        edit(&file, |bytes| {
            bytes[8] = 2;
            let checksum = crc32fast::hash(&bytes[..68]);
            bytes[68..72].copy_from_slice(&checksum.to_le_bytes());
        });
    }
    let before = s.image("db");
    for words in READING.iter().filter(|w| !w.starts_with("dump")).chain(&WRITING) {
        s.run(words).fails(4, &["newer version", "nothing was changed"]);
        assert_eq!(s.image("db"), before, "{words}");
    }
}

#[test]
fn a_foreign_segment_is_named_and_left_alone() {
    let s = with_store();
    s.run("put other k v").ok();
    let stranger = s.path("db/000000000099.segment");
    fs::copy(&s.segments("other")[0], &stranger).unwrap();
    let before = s.image("db");
    for words in READING.iter().filter(|w| !w.starts_with("dump")).chain(&WRITING) {
        s.run(words).fails(5, &["segment 99"]);
        assert_eq!(s.image("db"), before, "{words}");
    }
    fs::remove_file(stranger).unwrap();
    s.run("get db k").ok().prints("v");
}

#[test]
fn a_missing_segment_is_noticed_and_the_rest_can_be_salvaged() {
    let s = with_store();
    let gone = s.segments("db")[1].clone();
    fs::rename(&gone, s.path("kept")).unwrap();
    let before = s.image("db");
    for words in READING.iter().filter(|w| !w.starts_with("dump")).chain(&WRITING) {
        s.run(words).fails(5, &["missing"]);
        assert_eq!(s.image("db"), before, "{words}");
    }
    s.run("get db k --salvage").ok().prints("v");
    s.run("scan db --salvage --keys-only").ok().says("salvage");
    assert_eq!(s.image("db"), before);
    fs::rename(s.path("kept"), gone).unwrap();
    s.run("verify db").ok();
}

#[test]
fn a_flipped_byte_is_never_served() {
    let s = with_store();
    let expected = s.run("scan db").ok().text();
    copy_folder(&s.path("db"), &s.path("sound"));
    let file = s.segments("db")[0].clone();
    let len = fs::metadata(&file).unwrap().len();
    for offset in 0..len {
        edit(&file, |bytes| bytes[usize::try_from(offset).unwrap()] ^= 0x20);
        s.run("verify db").exits(5);
        // What is printed is right: all of it, or less of it and an error.
        let ran = s.run("scan db");
        let text = ran.text();
        assert!(expected.starts_with(&text) || ran.code == 5, "offset {offset}: {ran:?}");
        assert!(text == expected || ran.code == 5, "offset {offset}: {ran:?}");
        edit(&file, |bytes| bytes[usize::try_from(offset).unwrap()] ^= 0x20);
    }
    s.run("scan db").ok().prints(expected);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_output() {
    let s = with_store();
    for words in ["get db k", "scan db", "export db", "stats db", "stats db --json", "dump db"] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = s.command(words.split(' ')).stdout(full).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{words}: {text}");
        assert!(text.contains("writing to standard output failed"), "{words}: {text}");
    }
    s.run("export db /dev/full").fails(4, &["writing /dev/full failed"]);
}

/// A limit on the length of files stands for a disk that is full.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_nothing_that_was_stored() {
    let s = Sandbox::new();
    s.run("put db before 1 --durability always").ok();
    let lines: String = (0..2_000)
        .map(|i| format!("{{\"k\":\"{i:04}\",\"v\":\"{}\"}}\n", "x".repeat(1_000)))
        .collect();
    s.write("in.jsonl", lines);
    let script = format!(
        "trap '' XFSZ; ulimit -f 1024; exec '{}' import db in.jsonl --key k --acknowledge --batch 10",
        env!("CARGO_BIN_EXE_bitcask")
    );
    let output = std::process::Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(s.path(""))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("bitcask: ") && text.contains("  help: "), "{text}");
    s.run("verify db").ok();
    s.run("get db before").ok().prints("1");
    let acknowledged = String::from_utf8(output.stdout).unwrap();
    let stored = s.run("scan db --keys-only --before a").ok().text();
    assert!(acknowledged.lines().count() >= 10);
    assert_eq!(stored, acknowledged);
    s.run("import db in.jsonl --key k").ok();
    assert_eq!(s.run("scan db --keys-only").ok().text().lines().count(), 2_001);
}

/// A small disk of its own, in a name space where anybody may mount one.
#[test]
#[cfg(target_os = "linux")]
fn a_store_on_a_full_disk_goes_on_once_there_is_room() {
    const UNSHARE: [&str; 4] = ["unshare", "--user", "--map-root-user", "--mount"];
    let s = Sandbox::new();
    let run = |script: &str| {
        let mut command = std::process::Command::new(UNSHARE[0]);
        command.args(&UNSHARE[1..]).args(["bash", "-c", script]).current_dir(s.path(""));
        command.env("PROGRAM", env!("CARGO_BIN_EXE_bitcask")).output()
    };
    fs::create_dir(s.path("disk")).unwrap();
    if !run("mount -t tmpfs tmpfs disk").is_ok_and(|output| output.status.success()) {
        println!("skipped: no small disk can be mounted here (unshare --user --mount)");
        return;
    }
    let lines: String = (0..9_000)
        .map(|i| format!("{{\"k\":\"{i:04}\",\"v\":\"{}\"}}\n", "x".repeat(1_000)))
        .collect();
    s.write("in.jsonl", lines);
    let output = run(r#"
        mount -t tmpfs -o size=4m tmpfs disk || exit
        bitcask() { "$PROGRAM" "$@" 2>> said; echo "$1: $?"; }
        bitcask put disk/db before 1
        dd if=/dev/zero of=disk/rest bs=1024 count=1000 2> /dev/null
        "$PROGRAM" import disk/db in.jsonl --key k --acknowledge --batch 10 > acknowledged 2> said
        echo "import: $?"
        bitcask verify disk/db
        "$PROGRAM" scan disk/db --keys-only --before a > stored
        head -c 100000 /dev/zero | bitcask put disk/db more --value-file -
        bitcask get disk/db before --newline
        rm disk/rest
        bitcask delete disk/db --before a
        bitcask merge disk/db
        bitcask put disk/db after 2
        bitcask scan disk/db --limit 3
        bitcask verify disk/db
        du -k disk | tail -n 1
    "#)
    .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(s.read("said")).unwrap();
    let is_end = |line: &&str| line.split_once(": ").is_some_and(|(_, code)| code.len() == 1);
    let ends: Vec<&str> = text.lines().filter(is_end).collect();
    let expected = [
        "put: 0",
        "import: 4",
        "verify: 0",
        "put: 4",
        "get: 0",
        "delete: 0",
        "merge: 0",
        "put: 0",
        "scan: 0",
        "verify: 0",
    ];
    assert_eq!(ends, expected, "{text}{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert!(said.contains("  help: make room"), "{said}");
    assert!(s.read("acknowledged").len() > 1_000);
    assert_eq!(s.read("stored"), s.read("acknowledged"));
    assert!(text.contains("after\t2\nbefore\t1\n"), "{text}");
    let kilobytes = text.lines().last().unwrap().split('\t').next().unwrap();
    assert!(kilobytes.parse::<u64>().unwrap() < 2_500, "{text}");
}

#[test]
#[cfg(unix)]
fn a_folder_that_may_only_be_read() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    let s = with_store();
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    // Root may write everywhere, so that somebody else has to try.
    let root =
        fs::metadata(s.path("db")).map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap() == 0;
    let program = s.path("bitcask");
    fs::copy(env!("CARGO_BIN_EXE_bitcask"), &program).unwrap();
    if root {
        mode(&s.path(""), 0o755);
        chown(s.path("db"), Some(NOBODY), None).unwrap();
        for (file, _) in s.image("db") {
            chown(file, Some(NOBODY), None).unwrap();
        }
        fs::remove_file(s.path("db/LOCK")).unwrap();
    }
    mode(&s.path("db"), 0o555);
    let run = |words: &str| {
        let mut command = std::process::Command::new(&program);
        command.args(words.split(' ')).current_dir(s.path(""));
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        crate::sandbox::Ran::new(&mut command)
    };
    let before = s.image("db");
    for words in READING {
        run(words).ok();
    }
    for words in WRITING {
        run(words).fails(4, &["db"]);
    }
    assert_eq!(s.image("db"), before);
    mode(&s.path("db"), 0o755);
}
