//! The decision table of FORMAT.md, section 6: parsed from the page, with a crafted store for every row.

use std::collections::BTreeMap;

use bitcask_core::{Error, Go, Index, Memory, Options, Recovery, SegmentId, Store, verify};

use crate::encode::{Fields, MARK, PUT, Writer, image};
use crate::guard::Guard;
use crate::stores::{INDEXES, Image};

const PAGE: &str = include_str!("../../../FORMAT.md");

#[derive(Debug)]
struct Row {
    /// For whoever reads a failure.
    _number: String,
    segment: String,
    at: String,
    vouched: String,
    verdict: String,
}

fn rows() -> Vec<Row> {
    let (_, section) = PAGE.split_once("## 6. What recovery decides").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut rows = Vec::new();
    for line in section.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        let [_, number, segment, at, vouched, verdict, _] = &cells[..] else {
            panic!("not five columns: {line}")
        };
        if number.parse::<u32>().is_ok() {
            let (_number, segment, at) = (number.clone(), segment.clone(), at.clone());
            rows.push(Row {
                _number,
                segment,
                at,
                vouched: vouched.clone(),
                verdict: verdict.clone(),
            });
        }
    }
    rows
}

/// A store that is what a row says, and what it holds if it opens: the values of the keys a to z.
struct Case {
    image: Image,
    keys: &'static str,
    /// The segment that the error or the report names.
    segment: u64,
}

/// The first records of every case.
fn ab() -> Writer {
    let mut log = Writer::log(1, 0);
    log.put("a", "of a").put("b", "of b");
    log
}

/// Something bad at the end of a segment.
fn bad(log: &mut Writer, at: &str) -> u64 {
    let start = log.bytes.len();
    let flip = |log: &mut Writer, place: usize| log.bytes[start + place] ^= 1;
    match at {
        "end of file" => {}
        "zeros only" => log.bytes.extend([0; 50]),
        "record runs past the end of the file" => {
            log.put("x", "cut short");
            log.bytes.truncate(start + 30);
        }
        "head checksum wrong" => {
            log.put("x", "bad head");
            flip(log, 24);
        }
        "head right, body checksum wrong" => {
            log.put("x", "bad body");
            flip(log, 25);
        }
        "batch without its end" => {
            log.put_batch("x", "one").put_batch("y", "two");
        }
        "sequence number not the next" => {
            let sequence = log.sequence + 2;
            log.add(&Fields { kind: PUT, key: b"x".into(), sequence, ..Fields::default() });
        }
        "zeros, then a later valid record" => {
            log.bytes.extend([0; 50]);
            log.put("y", "later");
        }
        other => panic!("no bytes for \"{other}\""),
    }
    start as u64
}

fn case(row: &Row) -> Option<Case> {
    let is_vouched = row.vouched == "yes";
    match (row.segment.as_str(), row.at.as_str()) {
        ("un-sealed, last", "anything, then a valid seal") => {
            let mut log = ab();
            bad(&mut log, "head checksum wrong");
            // The seal is of the sequence before, so that only what stands before it is wrong.
            log.seal();
            // Without the end magic's place at the end of the file, the records are walked.
            log.bytes.extend([0; 9]);
            Some(Case { image: image(&[&log, &Writer::log(2, 0)]), keys: "", segment: 1 })
        }
        ("un-sealed, last", at) => {
            let mut log = ab();
            bad(&mut log, at);
            if is_vouched {
                log.sequence += 10;
                let synced = log.len();
                log.put_synced("z", "vouches", synced);
            }
            Some(Case { image: image(&[&log, &Writer::log(2, 0)]), keys: "ab", segment: 1 })
        }
        ("un-sealed, earlier", "anything") => {
            let mut log = ab();
            bad(&mut log, "end of file");
            let mut next = Writer::log(2, log.sequence);
            next.put_synced("z", "vouches", 72);
            Some(Case { image: image(&[&log, &next, &Writer::log(3, 0)]), keys: "", segment: 1 })
        }
        ("un-sealed, earlier", at) => {
            let (at, step) = match at.split_once(", next record ") {
                Some((at, "follows on")) => (at, 0),
                Some((at, "does not follow on")) => (at, 1),
                Some(_) => return None,
                None => (at, 0),
            };
            let mut log = ab();
            let before = log.sequence;
            bad(&mut log, at);
            let mut next = Writer::log(2, before + step);
            next.put("c", "of c");
            let keys = if row.verdict == "clean" { "abc" } else { "ab" };
            // Where the first of them is whole, the second is what is cut.
            let segment = if at == "end of file" { 1 + step } else { 1 };
            Some(Case { image: image(&[&log, &next, &Writer::log(3, 0)]), keys, segment })
        }
        ("un-sealed, before a sealed one", "anything") => {
            let log = ab();
            let mut next = Writer::log(2, log.sequence);
            next.put("c", "of c").seal();
            Some(Case { image: image(&[&log, &next, &Writer::log(3, 0)]), keys: "", segment: 1 })
        }
        ("sealed", "body checksum wrong") => sealed_case(25 + 24, "b", true),
        ("sealed", "head checksum wrong") => sealed_case(25, "b", true),
        ("sealed", "seal's checksum wrong, a record follows in a later segment") => {
            sealed_case(58 + 30, "", true)
        }
        ("sealed", "seal's checksum wrong, no record follows") => sealed_case(58 + 30, "ab", false),
        _ => None,
    }
}

