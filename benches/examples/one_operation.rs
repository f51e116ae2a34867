//! One operation again and again, to be watched by `perf` or `valgrind --tool=callgrind`:
//! `one_operation FOLDER hash|ordered get|miss|put|overwrite|batch VALUE_BYTES KEYS TIMES`. The folder must not exist; it is filled with `KEYS` keys
//! (closed and reopened, so that reads are of sealed segments; `get-tail` reads what is not sealed).
#![expect(clippy::print_stderr, reason = "a program that says how it is used")]

use std::path::Path;

use bitcask_benches::data::{Values, draws, key};
use bitcask_benches::engine::Kind;
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
    let mut store = kind.open(path)?;
    workload::fill(&*store, keys, &values)?;
    if operation != "get-tail" {
        store.close()?;
        store = kind.open(path)?;
    }
    let put = |number: u64| store.put(&key(number), values.of(number), false);
    match operation.as_str() {
        "get" | "get-tail" => draws(1, keys, times)
            .try_for_each(|n| store.get(&key(n), &mut |v| _ = std::hint::black_box(v)).map(drop))?,
        "miss" => draws(1, keys, times)
            .try_for_each(|n| store.get(&key(keys + n), &mut |_| {}).map(drop))?,
        "put" => (keys..keys + times).try_for_each(put)?,
        "overwrite" => draws(1, keys, times).try_for_each(put)?,
        "batch" => (0..times / 1000).try_for_each(|batch| {
            let first = keys + batch * 1000;
            store.put_all(&mut (first..first + 1000).map(|n| (key(n), values.of(n))))
        })?,
        "scan" => (0..times.div_ceil(keys)).try_for_each(|_| {
            store.scan(&[], usize::MAX, &mut |v| _ = std::hint::black_box(v)).map(drop)
        })?,
        other => return Err(format!("no such operation: {other}").into()),
    }
    store.close()
}
