//! Golden stores: what a version wrote, kept for ever, and opened by every later one.
//!
//! Each folder `tests/golden/v1-NAME` has the segment files of a store in `store/`, and in `expected.jsonl` one line for each live
//! key, in the order of the keys, as `tests/reader/bitcask_reader.py` prints it; that reader, which shares nothing with the
//! engine, is run over the same folders. To add one: write it in [`golden_stores`], then
//! `cargo test -p bitcask-tests --test damage write_golden_stores -- --ignored`, which writes the folders that are not
//! there and never touches one that is.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bitcask_core::{Go, Memory, Options, Range, SegmentId, Storage, Store, verify};

use crate::stores::{self, INDEXES, Image, Made, Twin};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// What a store holds, in lines.
fn lines<S: Storage>(store: &Store<S>) -> String {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    };
    let mut lines = String::new();
    for entry in store.scan(Range::all()) {
        let entry = entry.unwrap();
        let (key, value) = (hex(&entry.key), hex(&entry.value));
        let expires = entry.expires_at_ms.map_or("null".to_owned(), |at| at.to_string());
        let sequence = entry.version;
        writeln!(
            lines,
            r#"{{"key": "{key}", "value": "{value}", "sequence": {sequence}, "expires_at_ms": {expires}}}"#
        )
        .unwrap();
    }
    lines
}

/// The segment files of a folder.
fn image_in(folder: &Path) -> Image {
    let mut image = Image::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let id = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        image.insert(SegmentId(id), fs::read(path).unwrap());
    }
    image
}

#[test]
fn golden_stores_of_every_version_open() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let image = image_in(&folder.join("store"));
        let expected = fs::read_to_string(folder.join("expected.jsonl")).unwrap();
        let memory = Memory::from_image(&image, 1);
        let report = verify(&memory, &mut |_| Go::On).unwrap();
        assert!(report.is_sound(), "{name}: {:?}", report.problems);
        assert_eq!(report.torn.is_empty(), !name.contains("torn"), "{name}");
        for index in INDEXES {
            let options = Options::default().index(index);
            let reader = Store::open(memory.clone(), options.clone().read_only(true)).unwrap();
            assert_eq!(lines(&reader), expected, "{name}, {index:?}, for reading only");
            drop(reader);
            assert_eq!(memory.image(), image, "{name}: a reader changed something");
            let store = Store::open(Memory::from_image(&image, 1), options).unwrap();
            assert_eq!(lines(&store), expected, "{name}, {index:?}");
            assert!(store.verify(&mut |_| Go::On).unwrap().is_sound(), "{name}, {index:?}");
            store.put(b"and it is written on", b"").unwrap();
            store.close().unwrap();
        }
        count += 1;
    }
    assert!(9 <= count, "golden stores are missing: {count} are there");
}

/// A torn tail: the last record lost its end in a power cut.
fn torn() -> Made {
    let Made { name, mut image, mut state } = stores::plain();
    // The last write was that of the empty value.
    let log = image.get_mut(&SegmentId(1)).unwrap();
    log.truncate(log.len() - 3);
    state.remove(&b"empty"[..]);
    Made { name, image, state }
}

/// Keys and values of all sorts: every byte, the longest key, values that look like records.
fn all_sorts() -> Made {
    let mut twin = Twin::new(20, &stores::options());
    let every_byte: Vec<u8> = (0..=255).collect();
    twin.store.put(&every_byte, &every_byte).unwrap();
    twin.store.put(&[0], b"").unwrap();
    twin.store.put(&[0, 0], &[0; 100]).unwrap();
    twin.store.put(&[255; 1000], b"a long key").unwrap();
    twin.put("long value", "abc ".repeat(1500));
    twin.put("the empty segment", twin.memory.image()[&SegmentId(2)].clone());
    twin.put("this very segment", twin.memory.image()[&SegmentId(1)].clone());
    twin.store.close().unwrap();
    twin.made("all sorts of keys and values")
}

fn golden_stores() -> Vec<(&'static str, Made)> {
    vec![
        ("v1-plain", stores::plain()),
        ("v1-synced", stores::always()),
        ("v1-closed", stores::closed()),
        ("v1-sessions", stores::several_sessions()),
        ("v1-sealed-keys", stores::sealed_with_keys()),
        ("v1-sealed-hashes", stores::sealed_with_hashes()),
        ("v1-unsealed-segments", stores::unsealed_segments()),
        ("v1-merged", stores::merged()),
        ("v1-retired-inputs", stores::retired_inputs()),
        ("v1-all-sorts", all_sorts()),
        ("v1-torn", torn()),
    ]
}

#[test]
#[ignore = "writes files: only to add a golden store"]
fn write_golden_stores() {
    for (name, made) in golden_stores() {
        let folder = folder().join(name);
        if folder.exists() {
            continue;
        }
        fs::create_dir_all(folder.join("store")).unwrap();
        for (id, bytes) in &made.image {
            fs::write(folder.join("store").join(format!("{:012}.segment", id.0)), bytes).unwrap();
        }
        let memory = Memory::from_image(&made.image, 1);
        let store = Store::open(memory, Options::default().read_only(true)).unwrap();
        fs::write(folder.join("expected.jsonl"), lines(&store)).unwrap();
    }
}