/// A sealed segment with a flipped byte, `at` bytes behind its header.
fn sealed_case(at: usize, keys: &'static str, follows: bool) -> Option<Case> {
    let mut log = ab();
    log.seal();
    let at = if at == 25 {
        72 + 24
    } else if at == 49 {
        72 + 25
    } else {
        72 + at
    };
    log.bytes[at] ^= 1;
    let mut next = Writer::log(2, log.sequence);
    if follows {
        next.put_synced("c", "of c", 72);
    }
    Some(Case { image: image(&[&log, &next, &Writer::log(3, 0)]), keys, segment: 1 })
}

#[test]
fn every_row_of_the_decision_table() {
    let mut verdicts: BTreeMap<String, u32> = BTreeMap::new();
    for row in rows() {
        let Some(case) = case(&row) else {
            panic!("FORMAT.md, section 6, has a row that no store was made for: {row:?}")
        };
        for index in INDEXES {
            match (row.segment.as_str(), row.verdict.as_str()) {
                ("sealed", "damage") if !row.at.starts_with("seal's") => {
                    noticed(&row, &case, index)
                }
                (_, "clean") => opens(&row, &case, index, false),
                (_, "torn") => opens(&row, &case, index, true),
                (_, "damage") => refused(&row, &case, index),
                _ => panic!("no such verdict: {row:?}"),
            }
        }
        *verdicts.entry(row.verdict).or_default() += 1;
    }
    println!("{verdicts:?}");
    assert!(verdicts.values().sum::<u32>() >= 26, "rows are missing: {verdicts:?}");
}

fn keys_of<S: bitcask_core::Storage>(store: &Store<S>) -> String {
    let all = store.scan(bitcask_core::Range::all());
    all.map(|entry| String::from_utf8(entry.unwrap().key.to_vec()).unwrap()).collect()
}

fn opens(row: &Row, case: &Case, index: Index, is_torn: bool) {
    let guard = Guard::of(&case.image);
    let report = verify(&guard, &mut |_| Go::On).unwrap();
    assert!(report.is_sound(), "{row:?}: {:?}", report.problems);
    assert_eq!(!report.torn.is_empty(), is_torn, "{row:?}: verify");
    // For reading only: nothing is changed.
    let options = Options::default().index(index);
    let store = Store::open(guard, options.clone().read_only(true)).unwrap();
    assert_eq!(!store.recovery().cuts.is_empty(), is_torn, "{row:?}: {:?}", store.recovery());
    assert_eq!(keys_of(&store), case.keys, "{row:?}");
    assert_eq!(store.storage().memory.image(), case.image, "{row:?}: a reader changed something");
    // For writing: what is torn is cut, and reported, and the next opening finds it clean.
    let guard = Guard::of(&case.image);
    let memory = guard.memory.clone();
    let store = Store::open(guard.clone(), options.clone()).unwrap();
    assert_eq!(!store.recovery().cuts.is_empty(), is_torn, "{row:?}");
    for cut in &store.recovery().cuts {
        let file = &case.image[&cut.segment];
        assert!(0 < cut.bytes && cut.offset + cut.bytes <= file.len() as u64, "{row:?}: {cut:?}");
        assert!(!cut.why.is_empty());
    }
    if is_torn {
        assert_eq!(store.recovery().cuts[0].segment, SegmentId(case.segment), "{row:?}");
    }
    assert_eq!(keys_of(&store), case.keys, "{row:?}");
    drop(store);
    let cut = memory.image();
    let store = Store::open(guard, options.clone()).unwrap();
    assert!(store.recovery().cuts.is_empty(), "{row:?}: cut twice");
    assert_eq!(memory.image(), cut, "{row:?}: the second opening changed something");
    // And it can be written on.
    store.put(b"k", b"new").unwrap();
    store.close().unwrap();
    let store = Store::open(memory, options).unwrap();
    assert!(store.recovery().clean && store.get(b"k").unwrap().is_some(), "{row:?}");
    assert_eq!(store.len(), case.keys.len() as u64 + 1, "{row:?}");
}

