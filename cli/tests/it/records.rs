//! get, put, delete and scan.

use std::ffi::OsStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::sandbox::Sandbox;

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[test]
fn what_is_put_is_got_byte_for_byte() {
    let s = Sandbox::new();
    s.run("put db user:1 hello").ok().prints("");
    s.run("get db user:1").ok().prints("hello");
    s.run("put db user:1 bye").ok();
    s.run("get db user:1 --newline").ok().prints("bye\n");
    s.run("get db user:2").exits(1).prints("");
    s.run("delete db user:1").ok().prints("");
    s.run("get db user:1").exits(1).prints("");
    s.run("delete db user:1").exits(1).prints("");
}

#[test]
fn every_byte_string_is_a_value_and_every_non_empty_one_a_key() {
    let s = Sandbox::new();
    let all: Vec<u8> = (0..=255).collect();
    s.write("all", &all);
    s.write("empty", "");
    s.run("put db all --value-file all").ok();
    s.run("put db empty --value-file empty").ok();
    s.run_args(["put", "db", "empty too", ""]).ok();
    s.run("put db --key-file all value").ok();
    s.run("get db all").ok().prints(&all);
    s.run("get db empty").ok().prints("");
    s.run_args(["get", "db", "empty too"]).ok().prints("");
    s.run("get db --key-file all").ok().prints("value");
    s.run("get db all --output out").ok().prints("");
    assert_eq!(s.read("out"), all);
    s.run("get db all --output -").ok().prints(&all);
    s.run("delete db --key-file all").ok();
    s.run("get db --key-file all").exits(1);
}

#[test]
fn standard_input_is_a_file() {
    let s = Sandbox::new();
    s.run_with("put db k --value-file -", b"from\0stdin\n").ok();
    s.run("get db k").ok().prints(b"from\0stdin\n");
    s.run_with("get db --key-file -", b"k").ok().prints(b"from\0stdin\n");
    s.run("put db k --value-file - --key-file -").exits(2);
}

#[test]
fn hexadecimal_and_base64_both_ways() {
    let s = Sandbox::new();
    s.run("put db --hex 00FF cafe").ok();
    s.run("get db -x 00ff").ok().prints("cafe");
    s.run("get db --base64 AP8=").ok().prints("yv4=");
    s.run("get db --key-format hex 00ff").ok().prints(b"\xca\xfe");
    s.run("get db --hex --value-format base64 00ff").ok().prints("yv4=");
    s.run("scan db --hex").ok().prints("00ff\tcafe\n");
    s.run("scan db --key-format hex").ok().prints("00ff\t\\xca\\xfe\n");
    s.run("put db --hex 0 00").fails(2, &["not hexadecimal"]);
    s.run("put db --hex 00 zz").fails(2, &["not hexadecimal"]);
    s.run("get db --base64 =").fails(2, &["not base64"]);
    // A file is what it is.
    s.write("f", "raw");
    s.run("put db --hex 01 --value-file f").ok();
    s.run("get db --hex 01 --output f2").ok();
    assert_eq!(s.read("f2"), b"raw");
}

#[cfg(unix)]
#[test]
fn an_argument_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let s = Sandbox::new();
    let word = OsStr::from_bytes(b"\xff\xfe");
    s.run_args([OsStr::new("put"), OsStr::new("db"), word, word]).ok();
    s.run_args([OsStr::new("get"), OsStr::new("db"), word]).ok().prints(b"\xff\xfe");
}

#[test]
fn keys_and_values_that_look_like_options() {
    let s = Sandbox::new();
    s.run("put db -- --key -value").ok();
    s.run("get db -- --key").ok().prints("-value");
    s.run("put db -5 -6.5").ok();
    s.run("get db -5").ok().prints("-6.5");
    s.run("put db - -").ok();
    s.run("get db -").ok().prints("-");
}

#[test]
fn json_of_one_record() {
    let s = Sandbox::new();
    let before = now_ms();
    let version = s.run("put db k v --expires-in 1h --json").ok().json()["version"].clone();
    let record = s.run("get db k --json").ok().json();
    assert_eq!((&record["key"], &record["value"]), (&json!("k"), &json!("v")));
    assert_eq!(record["version"], version);
    let expires = record["expires_at_ms"].as_u64().unwrap();
    assert!((before + 3_600_000..before + 3_700_000).contains(&expires), "{expires}");
    s.run("put db --hex 00 ff").ok();
    let record = s.run("get db --key-format hex 00 --json").ok().json();
    assert_eq!(record["value"], json!({"base64": "/w=="}));
    assert_eq!(record.get("expires_at_ms"), None);
    s.run("get db none --json").exits(1).prints("");
}

#[test]
fn a_record_that_has_expired_is_not_there() {
    let s = Sandbox::new();
    s.run("put db gone v --expires-in 0s").ok();
    s.run("put db there v --expires-in 7d").ok();
    s.run("get db gone").exits(1);
    s.run("get db there").ok().prints("v");
    s.run("scan db").ok().prints("there\tv\n");
    s.run("put db k v --expires-in soon").exits(2);
    s.run_args(["put", "db", "k", "v", "--expires-in", "99999999999999999y"]).exits(2);
}

