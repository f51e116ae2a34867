//! FORMAT.md, sections 11 and 13: the engine reads the worked examples from the page itself.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy's exceptions for tests do not reach the functions that tests share"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bitcask_core::{
    DumpItem, DumpKind, Go, Importer, Index, Memory, Options, Range, SegmentId, Storage as _,
    Store, WriteOptions, dump, verify,
};

const PAGE: &str = include_str!("../../FORMAT.md");

/// The lines of a section's one block of this kind.
fn block(section: u32, kind: &str) -> Vec<&'static str> {
    let (_, after) = PAGE.split_once(&format!("\n## {section}. ")).unwrap();
    let (_, after) = after.split_once(&format!("```{kind}\n")).unwrap();
    let (block, _) = after.split_once("```").unwrap();
    block.lines().collect()
}

/// The segment of the page.
fn example() -> Vec<u8> {
    bytes(11)
}

/// The bytes of a section's hex block; each line says where it stands.
fn bytes(section: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in block(section, "hex").iter().filter(|line| !line.trim().is_empty()) {
        let (offset, rest) = line.split_once(':').unwrap();
        assert_eq!(usize::from_str_radix(offset, 16).unwrap(), bytes.len(), "{line}");
        let digits = rest.split('#').next().unwrap();
        bytes.extend(digits.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    bytes
}

/// The example, and the segment that FORMAT.md says follows every sealed one, made by the engine itself.
fn memory() -> Memory {
    let image = BTreeMap::from([(SegmentId(1), example())]);
    let memory = Memory::from_image(&image, 1);
    let store = Store::open(memory.clone(), Options::default()).unwrap();
    assert!(store.recovery().cuts.is_empty());
    drop(store);
    assert_eq!(memory.list().unwrap().len(), 2);
    assert_eq!(memory.image()[&SegmentId(1)], example(), "opening changed a sealed segment");
    memory
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[test]
fn the_example_opens_as_a_store_that_holds_what_the_page_says() {
    for index in [Index::Hash, Index::Ordered] {
        let store = Store::open(memory(), Options::default().index(index)).unwrap();
        let lines: Vec<String> = store
            .scan(Range::all())
            .map(|entry| {
                let entry = entry.unwrap();
                let expires = entry.expires_at_ms.map_or("null".to_owned(), |at| at.to_string());
                format!(
                    r#"{{"key": "{}", "value": "{}", "sequence": {}, "expires_at_ms": {expires}}}"#,
                    hex(&entry.key),
                    hex(&entry.value),
                    entry.version
                )
            })
            .collect();
        assert_eq!(lines, block(11, "jsonl"), "{index:?}");
        let report = store.verify(&mut |_| Go::On).unwrap();
        assert!(report.is_sound(), "{index:?}: {report:?}");
    }
    let report = verify(&memory(), &mut |_| Go::On).unwrap();
    assert!(report.is_sound() && report.sealed == 1 && report.records == 5, "{report:?}");
}

#[test]
fn the_example_dumps_as_the_page_annotates_it() {
    let mut items: Vec<DumpItem> = Vec::new();
    dump(&memory(), SegmentId(1), &mut |item| {
        items.push(item);
        Go::On
    })
    .unwrap();
    let described: Vec<String> = items.iter().map(describe).collect();
    let expected = [
        "0+72 header of segment 1, positions 1 to 1, seed 0x12345678",
        "72+32 put apple = red, sequence 1",
        "104+41 put session = 42, sequence 2, expires 1767225600000",
        "145+29 tombstone apple, sequence 3",
        "174+32 mark, sequence 4294967295, synced 174",
        "206+33 put pear = green, sequence 4294967296, batch",
        "239+28 put plum = , sequence 4294967297",
        "267+140 seal of 5, 1 of them tombstones, sequences 1 to 4294967297, hashes",
        "72+32 hint 1 8e2a2e61665353af",
        "104+41 hint 2 7e83bc02cc69a922",
        "145+29 hint of a tombstone 3 8e2a2e61665353af",
        "206+33 hint 4294967296 416b5576d106a8cf",
        "239+28 hint 4294967297 6fdf50c572dcca2e",
    ];
    assert_eq!(described, expected);
}

fn describe(item: &DumpItem) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let kind = match &item.kind {
        DumpKind::Header { is_merge: false, id, seed, first_position, last_position, store_id } => {
            assert_eq!(*store_id, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
            format!(
                "header of segment {id}, positions {first_position} to {last_position}, seed {seed:#x}"
            )
        }
        DumpKind::Put { key, value, sequence, batch, expires_at_ms, synced: None } => {
            let expires = expires_at_ms.map_or(String::new(), |at| format!(", expires {at}"));
            let batch = if *batch { ", batch" } else { "" };
            format!("put {} = {}, sequence {sequence}{expires}{batch}", text(key), text(value))
        }
        DumpKind::Tombstone { key, sequence, batch: false, synced: None } => {
            format!("tombstone {}, sequence {sequence}", text(key))
        }
        DumpKind::Mark { sequence, synced } => {
            format!("mark, sequence {sequence}, synced {synced}")
        }
        DumpKind::Seal { records, tombstones, sequences: (minimum, maximum), hashed: true } => {
            format!(
                "seal of {records}, {tombstones} of them tombstones, sequences {minimum} to {maximum}, hashes"
            )
        }
        DumpKind::Hint { tombstone, sequence, key: Err(hash) } => {
            let of = if *tombstone { " of a tombstone" } else { "" };
            format!("hint{of} {sequence} {hash:x}")
        }
        other => format!("{other:?}"),
    };
    format!("{}+{} {kind}", item.offset, item.len)
}

#[test]
fn the_example_is_exported_as_the_page_says_and_imported_again() {
    let stream = bytes(13);
    for index in [Index::Hash, Index::Ordered] {
        let store = Store::open(memory(), Options::default().index(index)).unwrap();
        let export: Vec<_> = store.export(Range::all()).map(Result::unwrap).collect();
        assert_eq!(hex(&export.concat()), hex(&stream), "{index:?}");
        let copy = Store::open(Memory::new(2), Options::default()).unwrap();
        let mut importer = Importer::new();
        importer.push(&stream);
        while let Some(batch) = importer.next_batch().unwrap() {
            copy.write(&batch, &WriteOptions::default()).unwrap();
        }
        let report = importer.finish().unwrap();
        assert_eq!(
            (report.store_id, report.sequence, report.entries, report.bytes, report.stream_bytes),
            (store.id(), store.sequence(), 3, 22, stream.len() as u64)
        );
        let all = |store: &Store<Memory>| -> Vec<_> {
            let entries = store.scan(Range::all()).map(Result::unwrap);
            entries.map(|entry| (entry.key, entry.value, entry.expires_at_ms)).collect()
        };
        assert_eq!(all(&copy), all(&store));
    }
}
