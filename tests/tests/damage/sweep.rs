//! Every cut, every flipped bit and every zeroed stretch of small stores, against the oracle.

use std::collections::BTreeSet;

use bitcask_core::{Error, Go, Index, Memory, Options, Range, Recovery, Store, verify};

use crate::guard::Guard;
use crate::oracle::{Damage, Expect, Oracle};
use crate::stores::{self, INDEXES, Image, Made, State};

#[derive(Default)]
struct Counts {
    images: u64,
    opened: u64,
    refused: u64,
    torn: u64,
    /// Reads of keys whose record was damaged behind a seal.
    read_errors: u64,
}

/// Says which image it was, should a test panic.
struct Context<'a>(&'a str, Damage);

impl Drop for Context<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in the store \"{}\": {:?}", self.0, self.1);
        }
    }
}

fn sweep(made: &Made) {
    let oracle = Oracle::of(&made.image);
    assert_eq!(oracle.state(), made.state, "{}", made.name);
    let mut counts = Counts::default();
    let mut keys: BTreeSet<Vec<u8>> = BTreeSet::new();
    for layout in &oracle.counting {
        keys.extend(layout.records.iter().filter_map(|record| record.key.clone()));
    }
    let mut image = made.image.clone();
    for (id, bytes) in &made.image {
        let len = bytes.len() as u64;
        let mut check = |changed: Vec<u8>, from: u64, until: u64| {
            let is_cut = changed.len() < bytes.len();
            let damage = Damage { segment: *id, from, until, is_cut };
            image.insert(*id, changed);
            check(made.name, &image, &oracle, &damage, &keys, &mut counts);
        };
        for at in 0..bytes.len() {
            check(bytes[..at].to_vec(), at as u64, len);
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                check(flipped, at as u64, at as u64 + 1);
            }
            let mut zeroed = bytes.clone();
            let until = bytes.len().min(at + 16);
            zeroed[at..until].fill(0);
            let differs: Vec<usize> = (at..until).filter(|at| bytes[*at] != 0).collect();
            if let (Some(first), Some(last)) = (differs.first(), differs.last()) {
                check(zeroed, *first as u64, *last as u64 + 1);
            }
        }
        image.insert(*id, bytes.clone());
    }
    let Counts { images, opened, refused, torn, read_errors } = counts;
    println!(
        "{}: {images} images; {opened} openings, {torn} of them torn, {refused} refused, {read_errors} damaged records read",
        made.name
    );
    assert!(0 < opened && 0 < refused + torn + read_errors, "{}", made.name);
}

fn check(
    name: &str,
    image: &Image,
    oracle: &Oracle,
    damage: &Damage,
    keys: &BTreeSet<Vec<u8>>,
    counts: &mut Counts,
) {
    let _context = Context(name, *damage);
    let expect = oracle.expect(damage);
    counts.images += 1;
    for index in INDEXES {
        let guard = Guard::of(image);
        let memory = guard.memory.clone();
        let options = Options::default().index(index);
        match (Store::open(guard, options), &expect) {
            (Ok(store), Expect::State(state)) => {
                counts.opened += 1;
                counts.torn += u64::from(!store.recovery().cuts.is_empty());
                assert_holds(&store, state, keys);
                assert!(store.verify(&mut |_| Go::On).unwrap().is_sound());
                assert_opens_again(store, &memory, index, state, keys);
            }
            (Ok(store), Expect::Reads { .. }) => {
                counts.opened += 1;
                assert!(!store.verify(&mut |_| Go::On).unwrap().is_sound());
                counts.read_errors +=
                    assert_reads(&store, &oracle.state(), &oracle.keys_lost(damage), keys);
            }
            (Err(error), Expect::Refused | Expect::Reads { head_is_damaged: true }) => {
                counts.refused += 1;
                assert!(error.is_damage(), "{error}");
                assert_eq!(&memory.image(), image, "an opening that was refused changed something");
            }
            (Ok(store), Expect::Refused) => {
                panic!("{index:?}: opened, and reports {:#?}", store.recovery())
            }
            (Err(error), expect) => panic!("{index:?}: refused ({error}) instead of {expect:?}"),
        }
        check_salvage(image, index, &expect, oracle, damage, keys);
    }
    check_verify(image, &expect, oracle, damage);
}

/// The store holds exactly this.
pub(crate) fn assert_holds<S: bitcask_core::Storage>(
    store: &Store<S>,
    state: &State,
    keys: &BTreeSet<Vec<u8>>,
) {
    for key in keys {
        let entry = store.get_entry(key).unwrap();
        let found = entry.map(|entry| (entry.value.to_vec(), entry.expires_at_ms));
        assert_eq!(found.as_ref(), state.get(key), "key {}", key.escape_ascii());
        assert_eq!(store.contains(key).unwrap(), state.contains_key(key));
    }
    assert_eq!(store.len(), state.len() as u64);
    let scanned = store.scan(Range::all()).map(|entry| {
        let entry = entry.unwrap();
        (entry.key.to_vec(), (entry.value.to_vec(), entry.expires_at_ms))
    });
    assert!(scanned.eq(state.clone()), "a scan differs from the gets");
}

