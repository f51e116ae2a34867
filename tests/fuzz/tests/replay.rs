//! The fuzz targets without a fuzzer: their kept corpus, and what a few changes make of it.
//!
//! ```text
//! BITCASK_RUNS=100 cargo test -p bitcask-fuzz          a hundred times as many changes
//! BITCASK_SEED=1234 cargo test -p bitcask-fuzz seal    other changes
//! ```
//!
//! What fails is written to a file of the temporary folder, which is said; `cargo run -p bitcask-fuzz --bin seal -- FILE` repeats it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that meets what it does not expect has failed"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use bitcask_fuzz::TARGETS;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.bits() % end.max(1) as u64) as usize
    }
}

/// Numbers that break things.
const NUMBERS: [u64; 12] =
    [0, 1, 16, 71, 72, 255, 65_535, 1 << 31, u32::MAX as u64, 1 << 32, i64::MAX as u64, u64::MAX];

/// One to four changes of an input, with pieces of another one.
fn change(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.below(4) {
        let place = random.below(bytes.len() + 1);
        match random.below(7) {
            0 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
            1 if place < bytes.len() => bytes[place] = random.bits() as u8,
            2 => bytes.truncate(place),
            3 => {
                let number = NUMBERS[random.below(NUMBERS.len())].to_le_bytes();
                let len = [1, 2, 4, 8][random.below(4)];
                bytes
                    .iter_mut()
                    .skip(place)
                    .zip(&number[..len])
                    .for_each(|(byte, new)| *byte = *new);
            }
            4 => {
                let piece = random.below(24).min(bytes.len() - place);
                drop(bytes.drain(place..place + piece));
            }
            5 if !other.is_empty() => {
                let from = random.below(other.len());
                let len = random.below(64).min(other.len() - from);
                drop(bytes.splice(place..place, other[from..from + len].iter().copied()));
            }
            _ => bytes.insert(place, random.bits() as u8),
        }
    }
    bytes.truncate(1 << 16);
    bytes
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs one input; keeps it where it fails.
fn try_one(target: &str, run: fn(&[u8]), bytes: &[u8], what: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(bytes))) {
        let file = std::env::temp_dir().join(format!("bitcask-fuzz-{target}"));
        fs::write(&file, bytes).unwrap();
        eprintln!("{target}: {what} fails; its bytes are in {}", file.display());
        resume_unwind(panic);
    }
}

/// Every file of the corpus, and so many changes of its files.
fn replay(target: &str, changes: u64) {
    let (_, run) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let files = corpus(target);
    assert!(!files.is_empty(), "there is no corpus of {target}");
    let inputs: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    for (file, input) in files.iter().zip(&inputs) {
        try_one(target, run, input, &file.display().to_string());
    }
    let seed = number("BITCASK_SEED").unwrap_or(1);
    let changes = changes * number("BITCASK_RUNS").unwrap_or(1);
    let mut random = Random(seed);
    for count in 0..changes {
        let (one, other) = (random.below(inputs.len()), random.below(inputs.len()));
        let changed = change(&inputs[one], &inputs[other], &mut random);
        try_one(target, run, &changed, &format!("change {count} of BITCASK_SEED={seed}"));
    }
    println!("{target}: {} kept inputs, {changes} changed ones", inputs.len());
}

#[test]
fn arguments() {
    replay("arguments", 400);
}

#[test]
fn folder() {
    replay("folder", 4_000);
}

#[test]
fn frame() {
    replay("frame", 50_000);
}

#[test]
fn header() {
    replay("header", 5_000);
}

#[test]
fn import() {
    replay("import", 300);
}

#[test]
fn operations() {
    replay("operations", 2_000);
}

#[test]
fn record() {
    replay("record", 5_000);
}

#[test]
fn seal() {
    replay("seal", 5_000);
}

#[test]
fn segments() {
    replay("segments", 5_000);
}

#[test]
fn stream() {
    replay("stream", 10_000);
}

/// Each target has a test here, and a binary.
#[test]
fn nothing_is_forgotten() {
    let here = include_str!("replay.rs");
    let manifest = include_str!("../Cargo.toml");
    for (target, _) in TARGETS {
        assert!(here.contains(&format!("replay(\"{target}\"")), "{target}");
        assert!(manifest.contains(&format!("fuzz_targets/{target}.rs")), "{target}");
    }
}
