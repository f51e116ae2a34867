//! One operation again and again, to be watched by `perf` or `valgrind --tool=callgrind`:
//! `one_operation FOLDER hash|ordered OPERATION VALUE_BYTES KEYS TIMES`. The folder must not exist; it is filled with `KEYS` keys,
//! closed and reopened, in segments so short that reads are of sealed ones. The operations are
//! `get`, `miss`, `put`, `overwrite`, `batch` and `delete` (by 1,000), `scan` and `open` (both of as many keys as is said); with `-tail` behind
//! it, in a store as it usually is: a thread that seals, and the last 64 MiB not sealed.
#![expect(clippy::print_stderr, reason = "a program that says how it is used")]

use std::path::Path;

use bitcask_benches::data::{Values, draws, key};
use bitcask_benches::engine::{Engine, Kind};
use bitcask_benches::{Result, workload};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, store, operation, value_len, keys, times] = arguments.as_slice() else {
        eprintln!("usage: one_operation FOLDER STORE OPERATION VALUE_BYTES KEYS TIMES");
        return Err("six arguments are wanted".into());
    };
    let kind = Kind::ALL.iter().find(|kind| kind.name() == store).ok_or("no such store")?;
    let (keys, times): (u64, u64) = (keys.parse()?, times.parse()?);
    let values = Values::new(value_len.parse()?);
    let path = Path::new(folder);
    let (operation, of_tail) = match operation.strip_suffix("-tail") {
        Some(operation) => (operation, true),
        None => (operation.as_str(), false),
    };
    let open = || if of_tail { kind.open(path) } else { kind.open_alone(path) };
    let mut store = open()?;
    workload::fill(&*store, keys, &values)?;
    if !of_tail {
        store.close()?;
        store = open()?;
    }
    let one = |store: &dyn Engine, n: u64| store.put(&key(n), values.of(n), false);
    match operation {
        "get" => draws(1, keys, times)
            .try_for_each(|n| store.get(&key(n), &mut |v| _ = std::hint::black_box(v)).map(drop))?,
        "miss" => draws(1, keys, times)
            .try_for_each(|n| store.get(&key(keys + n), &mut |_| {}).map(drop))?,
        "put" => (keys..keys + times).try_for_each(|n| one(&*store, n))?,
        "overwrite" => draws(1, keys, times).try_for_each(|n| one(&*store, n))?,
        "batch" => (0..times / 1000).try_for_each(|batch| {
            let first = keys + batch * 1000;
            store.put_all(&mut (first..first + 1000).map(|n| (key(n), values.of(n))))
        })?,
        "delete" => (0..times / 1000).try_for_each(|batch| {
            let first = batch * 1000;
            store.delete_all(&mut (first..first + 1000).map(key))
        })?,
        "open" => {
            for _ in 0..times.div_ceil(keys) {
                store.close()?;
                store = open()?;
            }
        }
        "scan" => (0..times.div_ceil(keys)).try_for_each(|_| {
            store.scan(&[], usize::MAX, &mut |v| _ = std::hint::black_box(v)).map(drop)
        })?,
        other => return Err(format!("no such operation: {other}").into()),
    }
    store.close()
}
