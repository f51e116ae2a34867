//! Single calls, for who changes the engine: `make bench-quick`, or one of them with `cargo bench -p bitcask-benches --bench quick -- get`.
//!
//! By Divan, which times a closure again and again and shows the spread. Whole phases of a store's life beside other stores are
//! `benches/store.rs`; what does not depend on the machine's mood is `make instructions`.

use std::cell::Cell;

use bitcask_benches::data::{Values, draws, key};
use bitcask_benches::engine::{Engine, Kind};
use bitcask_benches::{Result, workload};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use tempfile::TempDir;

/// In the page cache, and too many for the processor's.
const KEYS: u64 = 200_000;
const VALUE_LEN: usize = 100;
const RANGE_LEN: usize = 100;
const BATCH_LEN: u64 = 1000;

const STORES: [&str; 2] = ["hash", "ordered"];

fn main() {
    divan::main();
}

/// A store that was filled, closed and opened, and goes with its folder.
struct Filled {
    store: Box<dyn Engine>,
    values: Values,
    /// Numbers of keys: of those that are there, then of new ones.
    drawn: Cell<u64>,
    new: Cell<u64>,
    _folder: TempDir,
}

impl Filled {
    fn open(name: &str) -> Result<Filled> {
        let kind = Kind::ALL.iter().find(|kind| kind.name() == name).ok_or("no such store")?;
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let path = folder.path().join("store");
        let values = Values::new(VALUE_LEN);
        let store = kind.open(&path)?;
        workload::fill(&*store, KEYS, &values)?;
        store.close()?;
        let store = kind.open(&path)?;
        // What is mapped is looked at for the first time only once.
        (0..KEYS).try_for_each(|n| store.get(&key(n), &mut |_| {}).map(drop))?;
        let (drawn, new) = (Cell::new(0), Cell::new(KEYS));
        Ok(Filled { store, values, drawn, new, _folder: folder })
    }

    /// Measures one call; what goes wrong ends the program.
    fn measure(bencher: Bencher<'_, '_>, name: &str, items: u64, call: fn(&Filled) -> Result<()>) {
        let filled = Filled::open(name).unwrap_or_else(|error| ended_by(&error));
        bencher.counter(ItemsCount::new(items)).bench_local(|| {
            call(&filled).unwrap_or_else(|error| ended_by(&error));
        });
    }

    /// One of the keys that are there.
    fn any(&self) -> u64 {
        let drawn = self.drawn.replace(self.drawn.get() + 1);
        draws(drawn, KEYS, 1).next().unwrap_or_default()
    }

    /// The numbers of so many new keys.
    fn next(&self, count: u64) -> std::ops::Range<u64> {
        let first = self.new.replace(self.new.get() + count);
        first..first + count
    }
}

#[expect(clippy::print_stderr, reason = "a program that says why it ends")]
fn ended_by(error: &bitcask_benches::Error) -> ! {
    eprintln!("{error}");
    std::process::exit(1)
}

#[divan::bench(args = STORES, sample_size = 1000)]
fn get(bencher: Bencher<'_, '_>, name: &str) {
    Filled::measure(bencher, name, 1, |filled| {
        let there = filled.store.get(&key(filled.any()), &mut |value| _ = black_box(value))?;
        if there { Ok(()) } else { Err("a key is not there".into()) }
    });
}

#[divan::bench(args = STORES, sample_size = 1000)]
fn miss(bencher: Bencher<'_, '_>, name: &str) {
    Filled::measure(bencher, name, 1, |filled| {
        let there = filled.store.get(&key(KEYS + filled.any()), &mut |_| {})?;
        if there { Err("a key is there".into()) } else { Ok(()) }
    });
}

#[divan::bench(args = STORES, sample_size = 1000)]
fn put_new(bencher: Bencher<'_, '_>, name: &str) {
    Filled::measure(bencher, name, 1, |filled| {
        let number = filled.next(1).start;
        filled.store.put(&key(number), filled.values.of(number), false)
    });
}

#[divan::bench(args = STORES, sample_size = 1000)]
fn put_again(bencher: Bencher<'_, '_>, name: &str) {
    Filled::measure(bencher, name, 1, |filled| {
        let number = filled.any();
        filled.store.put(&key(number), filled.values.of(number), false)
    });
}

#[divan::bench(args = STORES)]
fn put_synced(bencher: Bencher<'_, '_>, name: &str) {
    Filled::measure(bencher, name, 1, |filled| {
        let number = filled.any();
        filled.store.put(&key(number), filled.values.of(number), true)
    });
}

#[divan::bench(args = STORES)]
fn batch_of_1000(bencher: Bencher<'_, '_>, name: &str) {
    Filled::measure(bencher, name, BATCH_LEN, |filled| {
        let numbers = filled.next(BATCH_LEN);
        filled.store.put_all(&mut numbers.map(|n| (key(n), filled.values.of(n))))
    });
}

#[divan::bench]
fn range_of_100(bencher: Bencher<'_, '_>) {
    Filled::measure(bencher, "ordered", RANGE_LEN as u64, |filled| {
        let from = key(filled.any());
        filled.store.scan(&from, RANGE_LEN, &mut |value| _ = black_box(value)).map(drop)
    });
}
