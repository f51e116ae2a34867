//! What merging costs those who read and write meanwhile, and what it holds space down to. Of ours only: others cannot be told
//! how much of it they may do.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bitcask::{AutoMerge, Db, Durability, Go, Index, MergePolicy};

use crate::Result;
use crate::data::{KEY_LEN, Values, draws, key, mixed};
use crate::mixed::{Waits, quantile};
use crate::report::Sampler;
use crate::workload::{bytes_of, on_threads, timed, touched};

/// Of the segments: short, so that a run sees many merges.
const SEGMENT_BYTES: u64 = 8 << 20;

/// Bytes a second of the merge with a budget.
const BUDGET: u64 = 50 << 20;

/// How long readers and writers are watched in each state.
const WATCHED: Duration = Duration::from_secs(3);

/// How often all keys are written again.
const OVERWRITES: u64 = 8;

/// A reader and a writer beside no merge, and beside one that does as much as it can.
///
/// # Errors
///
/// The store's.
pub fn beside(keys: u64, values: &Values, folder: &Path, to: &mut Sampler<'_>) -> Result<()> {
    let path = folder.join("beside");
    let store = open(&path, None)?;
    overwrite(&store, keys, values, 1)?;
    let (mut without, mut with) = (Waits::default(), Waits::default());
    // They take turns, so that what else happens on the machine happens to both.
    for turn in 0..2 {
        without.add(watched(&store, keys, values, turn, false)?);
        with.add(watched(&store, keys, values, turn, true)?);
    }
    for (what, without, with) in [
        ("read", &mut without.reads, &mut with.reads),
        ("write", &mut without.writes, &mut with.writes),
    ] {
        for (name, part) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            let (alone, beside) = (quantile(without, part), quantile(with, part));
            to.add(format!("{what} {name} without a merge"), "µs", alone * 1e6);
            to.add(format!("{what} {name} beside a merge"), "µs", beside * 1e6);
            to.add(format!("{what} {name}, beside ÷ without"), "", beside / alone);
        }
    }
    store.close()?;
    Ok(std::fs::remove_dir_all(path)?)
}

/// One thread reads and one writes for a while; a third merges all the time, or none does.
fn watched(store: &Db, keys: u64, values: &Values, seed: u64, merge: bool) -> Result<Waits> {
    let done = AtomicBool::new(false);
    let all = std::sync::Mutex::new(Waits::default());
    on_threads(if merge { 3 } else { 2 }, |thread| {
        if thread == 2 {
            while !done.load(Ordering::Relaxed) {
                let go = |_| if done.load(Ordering::Relaxed) { Go::Stop } else { Go::On };
                let policy = MergePolicy::full().dead_ratio(0.02);
                store.merge(&policy, &mut { go })?;
                std::thread::yield_now();
            }
            return Ok(());
        }
        let mut waits = Waits::default();
        let mut sum = 0;
        let begun = Instant::now();
        for draw in draws(seed * 7 + thread, u64::MAX, u64::MAX) {
            let started = Instant::now();
            if started.duration_since(begun) > WATCHED {
                break;
            }
            let number = mixed(draw) % keys;
            if thread == 0 {
                sum ^= store.get(&key(number))?.map_or(0, |value| touched(&value));
                waits.reads.push(started.elapsed().as_secs_f32());
            } else {
                store.put(&key(number), values.of(draw))?;
                waits.writes.push(started.elapsed().as_secs_f32());
            }
        }
        std::hint::black_box(sum);
        done.store(true, Ordering::Relaxed);
        all.lock().map_err(|_| "another thread panicked")?.add(waits);
        Ok(())
    })?;
    all.into_inner().map_err(|_| "a thread panicked".into())
}

/// All keys are written again and again, with merging in the background.
///
/// # Errors
///
/// The store's.
pub fn endless(keys: u64, values: &Values, folder: &Path, to: &mut Sampler<'_>) -> Result<()> {
    let path = folder.join("endless");
    let unlimited = AutoMerge { bytes_per_second: u64::MAX, ..AutoMerge::default() };
    let store = open(&path, Some(unlimited))?;
    let logical = (keys * (KEY_LEN + values.len()) as u64) as f64;
    overwrite(&store, keys, values, 1)?;
    let once = bytes_of(&path)? as f64;
    let mut worst: f64 = 0.0;
    let ((), seconds) = timed(|| {
        for round in 0..OVERWRITES * 8 {
            for number in draws(round + 31, keys, keys / 8) {
                store.put(&key(number), values.of(round ^ number))?;
            }
            worst = worst.max(bytes_of(&path)? as f64 / logical);
        }
        Ok(())
    })?;
    to.add(
        "single puts, merging all the time",
        "kops/s",
        (keys * OVERWRITES) as f64 / seconds / 1e3,
    );
    to.add("disk ÷ logical, written once", "", once / logical);
    to.add("disk ÷ logical, most while overwriting", "", worst);
    wait_for_rest(&store)?;
    to.add("disk ÷ logical, a moment later", "", bytes_of(&path)? as f64 / logical);
    store.close()?;
    Ok(std::fs::remove_dir_all(path)?)
}

/// What a merge with a budget reads in a second, of the budget.
///
/// # Errors
///
/// The store's.
pub fn budget(keys: u64, values: &Values, folder: &Path, to: &mut Sampler<'_>) -> Result<()> {
    let path = folder.join("budget");
    let store = open(&path, None)?;
    overwrite(&store, keys, values, 4)?;
    store.close()?;
    drop(store);
    let auto = AutoMerge { policy: MergePolicy::full(), bytes_per_second: BUDGET };
    let store = open(&path, Some(auto))?;
    // From the first step on, as long as there is something to do.
    let bytes_read = || store.stats().merge_bytes_read;
    let begun = Instant::now();
    while bytes_read() == 0 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (begun, first) = (Instant::now(), bytes_read());
    let (mut last, mut at) = (first, begun);
    while at.elapsed() < Duration::from_millis(700) {
        std::thread::sleep(Duration::from_millis(5));
        if bytes_read() > last {
            (last, at) = (bytes_read(), Instant::now());
        }
    }
    let seconds = at.duration_since(begun).as_secs_f64();
    to.add(
        "merge with a budget: bytes read ÷ budget",
        "",
        (last - first) as f64 / seconds / BUDGET as f64,
    );
    store.close()?;
    Ok(std::fs::remove_dir_all(path)?)
}

/// Until nothing was merged for a while.
fn wait_for_rest(store: &Db) -> Result<()> {
    let mut merges = store.stats().merges;
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = store.stats().merges;
        if now == merges {
            return Ok(());
        }
        merges = now;
    }
}

fn open(path: &Path, merge: Option<AutoMerge>) -> Result<Db> {
    let options = Db::options().index(Index::Hash).durability(Durability::None);
    Ok(options.segment_bytes(SEGMENT_BYTES).auto_merge(merge).program("benchmark").open(path)?)
}

fn overwrite(store: &Db, keys: u64, values: &Values, times: u64) -> Result<()> {
    for round in 0..times {
        (0..keys).try_for_each(|n| store.put(&key(n), values.of(n ^ round)).map(drop))?;
    }
    Ok(())
}