fn refused(row: &Row, case: &Case, index: Index) {
    let guard = Guard::of(&case.image);
    let memory = guard.memory.clone();
    let options = Options::default().index(index);
    for options in [options.clone(), options.clone().read_only(true)] {
        match Store::open(guard.clone(), options) {
            Err(Error::Damaged { segment, .. }) => {
                assert_eq!(segment, SegmentId(case.segment), "{row:?}");
            }
            Err(other) => panic!("{row:?}: {other}"),
            Ok(store) => panic!("{row:?}: opened: {:?}", store.recovery()),
        }
    }
    assert!(!verify(&guard, &mut |_| Go::On).unwrap().is_sound(), "{row:?}");
    let store = Store::open(guard, options.recovery(Recovery::Salvage)).unwrap();
    assert!(!store.recovery().passed_over.is_empty(), "{row:?}");
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"of a"[..]), "{row:?}");
    assert!(matches!(store.put(b"k", b""), Err(Error::ReadOnly)), "{row:?}");
    assert_eq!(memory.image(), case.image, "{row:?}: salvage changed something");
}

/// Damage behind a seal: reading it says so, and so does verifying; all else reads.
fn noticed(row: &Row, case: &Case, index: Index) {
    let guard = Guard::of(&case.image);
    assert!(!verify(&guard, &mut |_| Go::On).unwrap().is_sound(), "{row:?}");
    let store = Store::open(guard, Options::default().index(index)).unwrap();
    let error = store.get(b"a").expect_err("the damaged record was read");
    assert!(matches!(error, Error::Damaged { segment: SegmentId(1), offset: 72, .. }), "{row:?}");
    assert_eq!(store.get(case.keys.as_bytes()).unwrap().as_deref(), Some(&b"of b"[..]), "{row:?}");
    assert!(!store.verify(&mut |_| Go::On).unwrap().is_sound(), "{row:?}");
}

/// After an unclean end the first write is preceded by a mark, whose number leaves room for what may have been lost. With
/// segments that are sealed late, the mark must not vouch for one that is not sealed.
#[test]
fn the_first_write_after_an_unclean_end_vouches_for_sealed_segments_only() {
    for seal_on_roll in [false, true] {
        let memory = Memory::new(1);
        let options = Options::default().seal_on_roll(seal_on_roll);
        let store = Store::open(memory.clone(), options.clone()).unwrap();
        store.put(b"a", &[1; 400]).unwrap();
        drop(store);
        // The next session's segments are shorter, so that the mark itself makes it roll.
        let store = Store::open(memory.clone(), options.clone().segment_bytes(256)).unwrap();
        assert_eq!(store.put(b"b", &[2; 10]).unwrap(), 1 << 32);
        drop(store);
        let store = Store::open(memory, options).unwrap();
        assert_eq!(store.len(), 2, "seal_on_roll {seal_on_roll}");
        assert!(store.recovery().cuts.is_empty());
    }
}

/// A mark that raises the counter follows anything; a record that repeats or skips a number is none.
#[test]
fn sequence_numbers_rise_by_one_unless_a_mark_raises_them() {
    let mut log = ab();
    let synced = Some(log.len());
    log.add(&Fields { kind: MARK, sequence: (1 << 32) - 1, synced, ..Fields::default() });
    log.put("c", "of c");
    let store =
        Store::open(Memory::from_image(&image(&[&log, &Writer::log(2, 0)]), 1), Options::default())
            .unwrap();
    assert_eq!(keys_of(&store), "abc");
    assert_eq!(store.get_entry(b"c").unwrap().unwrap().version, 1 << 32);
    for wrong in [1, 2, 4, 1 << 32] {
        let mut log = ab();
        log.add(&Fields { kind: PUT, key: b"c".into(), sequence: wrong, ..Fields::default() });
        let memory = Memory::from_image(&image(&[&log, &Writer::log(2, 0)]), 1);
        let store = Store::open(memory, Options::default()).unwrap();
        assert_eq!(keys_of(&store), "ab", "sequence {wrong} behind 2");
        assert_eq!(store.recovery().cuts.len(), 1);
    }
}

/// A seal that was being written when the power went is no record that was lost: what follows on stays.
#[test]
fn a_torn_seal_before_un_sealed_records_loses_none() {
    let mut sealed = ab();
    sealed.seal();
    let start = ab().bytes.len();
    for len in start..sealed.bytes.len() {
        let mut log = ab();
        log.bytes = sealed.bytes[..len].to_vec();
        let mut next = Writer::log(2, log.sequence);
        next.put("c", "of c");
        let image = image(&[&log, &next, &Writer::log(3, 0)]);
        for index in INDEXES {
            let guard = Guard::of(&image);
            let store = Store::open(guard.clone(), Options::default().index(index)).unwrap();
            assert_eq!(keys_of(&store), "abc", "cut at {len}");
            assert!(store.recovery().cuts.is_empty(), "cut at {len}: nothing was lost");
            drop(store);
            let store = Store::open(guard, Options::default().index(index)).unwrap();
            assert_eq!(keys_of(&store), "abc", "cut at {len}, opened again");
            assert!(store.recovery().cuts.is_empty());
        }
    }
}