fn assert_opens_again(
    store: Store<Guard>,
    memory: &Memory,
    index: Index,
    state: &State,
    keys: &BTreeSet<Vec<u8>>,
) {
    drop(store);
    let image = memory.image();
    let store = Store::open(Guard::of(&image), Options::default().index(index)).unwrap();
    assert!(store.recovery().cuts.is_empty() && store.recovery().removed.is_empty());
    assert_holds(&store, state, keys);
    assert_eq!(store.storage().memory.image(), image, "the second opening changed something");
}

/// Every key reads right, or it is one whose record is damaged and says so.
fn assert_reads(
    store: &Store<Guard>,
    state: &State,
    lost: &[Vec<u8>],
    keys: &BTreeSet<Vec<u8>>,
) -> u64 {
    let mut errors = 0;
    for key in keys {
        match store.get_entry(key) {
            Ok(entry) => {
                assert!(!lost.contains(key), "{} reads as {entry:?}", key.escape_ascii());
                let found = entry.map(|entry| (entry.value.to_vec(), entry.expires_at_ms));
                assert_eq!(found.as_ref(), state.get(key), "key {}", key.escape_ascii());
            }
            Err(error) => {
                assert!(error.is_damage() && lost.contains(key), "{}: {error}", key.escape_ascii());
                errors += 1;
            }
        }
    }
    for entry in store.scan(Range::all()) {
        match entry {
            Ok(entry) => {
                assert_eq!(
                    state.get(&entry.key[..]).map(|(value, _)| &value[..]),
                    Some(&entry.value[..])
                );
            }
            Err(error) => assert!(error.is_damage(), "{error}"),
        }
    }
    errors
}

fn check_salvage(
    image: &Image,
    index: Index,
    expect: &Expect,
    oracle: &Oracle,
    damage: &Damage,
    keys: &BTreeSet<Vec<u8>>,
) {
    let guard = Guard::of(image);
    let options = Options::default().index(index).recovery(Recovery::Salvage);
    let store = match Store::open(guard, options) {
        Ok(store) => store,
        // Nothing is left that could be served.
        Err(Error::NoStore) if oracle.counting.len() == 1 => return,
        Err(error) => panic!("{index:?}: salvage was refused: {error}"),
    };
    if let Expect::State(state) = expect {
        assert_holds(&store, state, keys);
        return;
    }
    if matches!(expect, Expect::Refused) {
        assert!(!store.recovery().passed_over.is_empty());
    }
    let (salvaged, lost) = (oracle.salvaged(damage), oracle.keys_lost(damage));
    let mut by_key = BTreeSet::new();
    for key in keys {
        match store.get_entry(key) {
            Ok(entry) => {
                by_key.extend(entry.as_ref().map(|entry| (entry.key.clone(), entry.version)));
                let found = entry.map(|entry| (entry.value.to_vec(), entry.expires_at_ms));
                let right = found.as_ref() == salvaged.get(key)
                    // A tombstone's hint is enough to delete by.
                    || found.as_ref() == oracle.state().get(key);
                assert!(right, "{index:?}: {}: salvaged {found:?}", key.escape_ascii());
            }
            Err(error) => assert!(error.is_damage() && lost.contains(key), "{error}"),
        }
    }
    let scanned = store.scan(Range::all()).filter_map(Result::ok);
    let scanned: BTreeSet<_> = scanned.map(|entry| (entry.key, entry.version)).collect();
    assert_eq!(scanned, by_key, "{index:?}: a scan sees other records than reads of single keys");
    assert_eq!(&store.storage().memory.image(), image, "salvage changed something");
}

fn check_verify(image: &Image, expect: &Expect, oracle: &Oracle, damage: &Damage) {
    let guard = Guard::of(image);
    let report = match verify(&guard, &mut |_| Go::On) {
        Err(Error::NoStore) => panic!("verify finds nothing to verify"),
        report => report.unwrap(),
    };
    let in_sealed = oracle.counting.iter().any(|layout| {
        layout.id == damage.segment && layout.seal.is_some() && !oracle.is_dispensable(layout)
    });
    match expect {
        Expect::State(_) => {
            assert!(report.is_sound(), "{:?}", report.problems);
            let noticed = !report.torn.is_empty() || damage.is_cut || damage.from < 72;
            assert!(noticed || !in_sealed, "verify overlooked it");
        }
        Expect::Refused | Expect::Reads { .. } => {
            assert!(!report.is_sound(), "verify overlooked it");
        }
    }
    assert_eq!(&guard.memory.image(), image, "verifying changed something");
}

macro_rules! sweeps {
    ($($store:ident)*) => { $( #[test] fn $store() { sweep(&stores::$store()); } )* };
}

sweeps! {
    plain always half_synced closed several_sessions sealed_with_keys sealed_with_hashes
    sealed_and_closed unsealed_segments merged merged_and_closed retired_inputs
}
