//! import and export.

use std::fmt::Write;

use serde_json::json;

use crate::sandbox::Sandbox;

const THREE: &str =
    "{\"name\":\"a\",\"n\":1}\n{\"name\":\"b\", \"n\": 2.50}\r\n\n{\"name\":\"c\"}\n";

#[test]
fn lines_are_stored_as_they_stand() {
    let s = Sandbox::new();
    s.write("data.jsonl", THREE);
    s.run("import db data.jsonl --key name").ok().prints("").says("3 records imported");
    s.run("get db b").ok().prints("{\"name\":\"b\", \"n\": 2.50}");
    let summary = s.run("import db data.jsonl --key name --json").ok().json();
    assert_eq!(summary, json!({"imported": 3, "new": 0, "replaced": 3, "bad": 0}));
    s.run_with("import other - --key n --value name --skip-bad", THREE.as_bytes()).exits(4);
    s.run("scan other").ok().prints("1\ta\n2.50\tb\n");
}

#[test]
fn the_last_of_two_rows_with_one_key_counts() {
    let s = Sandbox::new();
    let lines = "{\"k\":1,\"v\":\"old\"}\n{\"k\":2,\"v\":\"x\"}\n{\"k\":\"1\",\"v\":\"new\"}\n";
    for batch in ["--batch 1", "--batch 1000"] {
        let store = batch.replace("--batch ", "db");
        let words = format!("import {store} - --key k --value v --json {batch}");
        let summary = s.run_with(&words, lines.as_bytes()).ok().json();
        assert_eq!(summary, json!({"imported": 3, "new": 2, "replaced": 1, "bad": 0}));
        s.run(&format!("get {store} 1")).ok().prints("new");
    }
}

#[test]
fn a_bad_line_means_nothing_at_all_or_the_rest() {
    let s = Sandbox::new();
    let lines = "{\"k\":1}\nnot json\n{\"k\":3}\n{\"j\":4}\n{\"k\":\"\"}\n";
    s.write("data.jsonl", lines);
    for (file, called) in [("data.jsonl", "data.jsonl"), ("-", "standard input")] {
        let refused = s.run_with(&format!("import none {file} --key k"), lines.as_bytes());
        let refused = refused.fails(4, &["nothing was imported: 3 of 5 rows"]);
        for line in [2, 4, 5] {
            assert!(
                refused.err.contains(&format!("bitcask: {called} line {line}: ")),
                "{refused:?}"
            );
        }
        assert!(!s.path("none").exists(), "a refused import makes no store");

        let words = format!("import some{file} {file} --key k --skip-bad --json");
        let skipped =
            s.run_with(&words, lines.as_bytes()).exits(4).says("line 2: not a JSON object");
        assert_eq!(skipped.json(), json!({"imported": 2, "new": 2, "replaced": 0, "bad": 3}));
        s.run(&format!("scan some{file} --keys-only")).ok().prints("1\n3\n");
    }
}

#[test]
fn many_bad_lines_are_counted_and_the_first_are_shown() {
    let s = Sandbox::new();
    let lines = "x\n".repeat(1_000);
    let refused = s.run_with("import db - --key k", lines.as_bytes());
    let refused = refused.fails(4, &["1000 of 1000 rows", "line 10:"]);
    assert_eq!(refused.err.lines().count(), 12);
    let skipped = s.run_with("import db - --key k --skip-bad", lines.as_bytes()).exits(4);
    assert!(skipped.err.contains("line 1000:"));
}

#[test]
fn csv_and_tsv_have_columns() {
    let s = Sandbox::new();
    s.write(
        "users.csv",
        "id,name,note\r\n1,\"Ann, \"\"the\"\" first\",\r\n2,Bob,\"two\nlines\"\r\n",
    );
    s.run("import db users.csv --key id --value name").ok();
    s.run("get db 1").ok().prints("Ann, \"the\" first");
    s.run("import rows users.csv --key name").ok();
    s.run("get rows Bob").ok().prints("{\"id\":\"2\",\"name\":\"Bob\",\"note\":\"two\\nlines\"}");
    s.run_with("import tsv - --key k --value v --format tsv", b"k\tv\nx\t1,2\n").ok();
    s.run("get tsv x").ok().prints("1,2");
    s.run("import no users.csv --key ID").fails(4, &["no column `ID`", "`id`, `name`, `note`"]);
    s.write("bad.csv", "id,v\n1,2\n3\n4,5\n");
    s.run("import no bad.csv --key id").fails(4, &["bad.csv line 3: has 1 fields", "1 of 3 rows"]);
    assert!(!s.path("no").exists());
    s.run("import some bad.csv --key id --value v --skip-bad").exits(4);
    s.run("scan some").ok().prints("1\t2\n4\t5\n");
}

/// Every byte as a key and in values, and texts that formats trip over; some records expire.
fn hostile_store(s: &Sandbox) {
    let mut lines = String::new();
    for byte in 0..=255u8 {
        let expires = if byte % 3 == 0 { ",\"e\":4102444800000" } else { "" };
        writeln!(lines, "{{\"k\":\"{byte:02x}\",\"v\":\"{byte:02x}0a{byte:02x}\"{expires}}}")
            .unwrap();
    }
    for text in
        ["", "\"", ",", "\t", "\r\n", "a\\nb", "{\"base64\":\"aGk=\"}", "null", "\u{feff}", " x "]
    {
        let hex: String = text.bytes().fold(String::new(), |hex, b| format!("{hex}{b:02x}"));
        writeln!(lines, "{{\"k\":\"6b{hex}\",\"v\":\"{hex}\"}}").unwrap();
        writeln!(lines, "{{\"k\":\"ff{hex}\",\"v\":\"{hex}ff\"}}").unwrap();
    }
    let words = "import db - --hex --key k --value v --expires e";
    s.run_with(words, lines.as_bytes()).ok().says("276 records imported");
}

