//! watch: the change feed as lines.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout};

use serde_json::{Value, json};

use crate::processes::Writer;
use crate::sandbox::Sandbox;

#[test]
fn a_line_for_each_write_and_one_for_the_end() {
    let s = Sandbox::new();
    s.run("put db a 1").ok();
    let expires = b"{\"k\":\"b\",\"v\":\"2\",\"e\":4102444800000}\n";
    s.run_with("import db - --key k --value v --expires e", expires).ok();
    s.run("delete db a").ok();
    s.run_with(
        "import db - --key k --value v",
        b"{\"k\":\"c\",\"v\":\"x\"}\n{\"k\":\"d\",\"v\":\"y\"}\n",
    )
    .ok();
    let lines = s.run("watch db").ok().json_lines();
    let number = |line: &Value| line["sequence"].as_u64().unwrap();
    let numbers: Vec<u64> = lines[..5].iter().map(number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let line = |at: usize, rest: Value| {
        let mut expected = rest;
        expected["sequence"] = json!(numbers[at]);
        assert_eq!(lines[at], expected);
    };
    line(0, json!({"key": "a", "value": "1"}));
    line(1, json!({"key": "b", "value": "2", "expires_at_ms": 4_102_444_800_000_u64}));
    line(2, json!({"key": "a", "deleted": true}));
    line(3, json!({"key": "c", "value": "x", "batch_goes_on": true}));
    line(4, json!({"key": "d", "value": "y"}));
    assert_eq!(lines[5], json!({"until": numbers[4], "complete": true}));
    assert_eq!(lines.len(), 6);

    let since = s.run(&format!("watch db --since {}", numbers[2])).ok().json_lines();
    assert_eq!(since[..], lines[3..]);
    let keys = s.run("watch db --keys-only --hex").ok().json_lines();
    assert_eq!(keys[0], json!({"sequence": 1, "key": "61"}));
    assert_eq!(keys[2], json!({"sequence": numbers[2], "key": "61", "deleted": true}));
    let none = s.run("watch db --since now").ok().json_lines();
    assert_eq!(none, [json!({"until": numbers[4], "complete": true})]);
    s.run("watch db --since x").exits(2);
    s.run("watch none").fails(4, &["none"]);
}

#[test]
fn what_a_merge_forgot_is_said() {
    let s = Sandbox::new();
    s.run("put db a 1").ok();
    s.run("put db b 2").ok();
    s.run("delete db a").ok();
    let until = s.run("watch db").ok().json_lines().pop().unwrap()["until"].as_u64().unwrap();
    s.run("merge db").ok();
    let ran =
        s.run("watch db --since 1").exits(1).says("not complete: deletes after 1 may be missing");
    assert_eq!(ran.json_lines().last().unwrap(), &json!({"until": until, "complete": false}));
    let all = s.run("watch db").ok().json_lines();
    assert_eq!(all[0]["key"], "b");
    assert_eq!(all[1], json!({"until": until, "complete": true}));
    s.run(&format!("watch db --since {until}")).ok();
    s.run(&format!("watch db --since {}", until + 1)).exits(1).says("is not a number of this log");
}

#[test]
fn damage_is_no_change() {
    let s = Sandbox::new();
    for key in ["a", "b", "c"] {
        s.run(&format!("put db {key} value")).ok();
    }
    s.run_with("import db - --key k", "{\"k\":\"long\"}\n".repeat(3).as_bytes()).ok();
    s.run("merge db").ok();
    let place = |bytes: &[u8]| bytes.windows(5).position(|w| w == b"value");
    let files = s.segments("db").into_iter().map(|file| (std::fs::read(&file).unwrap(), file));
    let (mut bytes, file) = files.into_iter().find(|(bytes, _)| place(bytes).is_some()).unwrap();
    let at = place(&bytes).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    s.run("watch db").fails(5, &["damaged"]);
}

/// A follower, and the lines that it prints.
struct Follower {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Follower {
    fn start(s: &Sandbox, words: &str) -> Follower {
        let mut child = s.spawn(words);
        let lines = BufReader::new(child.stdout.take().unwrap());
        Follower { child, lines }
    }

    /// The next line; waits for it.
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The keys of the next lines that are changes.
    fn keys(&mut self, count: usize) -> Vec<String> {
        let mut keys = Vec::new();
        while keys.len() < count {
            let line = self.line();
            assert_ne!(line["complete"], json!(false), "{line}");
            keys.extend(line["key"].as_str().map(str::to_owned));
        }
        keys
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_follower_beside_a_writer_is_told_everything() {
    let s = Sandbox::new();
    s.run("put db before 1").ok();
    let mut from_now = Follower::start(&s, "watch db --follow --since now");
    assert_eq!(from_now.line(), json!({"until": 1, "complete": true}));
    let mut writer = Writer::start(&s, "");
    writer.put("a");
    assert_eq!(from_now.keys(1), ["a"]);
    let mut from_all = Follower::start(&s, "watch db --follow --keys-only");
    assert_eq!(from_all.keys(2), ["before", "a"]);
    for key in ["b", "c", "d"] {
        writer.put(key);
    }
    assert_eq!(from_now.keys(3), ["b", "c", "d"]);
    assert_eq!(from_all.keys(3), ["b", "c", "d"]);
    writer.finish();
    // Another process goes on: numbers jump, nothing is missing.
    s.run("delete db before").ok();
    // Both have read it before a merge forgets it: one that had not would rightly be told to begin anew.
    for follower in [&mut from_now, &mut from_all] {
        assert_eq!(follower.keys(1), ["before"]);
        assert_eq!(follower.line()["complete"], json!(true));
    }
    s.run("merge db").ok();
    s.run("put db last 1").ok();
    assert_eq!(from_now.keys(1), ["last"]);
    assert_eq!(from_all.keys(1), ["last"]);
}
