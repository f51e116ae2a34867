//! export --store and import --store: one checked stream.

use std::fs;

use serde_json::json;

use crate::sandbox::{Sandbox, copy_folder};

/// A store with some hundred records, one that expires, and a value longer than a chunk.
fn store(s: &Sandbox) {
    let lines: String = (0..500).map(|i| format!("{{\"k\":\"{i:03}\",\"n\":{i}}}\n")).collect();
    s.run_with("import db - --key k", lines.as_bytes()).ok();
    let expires = b"{\"k\":\"expires\",\"e\":4102444800000}\n";
    s.run_with("import db - --key k --expires e", expires).ok();
    s.write("long", vec![7; 400_000]);
    s.run("put db long --value-file long").ok();
    s.run_args(["put", "db", "--hex", "00ff", ""]).ok();
}

fn content(s: &Sandbox, store: &str) -> Vec<u8> {
    s.run(&format!("export {store} --hex")).ok().out
}

/// The names in the folder that no test has made.
fn left_behind(s: &Sandbox) -> Vec<String> {
    let names = fs::read_dir(s.path(".")).unwrap().map(|e| e.unwrap().file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|n| n.starts_with('.')).collect()
}

#[test]
fn a_stream_makes_the_same_store() {
    let s = Sandbox::new();
    store(&s);
    s.run("export db out.bitcask --store").ok().prints("").says("503 records exported");
    let stream = s.run("export db --store").ok();
    assert!(stream.out == s.read("out.bitcask") && stream.err.is_empty(), "{stream:?}");
    s.run("import copy out.bitcask --store").ok().says("503 records imported: 503 new keys");
    assert_eq!(content(&s, "copy"), content(&s, "db"));
    s.run("verify copy").ok();
    s.run_with("import piped - --store --index hash", &stream.out).ok();
    assert_eq!(content(&s, "piped"), content(&s, "db"));
    // An empty folder is a new store too.
    fs::create_dir(s.path("empty")).unwrap();
    s.run("import empty out.bitcask --store").ok();
    assert_eq!(content(&s, "empty"), content(&s, "db"));
    assert!(left_behind(&s).is_empty());
    let summary = s.run("import other out.bitcask --store --json").ok().json();
    assert_eq!(summary["entries"], 503);
    assert_eq!(summary["imported"], json!({"new": 503, "replaced": 0}));
    // Where the change feed goes on for the copy.
    let since = summary["sequence"].as_u64().unwrap();
    s.run("put db more 1").ok();
    let more = s.run(&format!("watch db --since {since}")).ok().json_lines();
    assert_eq!(
        (more.len(), &more[0]["key"], &more[1]["complete"]),
        (2, &json!("more"), &json!(true))
    );
}

#[test]
fn a_stream_is_put_over_what_is_there() {
    let s = Sandbox::new();
    store(&s);
    s.run("export db some --store --prefix 00").ok().says("10 records exported");
    s.run("put there 001 old").ok();
    s.run("put there x kept").ok();
    for input in ["some", "-"] {
        let ran = s.run_with(&format!("import there {input} --store"), &s.read("some")).ok();
        ran.says("10 records imported");
        assert_eq!(s.run("scan there --keys-only").ok().text().lines().count(), 11);
        s.run("get there 001").ok().prints("{\"k\":\"001\",\"n\":1}");
        s.run("get there x").ok().prints("kept");
    }
}

#[test]
fn a_stream_that_is_damaged_or_cut_changes_nothing() {
    let s = Sandbox::new();
    store(&s);
    s.run("export db good --store").ok();
    s.run("import there good --store").ok();
    s.run("put there 001 mine").ok();
    let (good, before) = (s.read("good"), s.image("there"));
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 4;
    let cases: [(&[u8], &str); 5] = [
        (&flipped, "the checksum of a frame is wrong"),
        (&good[..good.len() - 1], "ends before its closing frame"),
        (b"", "ends before its closing frame"),
        (&[&good[..], b"x"].concat(), "something follows"),
        (
            b"{\"key\":\"a\",\"value\":\"the stream of another export, in another format\"}\n",
            "no stream",
        ),
    ];
    for (bytes, why) in cases {
        s.write("bad", bytes);
        for input in ["bad", "-"] {
            for words in [
                "import there IN --store",
                "import new IN --store",
                "import there IN --store --check",
            ] {
                let ran = s.run_with(&words.replace("IN", input), bytes);
                ran.fails(5, &[why, "nothing was imported"]).prints("");
                assert!(!s.path("new").exists() && left_behind(&s).is_empty());
                assert!(s.image("there") == before, "{words} with {input}");
            }
        }
    }
}

#[test]
fn a_stream_is_checked_without_a_store() {
    let s = Sandbox::new();
    store(&s);
    s.run("export db good --store").ok();
    s.run("import none good --store --check")
        .ok()
        .prints("")
        .says("the stream is whole: 503 records");
    let summary = s.run_with("import none - --store --check --json", &s.read("good")).ok().json();
    assert_eq!((&summary["entries"], &summary["imported"]), (&json!(503), &json!(null)));
    assert_eq!(summary["store_id"].as_str().unwrap().len(), 32);
    assert!(!s.path("none").exists());
    s.run("import none absent --store").fails(4, &["reading absent failed"]);
    s.run("import none/of/it good --store").fails(4, &["none/of"]);
    for words in [
        "import db good --check",
        "import db good --store --key k",
        "import db good --store --skip-bad",
        "export db x --store --format csv",
        "export db x --store --values-only",
    ] {
        s.run(words).exits(2);
    }
    // A folder that holds something else is not taken.
    fs::create_dir(s.path("full")).unwrap();
    s.write("full/note", "mine");
    s.run("import full good --store").fails(4, &["is not a store", "note"]);
}

#[test]
fn a_damaged_store_has_no_stream_unless_it_is_salvaged() {
    let s = Sandbox::new();
    store(&s);
    copy_folder(&s.path("db"), &s.path("hurt"));
    let first = s.segments("hurt").remove(0);
    let mut bytes = fs::read(&first).unwrap();
    let at = bytes.windows(6).position(|w| w == b"\"n\":77").unwrap();
    bytes[at] ^= 1;
    fs::write(&first, bytes).unwrap();
    s.write("out", "what was there");
    s.run("export hurt out --store").fails(5, &["damaged"]);
    assert_eq!(s.read("out"), b"what was there");
    s.run("export hurt out --store --salvage").ok().says("salvage passes over this");
    s.run("import sound out --store").ok().says("502 records imported");
    s.run("get sound 077").exits(1);
}