#[test]
fn writes_under_a_condition() {
    let s = Sandbox::new();
    let one = s.run("put db k 1 --if-absent --json").ok().json();
    assert_eq!(one["written"], json!(true));
    s.run("put db k 2 --if-absent").exits(1).says("the key is there in version");
    s.run("get db k").ok().prints("1");
    let version = one["version"].as_u64().unwrap();
    let two = s.run(&format!("put db k 2 --if-version {version} --json")).ok().json();
    let refused = s.run(&format!("put db k 3 --if-version {version} --json")).exits(1).json();
    assert_eq!(refused, json!({"written": false, "version": two["version"]}));
    s.run("put db other 1 --if-version 7").exits(1).says("the key is not there");
    s.run(&format!("delete db k --if-version {version}")).exits(1).says("version");
    s.run("get db k").ok().prints("2");
    s.run(&format!("delete db k --if-version {}", two["version"])).ok();
    s.run("get db k").exits(1);
    s.run("put db k v --if-absent --if-version 1").exits(2);
    s.run("delete db a b --if-version 1").exits(2);
}

#[test]
fn several_keys_and_ranges_are_deleted() {
    let s = Sandbox::new();
    for key in ["a:1", "a:2", "a:3", "b:1", "b:2", "c"] {
        s.run(&format!("put db {key} v")).ok();
    }
    let report = s.run("delete db a:1 nothing --json").exits(1).json();
    assert_eq!(report, json!({"deleted": 1, "missing": 1}));
    s.run("delete db --prefix a:").ok().prints("2 deleted\n");
    s.run("delete db --prefix a:").exits(1).prints("0 deleted\n");
    s.run("delete db --after b:1 --to b:9 --json").ok().prints("{\"deleted\":1,\"missing\":0}\n");
    s.run("scan db --keys-only").ok().prints("b:1\nc\n");
    for refused in ["delete db", "delete db k --prefix k", "delete db --prefix a --if-version 1"] {
        s.run(refused).exits(2);
    }
    s.run_args(["delete", "db", "--prefix", ""]).fails(2, &["prefix is empty"]);
    s.run("scan db --keys-only").ok().prints("b:1\nc\n");
}

#[test]
fn a_large_range_is_deleted_in_more_than_one_batch() {
    let s = Sandbox::new();
    let lines: String = (0..2_500).map(|i| format!("{{\"k\":\"{i:04}\"}}\n")).collect();
    s.run_with("import db - --key k", lines.as_bytes()).ok();
    s.run("delete db --from 0100 --before 2400").ok().prints("2300 deleted\n");
    let left = s.run("scan db --keys-only").ok().text();
    assert_eq!(left.lines().count(), 200);
    assert!(left.contains("0099\n2400\n"));
}

#[test]
fn a_scan_has_bounds_a_direction_and_a_limit() {
    for index in ["ordered", "hash"] {
        let s = Sandbox::new();
        for key in ["a", "ab", "abc", "b", "ba", "c"] {
            s.run(&format!("put db {key} v:{key} --index {index}")).ok();
        }
        for (options, keys) in [
            ("", "a ab abc b ba c"),
            ("--reverse", "c ba b abc ab a"),
            ("--prefix ab", "ab abc"),
            ("--prefix ab --reverse --limit 1", "abc"),
            ("--from ab", "ab abc b ba c"),
            ("--after ab", "abc b ba c"),
            ("--to b", "a ab abc b"),
            ("--before b", "a ab abc"),
            ("--after a --before b", "ab abc"),
            ("--from a --to ab --prefix ab", "ab"),
            ("--from bb --to b", ""),
            ("--limit 0", ""),
            ("--limit 2", "a ab"),
            ("--limit 2 --reverse", "c ba"),
        ] {
            let ran = s.run(format!("scan db --keys-only --index {index} {options}").trim()).ok();
            let found: Vec<String> = ran.text().lines().map(Into::into).collect();
            assert_eq!(found.join(" "), keys, "{index} {options}");
        }
        s.run("scan db --limit 1").ok().prints("a\tv:a\n");
        s.run("scan db --from a --after b").exits(2);
    }
}

#[test]
fn a_line_of_a_scan_is_a_record_and_no_key_drives_a_terminal() {
    let s = Sandbox::new();
    s.run_args(["put", "db", "\u{1b}]0;gone\u{7}\nk\ty\\", "a\nb\u{202e}c"]).ok();
    s.run_args(["put", "db", "Ünicode 日本", "👩‍👧"]).ok();
    s.run("scan db")
        .ok()
        .prints("\\x1b]0;gone\\x07\\nk\\ty\\\\\ta\\nb\\u{202e}c\nÜnicode 日本\t👩‍👧\n");
    let records = s.run("scan db --json").ok().json_lines();
    assert_eq!(records[0]["key"], json!("\u{1b}]0;gone\u{7}\nk\ty\\"));
    assert_eq!(records[0]["value"], json!("a\nb\u{202e}c"));
    let records = s.run("scan db --json --keys-only").ok().json_lines();
    assert_eq!(records[0].get("value"), None);
}

#[test]
fn durability_and_index_are_taken_by_name() {
    let s = Sandbox::new();
    for durability in ["none", "interval", "always"] {
        for index in ["hash", "ordered"] {
            s.run(&format!(
                "put db {durability}:{index} v --durability {durability} --index {index}"
            ))
            .ok();
            s.run(&format!("get db {durability}:{index} --index {index}")).ok().prints("v");
        }
    }
    s.run("put db k v --durability often").exits(2);
    s.run("get db k --index tree").exits(2);
    s.run("get db k --durability none").exits(2);
}
