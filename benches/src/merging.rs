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
const SEGMENT_BYTES_MAX: u64 = 8 << 20;
const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// With fewer keys the segment that grows, and what waits for its seal, would be most of the disk that is taken.
const KEYS_MIN: u64 = 500_000;

/// How many times a store is written for the merge with a budget, and how many seconds it may take to read that.
const BUDGET_WRITES: u64 = 4;
const BUDGET_SECONDS: u64 = 4;

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
    let store = open(&path, keys, values, None)?;
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
    let (path, keys) = (folder.join("endless"), keys.max(KEYS_MIN));
    let unlimited = AutoMerge { bytes_per_second: u64::MAX, ..AutoMerge::default() };
    let store = open(&path, keys, values, Some(unlimited))?;
    let logical = logical(keys, values) as f64;
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
    to.add("disk, most while overwriting ÷ written once", "", worst * logical / once);
    wait_for_rest(&store)?;
    let rest = bytes_of(&path)? as f64;
    to.add("disk ÷ logical, at rest", "", rest / logical);
    to.add("disk, at rest ÷ written once", "", rest / once);
    store.close()?;
    Ok(std::fs::remove_dir_all(path)?)
}

/// What a merge with a budget reads in a second, of the budget.
///
/// # Errors
///
/// The store's.
pub fn budget(keys: u64, values: &Values, folder: &Path, to: &mut Sampler<'_>) -> Result<()> {
    let (path, keys) = (folder.join("budget"), keys.max(KEYS_MIN));
    let store = open(&path, keys, values, None)?;
    overwrite(&store, keys, values, BUDGET_WRITES)?;
    store.close()?;
    drop(store);
    let budget = logical(keys, values) * BUDGET_WRITES / BUDGET_SECONDS;
    let auto =
        AutoMerge { policy: MergePolicy::full(), bytes_per_second: budget, ..AutoMerge::default() };
    let store = open(&path, keys, values, Some(auto))?;
    // From the beginning to the end of the last merge: what a merge has read is told when it ends.
    let bytes_read = || store.stats().merge_bytes_read;
    let begun = Instant::now();
    let (mut last, mut at) = (0, begun);
    while at.elapsed() < Duration::from_secs(BUDGET_SECONDS + 1) {
        std::thread::sleep(Duration::from_millis(2));
        if bytes_read() > last {
            (last, at) = (bytes_read(), Instant::now());
        }
    }
    let seconds = at.duration_since(begun).as_secs_f64();
    to.add("merge with a budget: bytes read ÷ budget", "", last as f64 / seconds / budget as f64);
    store.close()?;
    Ok(std::fs::remove_dir_all(path)?)
}

/// How much space a merge of all segments takes before it gives back more, in segments.
///
/// # Errors
///
/// The store's.
pub fn space(keys: u64, values: &Values, folder: &Path, to: &mut Sampler<'_>) -> Result<()> {
    let path = folder.join("space");
    let store = open(&path, keys, values, None)?;
    overwrite(&store, keys, values, 2)?;
    store.roll()?;
    let before = bytes_of(&path)?;
    let mut most = before;
    let mut look = |_| {
        most = most.max(bytes_of(&path).unwrap_or(u64::MAX));
        Go::On
    };
    store.merge(&MergePolicy::full(), &mut look)?;
    let beside = (most - before) as f64 / segment_bytes(keys, values) as f64;
    to.add("full merge: most space beside ÷ segment", "", beside);
    store.close()?;
    Ok(std::fs::remove_dir_all(path)?)
}

/// Until nothing was merged for a while, which is longer than the thread waits before it takes a store for one at rest.
fn wait_for_rest(store: &Db) -> Result<()> {
    let mut merges = store.stats().merges;
    loop {
        std::thread::sleep(Duration::from_secs(5));
        let now = store.stats().merges;
        if now == merges {
            return Ok(());
        }
        merges = now;
    }
}

/// Bytes of all keys and values.
fn logical(keys: u64, values: &Values) -> u64 {
    keys * (KEY_LEN + values.len()) as u64
}

fn segment_bytes(keys: u64, values: &Values) -> u64 {
    (logical(keys, values) / 16).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
}

fn open(path: &Path, keys: u64, values: &Values, merge: Option<AutoMerge>) -> Result<Db> {
    let options = Db::options().index(Index::Hash).durability(Durability::None);
    let options = options.segment_bytes(segment_bytes(keys, values)).auto_merge(merge);
    Ok(options.program("benchmark").open(path)?)
}

fn overwrite(store: &Db, keys: u64, values: &Values, times: u64) -> Result<()> {
    for round in 0..times {
        (0..keys).try_for_each(|n| store.put(&key(n), values.of(n ^ round)).map(drop))?;
    }
    Ok(())
}
