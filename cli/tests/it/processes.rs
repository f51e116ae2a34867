//! Several processes: the lock, readers beside a writer, a killed writer, a reader that goes away.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};

use crate::sandbox::{Ran, Sandbox};

/// An import that waits for its next line: a writer that holds the lock for as long as it is kept.
pub(crate) struct Writer {
    child: Child,
    lines: ChildStdin,
    acknowledged: BufReader<ChildStdout>,
}

impl Writer {
    pub(crate) fn start(s: &Sandbox, options: &str) -> Writer {
        let words = format!("import db - --key k --skip-bad --acknowledge --batch 1 {options}");
        let mut child = s.spawn(words.trim());
        let lines = child.stdin.take().unwrap();
        let acknowledged = BufReader::new(child.stdout.take().unwrap());
        Writer { child, lines, acknowledged }
    }

    /// Returns when the key is acknowledged.
    pub(crate) fn put(&mut self, key: &str) {
        writeln!(self.lines, "{{\"k\":\"{key}\"}}").unwrap();
        let mut line = String::new();
        self.acknowledged.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{key}\n"));
    }

    pub(crate) fn finish(mut self) {
        drop(self.lines);
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn a_second_writer_is_told_who_has_the_lock() {
    let s = Sandbox::new();
    let mut writer = Writer::start(&s, "");
    writer.put("a");
    let process = format!("process {}", writer.child.id());
    s.write("in.jsonl", "{\"k\":1}\n");
    for words in ["put db k v", "delete db a", "import db in.jsonl --key k", "merge db"] {
        s.run(words).fails(3, &["locked by", &process]);
    }
    writer.put("b");
    writer.finish();
    s.run("put db k v").ok();
    s.run("scan db --keys-only").ok().prints("a\nb\nk\n");
}

#[test]
fn readers_work_beside_a_writer() {
    let s = Sandbox::new();
    let mut writer = Writer::start(&s, "");
    for (i, key) in ["a", "b", "c"].iter().enumerate() {
        writer.put(key);
        s.run(&format!("get db {key}")).ok().prints(format!("{{\"k\":\"{key}\"}}"));
        assert_eq!(s.run("scan db --keys-only").ok().text().lines().count(), i + 1);
        for words in
            ["export db", "export db --store", "watch db", "stats db", "verify db", "dump db"]
        {
            s.run(words).ok();
        }
    }
    writer.finish();
}

#[test]
fn readers_see_no_damage_while_a_writer_rolls_and_merges() {
    let s = Sandbox::new();
    let lines: String = (0..200).map(|i| format!("{{\"k\":\"{i:03}\"}}\n")).collect();
    s.write("in.jsonl", lines);
    let write = |s: &Sandbox| {
        s.run("import db in.jsonl --key k --batch 7 --segment-bytes 1500").ok();
        s.run("merge db --segment-bytes 1500").ok();
    };
    write(&s);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..15).for_each(|_| write(&s)));
        while !writer.is_finished() {
            s.run("verify db").ok();
            for index in ["hash", "ordered"] {
                let keys = s.run(&format!("scan db --keys-only --index {index}")).ok().text();
                assert_eq!(keys.lines().count(), 200, "{index}");
            }
            s.run("get db 150").ok().prints("{\"k\":\"150\"}");
            s.run("stats db").ok();
            s.run("dump db").ok();
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_killed_writer_leaves_no_lock_and_all_that_it_acknowledged() {
    let s = Sandbox::new();
    let mut writer = Writer::start(&s, "--durability always");
    let keys: Vec<String> = (0..50).map(|i| format!("{i:03}")).collect();
    for key in &keys {
        writer.put(key);
    }
    // `Child::kill` sends SIGKILL.
    writer.child.kill().unwrap();
    writer.child.wait().unwrap();
    s.run("put db after v").ok();
    let expected = format!("{}\nafter\n", keys.join("\n"));
    s.run("scan db --keys-only").ok().prints(expected);
    s.run("verify db").ok();
}

#[test]
fn a_writer_killed_in_full_flight_keeps_what_it_acknowledged() {
    let s = Sandbox::new();
    let lines: String = (0..200_000).map(|i| format!("{{\"k\":\"{i:06}\"}}\n")).collect();
    s.write("in.jsonl", lines);
    for at in [1, 40_000, 150_000] {
        let words = "import db in.jsonl --key k --acknowledge --batch 100 --segment-bytes 1000000";
        let mut child = s.spawn(words);
        let mut acknowledged = BufReader::new(child.stdout.take().unwrap());
        let mut keys = Vec::new();
        let mut line = String::new();
        while acknowledged.read_line(&mut line).unwrap() > 0 {
            // The last line may be cut.
            keys.extend(line.strip_suffix('\n').map(str::to_owned));
            line.clear();
            if keys.len() == at {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let stored = s.run("scan db --keys-only").ok().text();
        let stored: Vec<&str> = stored.lines().collect();
        assert!(keys.len() >= at, "{}", keys.len());
        assert_eq!(stored[..keys.len()], keys, "killed after {at}");
        s.run("verify db").ok();
        std::fs::remove_dir_all(s.path("db")).unwrap();
    }
}

#[test]
fn a_reader_of_the_output_that_goes_away_is_no_error() {
    let s = Sandbox::new();
    let lines: String = (0..100_000).map(|i| format!("{{\"k\":\"{i:06}\"}}\n")).collect();
    s.run_with("import db - --key k --json", lines.as_bytes()).ok();
    for words in [
        "scan db",
        "scan db --json",
        "export db",
        "export db --format csv",
        "export db --store",
        "watch db",
        "watch db --follow",
        "dump db",
    ] {
        let mut child = s.spawn(words);
        let mut some = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), text.as_str()), (Some(0), ""), "{words}");
    }
}

#[test]
fn an_import_whose_acknowledgements_nobody_takes_is_not_done() {
    let s = Sandbox::new();
    let lines: String = (0..200_000).map(|i| format!("{{\"k\":\"{i:06}\"}}\n")).collect();
    s.write("in.jsonl", lines);
    let mut child = s.spawn("import db in.jsonl --key k --acknowledge");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("standard output takes no more keys"), "{text}");
}

#[test]
fn exit_codes_and_examples_are_in_the_help() {
    let s = Sandbox::new();
    for words in ["--help", "-h", "help"] {
        let text = s.run(words).ok().text();
        for line in
            ["0  done", "1  not found", "2  usage", "3  locked", "4  input or output", "5  damaged"]
        {
            assert!(text.contains(line), "{words}: {text}");
        }
    }
    for command in [
        "get", "put", "delete", "scan", "import", "export", "watch", "merge", "verify", "stats",
        "dump",
    ] {
        let help: Ran = s.run(&format!("help {command}")).ok();
        assert!(help.text().contains(&format!("bitcask {command} ./db")), "{command}");
        assert_eq!(s.run(&format!("{command} --help")).ok().out, help.out);
        for line in help.text().lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
    let version = s.run("--version").ok().text();
    assert_eq!(version, format!("bitcask {}\n", env!("CARGO_PKG_VERSION")));
}
