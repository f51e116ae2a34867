//! merge, verify, stats and dump; and what salvage still reads.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// Forty keys in segments of about 1,000 bytes: most are written again, half of them twice, a few are deleted.
fn used_store() -> Sandbox {
    let s = Sandbox::new();
    let keys: [fn(&u32) -> bool; 3] = [|_| true, |i| i % 4 != 1, |i| i % 2 == 0];
    for (round, is_written) in keys.iter().enumerate() {
        let lines: String = (0..40)
            .filter(is_written)
            .map(|i| format!("{{\"k\":\"{i:02}\",\"v\":\"{}\"}}\n", round.to_string().repeat(50)))
            .collect();
        s.run_with("import db - --key k --batch 1 --segment-bytes 1000", lines.as_bytes()).ok();
    }
    s.run("delete db 00 01 02 --segment-bytes 1000").ok();
    assert!(s.segments("db").len() > 5);
    s
}

fn content(s: &Sandbox, options: &str) -> String {
    s.run(format!("scan db {options}").trim()).ok().text()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The file of the segment of a dumped item.
fn file_of(s: &Sandbox, item: &Value) -> PathBuf {
    s.path(&format!("db/{:012}.segment", number(&item["segment"])))
}

/// Flips a bit in a file.
fn flip(file: &PathBuf, offset: u64) {
    let mut bytes = fs::read(file).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// A record in a sealed segment that is its key's latest.
fn sealed_put(s: &Sandbox, key: &str) -> Value {
    let items = s.run("dump db --json").ok().json_lines();
    let is_it = |item: &&Value| item["kind"] == "put" && item["key"] == key;
    let put = items.iter().rfind(is_it).unwrap();
    let is_sealed = |item: &Value| item["kind"] == "seal" && item["segment"] == put["segment"];
    assert!(items.iter().any(is_sealed), "{put}");
    put.clone()
}

#[test]
fn a_merge_gives_back_what_is_dead_and_keeps_what_is_live() {
    for index in ["ordered", "hash"] {
        let s = used_store();
        let before = content(&s, "");
        assert_eq!(before.lines().count(), 37);
        let words = format!("merge db --segment-bytes 1000 --index {index} --json");
        let report = s.run(&words).ok().json();
        assert!(number(&report["runs"]) > 0, "{report}");
        assert!(number(&report["inputs"]) > 2, "{report}");
        assert!(number(&report["bytes_copied"]) > 15 * 50, "{report}");
        let freed = number(&report["before"]["bytes"]) - number(&report["after"]["bytes"]);
        assert_eq!(number(&report["bytes_freed"]), freed);
        let amplification = |at: &str| report[at]["amplification"].as_f64().unwrap();
        assert!(amplification("before") > 2.0 && amplification("after") < 1.6, "{report}");
        assert_eq!(report["damage"], Value::Null);
        assert_eq!(content(&s, ""), before);
        s.run("verify db").ok();
        s.run(&format!("merge db --segment-bytes 1000 --index {index}"))
            .ok()
            .prints("nothing to merge\n");
    }
}

#[test]
fn a_merge_reaches_a_store_that_fits_into_the_active_segment() {
    let s = Sandbox::new();
    for _ in 0..5 {
        s.run(&format!("put db k {}", "v".repeat(1_000))).ok();
    }
    assert_eq!(s.run("stats db --json").ok().json()["segments"][0]["state"], "active");
    s.run("merge db").ok().prints_words(&[
        "1 segment merged in 1 run",
        "before  5.",
        "after   1.",
        "amplification 1.",
    ]);
    assert!(number(&s.run("stats db --json").ok().json()["total_bytes"]) < 1_500);
    s.run("get db k").ok().prints("v".repeat(1_000));
}

#[test]
fn a_merge_with_a_threshold_leaves_alone_what_is_below_it() {
    let s = used_store();
    s.run("merge db --dead-ratio 0.99 --segment-bytes 1000").ok().prints("nothing to merge\n");
    for ratio in ["2", "-1", "NaN", "half"] {
        s.run(&format!("merge db --dead-ratio={ratio}")).exits(2).says("a number from 0 to 1");
    }
}

#[test]
fn a_merge_tells_of_damage_and_merges_the_rest() {
    let s = used_store();
    let put = sealed_put(&s, "21");
    let file = file_of(&s, &put);
    flip(&file, number(&put["offset"]) + number(&put["length"]) - 1);
    let words = "merge db --segment-bytes 1000";
    let segment = format!("segment {} is damaged", put["segment"]);
    s.run(words).fails(5, &[&segment, "segments merged in", "freed"]);
    assert!(file.exists(), "a damaged segment is never removed");
    let salvaged = s.run("scan db --keys-only --salvage").ok().says(&segment).text();
    let expected: String = (3..40).filter(|i| *i != 21).map(|i| format!("{i:02}\n")).collect();
    assert_eq!(salvaged, expected);
    s.run("verify db").fails(5, &[&segment]);
    s.run(words).fails(5, &[&segment]);
}

#[test]
fn salvage_reads_whatever_is_sound() {
    for index in ["ordered", "hash"] {
        // The last byte of a value, the first of a record: with the latter not even the key can be told.
        for at_end in [true, false] {
            let s = used_store();
            let put = sealed_put(&s, "20");
            let at = if at_end { number(&put["length"]) - 1 } else { 0 };
            flip(&file_of(&s, &put), number(&put["offset"]) + at);
            let index = format!("--index {index}");
            s.run(&format!("scan db {index}")).fails(5, &["is damaged at offset"]);
            s.run(&format!("export db out.jsonl {index}")).fails(5, &["is damaged at offset"]);
            assert!(!s.path("out.jsonl").exists(), "an export is complete or not there");
            let ran = s.run(&format!("export db --salvage --values-only {index}")).ok();
            assert_eq!(ran.text().lines().count(), 36, "{ran:?}");
            assert!(ran.err.contains("salvage passes over this: segment"), "{ran:?}");
            s.run(&format!("get db 20 --salvage {index}")).fails(5, &["is damaged at offset"]);
            s.run(&format!("get db 21 --salvage {index}")).ok();
        }
    }
}

#[test]
fn verify_says_where_every_problem_is() {
    let s = used_store();
    let report = s.run("verify db --json").ok().json();
    assert_eq!(report["sound"], true);
    assert_eq!(report["problems"], json!([]));
    assert!(number(&report["sealed"]) > 3 && number(&report["sealed_records"]) > 80, "{report}");
    s.run("verify db").ok().prints_words(&["sound: ", " segments, ", " sealed, ", " read"]);

    let (one, two) = (sealed_put(&s, "10"), sealed_put(&s, "30"));
    assert_ne!(one["segment"], two["segment"]);
    for put in [&one, &two] {
        flip(&file_of(&s, put), number(&put["offset"]) + 30);
    }
    let damaged = s.image("db");
    let ran = s.run("verify db --json").fails(5, &["2 problems found", "export --salvage"]);
    let report = ran.json();
    assert_eq!(report["sound"], false);
    for (problem, put) in [(0, &one), (1, &two)] {
        let problem = &report["problems"][problem];
        assert_eq!(problem["segment"], put["segment"]);
        assert_eq!(problem["offset"], put["offset"]);
        assert!(number(&problem["sound_behind"]) > 0, "{problem}");
    }
    let place = format!("segment {} is damaged at offset {}", one["segment"], one["offset"]);
    s.run("verify db").fails(5, &[&place, "sound records behind it", "damaged: "]);
    assert_eq!(s.image("db"), damaged, "verify changes nothing");
}

#[test]
fn a_torn_tail_is_told_and_is_no_damage() {
    let s = Sandbox::new();
    s.run("put db a 1").ok();
    let file = s.segments("db")[0].clone();
    let len = fs::metadata(&file).unwrap().len();
    let mut log = fs::File::options().append(true).open(&file).unwrap();
    log.write_all(b"the power went").unwrap();
    let torn = s.image("db");
    let place = format!("segment 1 has a torn tail at offset {len}: 14 bytes");
    s.run("verify db").ok().prints_words(&["note: ", &place, "sound: "]);
    let report = s.run("verify db --json").ok().json();
    assert_eq!((&report["torn"][0]["offset"], &report["sound"]), (&json!(len), &json!(true)));
    s.run("stats db").ok().prints_words(&["torn tail", "14 B", "the next writer cuts it"]);
    assert_eq!(number(&s.run("stats db --json").ok().json()["recovery"]["torn_bytes"]), 14);
    s.run("get db a").ok().prints("1");
    assert_eq!(s.image("db"), torn, "readers change nothing");
    let told = s.run("put db b 2").ok().err;
    let expected = format!(
        "bitcask: a torn tail was cut: 14 bytes of segment 1 from offset {len} on, never synced"
    );
    assert!(told.starts_with(&expected) && told.lines().count() == 1, "{told}");
    let told = s.run("put db c 3").ok().err;
    assert_eq!(told, "");
    s.run("scan db").ok().prints("a\t1\nb\t2\nc\t3\n");
    assert_eq!(s.run("verify db --json").ok().json()["torn"], json!([]));
}

#[test]
fn stats_add_up_and_say_why_space_is_held() {
    let s = used_store();
    for index in ["ordered", "hash"] {
        let stats = s.run(&format!("stats db --json --index {index}")).ok().json();
        let n = |name: &str| number(&stats[name]);
        assert_eq!(n("keys"), 37);
        assert_eq!(stats["index"], index);
        assert!(n("index_bytes") > 0);
        let held: u64 = stats["held"].as_object().unwrap().values().map(number).sum();
        assert_eq!(held, n("total_bytes") - n("live_bytes"), "{stats}");
        let held = |name: &str| number(&stats["held"][name]);
        assert!(held("worth_merging_bytes") > held("not_worth_merging_bytes"), "{stats}");
        assert!(held("tombstone_bytes") > 0 && held("overhead_bytes") > 0, "{stats}");
        let segments = stats["segments"].as_array().unwrap();
        for name in ["total_bytes", "live_bytes", "dead_bytes"] {
            assert_eq!(segments.iter().map(|segment| number(&segment[name])).sum::<u64>(), n(name));
        }
        assert_eq!(
            segments.iter().map(|segment| number(&segment["live_records"])).sum::<u64>(),
            37
        );
        assert_eq!(segments.iter().map(|segment| number(&segment["tombstones"])).sum::<u64>(), 3);
    }
    let files: u64 = s.segments("db").iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert_eq!(number(&s.run("stats db --json").ok().json()["total_bytes"]), files);
    let ran = s.run("stats db").ok().prints_words(&[
        "db: 37 keys in ",
        "amplification ",
        "█",
        "worth merging: `bitcask merge` gives it back",
        "tombstones, which stay",
        "headers, hints and marks",
    ]);
    for line in ran.text().lines() {
        assert!(line.chars().count() <= 90, "{line}");
    }
    s.run("merge db").ok();
    let held = s.run("stats db --json").ok().json()["held"].clone();
    for (name, bytes) in held.as_object().unwrap() {
        assert!(name == "overhead_bytes" || number(bytes) == 0, "{held}");
    }
}

#[test]
fn stats_of_an_empty_store_and_of_a_damaged_one() {
    let s = Sandbox::new();
    s.run("put db k v").ok();
    s.run("delete db k").ok();
    s.run("stats db").ok().prints_words(&["db: 0 keys in ", "0 %"]);
    assert_eq!(s.run("stats db --json").ok().json()["amplification"], 0.0);

    let s = used_store();
    let gone = s.segments("db")[2].clone();
    fs::rename(&gone, s.path("kept")).unwrap();
    s.run("stats db").fails(5, &["missing"]);
    let ran =
        s.run("stats db --salvage").ok().says("salvage passes over this: segments are missing");
    ran.prints_words(&["damage", "passed over by salvage"]);
}

#[test]
fn a_dump_shows_everything_in_a_segment() {
    let s = Sandbox::new();
    s.run("put db k hello").ok();
    s.run("put db k bye --expires-in 1d").ok();
    s.run("delete db k").ok();
    s.run_args(["put", "db", "n\nl", ""]).ok();
    // Long enough for the segment to be rolled and sealed.
    s.run(&format!("put db long {} --segment-bytes 256", "x".repeat(300))).ok();
    let items = s.run("dump db 1 --json --values").ok().json_lines();
    let kinds: Vec<&str> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    let records: Vec<&str> =
        kinds.iter().copied().filter(|kind| ["put", "tombstone"].contains(kind)).collect();
    assert_eq!(records, ["put", "put", "tombstone", "put"]);
    assert_eq!(kinds[0], "header");
    assert_eq!(items[0]["header"]["id"], 1);
    assert_eq!(kinds.iter().filter(|kind| **kind == "hint").count(), 4, "{kinds:?}");
    let put = |at: usize| items.iter().filter(|item| item["kind"] == "put").nth(at).unwrap();
    assert_eq!((&put(0)["key"], &put(0)["value"]), (&json!("k"), &json!("hello")));
    assert!(put(0).get("expires_at_ms").is_none() && put(1)["expires_at_ms"].is_u64());
    let seal = items.iter().find(|item| item["kind"] == "seal").unwrap();
    assert_eq!((&seal["seal"]["records"], &seal["seal"]["tombstones"]), (&json!(4), &json!(1)));
    // Each hint is that of its record, and what lies in the file lies there without gaps.
    let mut end = 0;
    for item in &items {
        if item["kind"] == "hint" {
            let same = |other: &&Value| other["offset"] == item["offset"];
            let record = items.iter().find(same).unwrap();
            assert_eq!((&record["key"], &record["length"]), (&item["key"], &item["length"]));
            assert_eq!(record["sequence"], item["sequence"]);
            assert_eq!(item["tombstone"], record["kind"] == "tombstone");
        } else {
            assert_eq!(number(&item["offset"]), end, "{item}");
            end += number(&item["length"]);
        }
    }
    assert_eq!(end, fs::metadata(&s.segments("db")[0]).unwrap().len());
    // Values are shown where they are asked for, and no key breaks a line.
    let text = s.run("dump db 1").ok().text();
    assert!(text.contains("segment 1\n") && text.contains("\"n\\nl\"  0 bytes"), "{text}");
    assert!(!text.contains("hello") && text.contains("\"k\"  5 bytes"), "{text}");
    s.run("dump db 1 --values").ok().prints_words(&["\"hello\"", "\"bye\"", "expires at "]);
    s.run("dump db 1 --hex --values").ok().prints_words(&["6b  68656c6c6f"]);
    // Without a number it is all segments.
    let all = s.run("dump db --json").ok().json_lines();
    let count = all.iter().filter(|item| item["kind"] == "header").count();
    assert_eq!(count, s.segments("db").len());
    s.run("dump db 99").fails(4, &["there is no segment 99", "there are these: 1, 2"]);
    s.run("dump db 0").exits(2);
}

#[test]
fn a_dump_goes_on_behind_damage() {
    let s = used_store();
    let put = sealed_put(&s, "20");
    let before = s.run("dump db").ok().text();
    flip(&file_of(&s, &put), number(&put["offset"]) + 30);
    let after = s.run("dump db").ok().text();
    let differing: Vec<(&str, &str)> =
        before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect();
    let [(was, is)] = differing.as_slice() else { panic!("{differing:?}") };
    assert!(was.contains("put") && was.contains("\"20\""), "{was}");
    assert!(is.contains("unsound") && is.contains("checksum"), "{is}");
    // A header that makes no sense, a segment that is gone, one of no bytes.
    let files = s.segments("db");
    flip(&files[0], 20);
    fs::remove_file(&files[1]).unwrap();
    fs::write(&files[2], b"").unwrap();
    s.run("get db 21").exits(5);
    s.run("dump db").ok().prints_words(&["unsound", "segment 3\n", "\"39\""]);
    s.run("dump db 1").ok().prints_words(&["segment 1\n", "unsound"]);
}