/// What a store holds, without the versions.
fn content(s: &Sandbox, store: &str) -> Vec<(String, String, Option<u64>)> {
    let records = s.run(&format!("scan {store} --json --hex")).ok().json_lines();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    records
        .iter()
        .map(|r| (text(&r["key"]), text(&r["value"]), r["expires_at_ms"].as_u64()))
        .collect()
}

#[test]
fn an_export_is_imported_to_the_same_store_whatever_the_bytes() {
    let s = Sandbox::new();
    hostile_store(&s);
    let expected = content(&s, "db");
    // Two of the texts are empty, and their keys are among the single bytes.
    assert_eq!(expected.len(), 274);
    for format in ["jsonl", "csv", "tsv"] {
        for encoding in ["", " --hex", " --base64"] {
            let file = format!("out{}.{format}", encoding.trim());
            let store = format!("copy{}.{format}", encoding.trim());
            s.run(&format!("export db {file}{encoding}"))
                .ok()
                .prints("")
                .says("274 records exported");
            s.run(&format!("import {store} {file}{encoding}")).ok();
            assert_eq!(content(&s, &store), expected, "{file}");
            // Through pipes it is the same.
            let out = s.run(&format!("export db --format {format}{encoding}")).ok().out;
            assert!(out == s.read(&file), "{file}");
            s.run_with(&format!("import {store}2 - --format {format}{encoding}"), &out).ok();
            assert_eq!(content(&s, &format!("{store}2")), expected, "{file}");
        }
    }
}

#[test]
fn fields_of_an_export_have_the_names_that_are_asked_for() {
    let s = Sandbox::new();
    s.run("put db a 1").ok();
    s.run("put db b 2").ok();
    s.run("export db --key-field id --value-field n --from b")
        .ok()
        .prints("{\"id\":\"b\",\"n\":\"2\"}\n");
    s.run("export db --format csv --key-field id")
        .ok()
        .prints("id,value,expires_at_ms\na,1,\nb,2,\n");
    s.run("export db --key-field value").fails(2, &["two fields have one name"]);
    s.run_with("import copy - --key id --value n", b"{\"id\":\"b\",\"n\":\"2\"}\n").ok();
    s.run("scan copy").ok().prints("b\t2\n");
}

#[test]
fn lines_come_out_as_they_went_in() {
    let s = Sandbox::new();
    let lines = "{\"name\": \"a\" , \"x\":[1,2]}\n{\"name\":\"b\"}\n";
    s.run_with("import db - --key name", lines.as_bytes()).ok();
    s.run("export db --values-only").ok().prints(lines);
    s.run_args(["put", "db", "c", "two\nlines"]).ok();
    s.write("kept", "what was there");
    s.run("export db kept --values-only").fails(4, &["the value of `c` holds a line feed"]);
    assert_eq!(s.read("kept"), b"what was there", "a failed export leaves the old file");
}

#[test]
fn an_empty_store_and_an_empty_file() {
    let s = Sandbox::new();
    s.run_with("import db - --key k", b"").ok().says("0 records imported");
    s.run("scan db").ok().prints("");
    s.run("export db --format csv").ok().prints("key,value,expires_at_ms\n");
    s.run("export db out.jsonl").ok();
    assert_eq!(s.read("out.jsonl"), b"");
    s.run_with("import db - --format csv", b"").fails(4, &["no column `key`"]);
}

#[test]
fn keys_are_acknowledged_in_order_once_they_are_written() {
    let s = Sandbox::new();
    let lines: String = (0..100).map(|i| format!("{{\"k\":\"{i:03}\\n\"}}\n")).collect();
    let words = "import db - --key k --acknowledge --batch 7 --durability always";
    let ran = s.run_with(words, lines.as_bytes()).ok().says("100 records imported");
    let expected: String = (0..100).map(|i| format!("{i:03}\\n\n")).collect();
    ran.prints(expected);
}

#[test]
fn files_that_cannot_be_read_or_written() {
    let s = Sandbox::new();
    s.run("put db k v").ok();
    s.run("import db nowhere.jsonl --key k").fails(4, &["reading nowhere.jsonl failed"]);
    s.run("import db . --key k").fails(4, &["reading . failed"]);
    s.run("put db k --value-file nowhere").fails(4, &["reading nowhere failed"]);
    s.run("get db k --output no/where").fails(4, &["writing no/where failed"]);
    s.run("export db no/where.csv").fails(4, &["writing no/where.csv failed"]);
    s.run("get db k").ok().prints("v");
}

#[test]
fn no_progress_bar_in_a_pipe() {
    let s = Sandbox::new();
    let lines: String = (0..5_000).map(|i| format!("{{\"k\":{i}}}\n")).collect();
    let ran = s.run_with("import db - --key k", lines.as_bytes()).ok();
    assert_eq!(ran.err, "bitcask: 5,000 records imported: 5,000 new keys, 0 replaced\n");
    let ran = s.run("export db out.csv").ok();
    assert_eq!(ran.err, "bitcask: 5,000 records exported\n");
}
