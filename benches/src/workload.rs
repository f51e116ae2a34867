//! The phases of a store's life that are timed.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Result;
use crate::data::{KEY_LEN, Values, draws, key};
use crate::engine::{Engine, Kind};
use crate::medium::{self, Before, Fdatasync};
use crate::report::Sampler;
use crate::trial::{Trial, end};

/// Keys of one transaction.
const BATCH_LEN: u64 = 1000;

/// How long syncs of a store and raw syncs take turns.
const TURN: Duration = Duration::from_millis(200);

/// How often each large value is read, so that it is not the first look at a page that is measured.
const LARGE_READS: u64 = 8;

/// Fill, close, reopen, read, delete half, merge.
///
/// # Errors
///
/// The store's, or that it did not find what was written.
pub fn life(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let Trial { kind, keys, values, .. } = *trial;
    let logical = (keys * (KEY_LEN + values.len()) as u64) as f64;
    let (path, store) = trial.empty("life")?;
    let ((), seconds) = timed(|| fill(&*store, keys, values))?;
    to.add("load, batches of 1,000, un-synced", "kops/s", keys as f64 / seconds / 1e3);
    let ((), flush) = timed(|| store.sync())?;
    to.add("load and sync", "kops/s", keys as f64 / (seconds + flush) / 1e3);
    get_hit(&*store, "get hit, just written, 1 thread", 1, (keys, keys), to)?;
    if let Some(bytes) = store.index_bytes() {
        to.add("keydir by its own account", "bytes/key", bytes as f64 / keys as f64);
    }
    to.add("close", "ms", timed(|| store.close())?.1 * 1e3);
    to.add("disk after load ÷ logical", "", bytes_of(&path)? as f64 / logical);

    let (mut store, seconds) = timed(|| kind.open(&path))?;
    to.add("reopen after close", "ms", seconds * 1e3);
    for threads in [1, 2] {
        get_hit(&*store, &format!("get hit, {}", threads_of(threads)), threads, (keys, keys), to)?;
        let misses = |n| reads(&*store, keys..2 * keys, n, keys, false);
        let seconds = on_threads(threads, misses)?;
        to.add(
            format!("get miss, {}", threads_of(threads)),
            "kops/s",
            (keys * threads) as f64 / seconds / 1e3,
        );
    }
    scans(kind, &*store, keys, to)?;
    let ((), seconds) = timed(|| delete_half(&*store, keys))?;
    to.add("delete half, batches of 1,000", "kops/s", keys as f64 / 2.0 / seconds / 1e3);
    let (read, seconds) = timed(|| store.compact())?;
    to.add("merge of that", "ms", seconds * 1e3);
    if let Some(bytes) = read {
        to.add("merge of that, read", "MB/s", bytes as f64 / seconds / 1e6);
    }
    check_halved(&*store, keys)?;
    store.close()?;
    to.add("disk after merge ÷ logical", "", bytes_of(&path)? as f64 / (logical / 2.0));
    Ok(std::fs::remove_dir_all(path)?)
}

/// Puts one by one, of new keys and of keys that are there.
///
/// # Errors
///
/// The store's.
pub fn single_puts(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let Trial { keys, values, .. } = *trial;
    let (path, store) = trial.empty("single")?;
    let ((), seconds) =
        timed(|| (0..keys).try_for_each(|n| store.put(&key(n), values.of(n), false)))?;
    to.add("single put, new key, un-synced", "kops/s", keys as f64 / seconds / 1e3);
    let ((), seconds) = timed(|| {
        draws(3, keys, keys).try_for_each(|n| store.put(&key(n), values.of(n + 1), false))
    })?;
    to.add("single put, key that is there, un-synced", "kops/s", keys as f64 / seconds / 1e3);
    end(path, store)
}

/// Reopens a store that was dropped without being closed, and whose log is all tail: nothing of it is sealed.
///
/// # Errors
///
/// The store's.
pub fn tail(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let Trial { kind, keys, values, folder } = *trial;
    let path = folder.join("tail");
    let Some(store) = kind.open_unsealed(&path)? else { return Ok(()) };
    fill(&*store, keys, values)?;
    // So that reopening, which syncs what it found, is not timed for writing it all to the disk.
    store.sync()?;
    drop(store);
    let (opened, seconds) = timed(|| kind.open_unsealed(&path))?;
    to.add("reopen without close, all of it tail", "M keys/s", keys as f64 / seconds / 1e6);
    drop(opened);
    Ok(std::fs::remove_dir_all(path)?)
}

/// A few large values: put one by one, read.
///
/// # Errors
///
/// The store's.
pub fn large(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let Trial { kind, keys, values, folder } = *trial;
    let path = folder.join("large");
    let bytes = keys * values.len() as u64;
    // Before and after: the better one is what the machine can do.
    let raw = || -> Result<[f64; 2]> {
        let of = |more| medium::page_cache(folder, bytes, more);
        Ok([of(0)?, of(medium::HEAD_LEN)?])
    };
    let [aligned, as_log] = raw()?;
    let store = kind.open(&path)?;
    // What a store does once, at its first write, is not what is asked for here.
    store.put(&key(keys), &[], false)?;
    let ((), seconds) =
        timed(|| (0..keys).try_for_each(|n| store.put(&key(n), values.of(n), false)))?;
    let [aligned_again, as_log_again] = raw()?;
    let rate = bytes as f64 / seconds;
    to.add("single put, un-synced", "MB/s", rate / 1e6);
    to.add("single put ÷ raw page-cache write", "", rate / aligned.max(aligned_again));
    to.add("single put ÷ raw page-cache write as of a log", "", rate / as_log.max(as_log_again));
    store.close()?;
    let store = kind.open(&path)?;
    for threads in [1, 2] {
        get_hit(
            &*store,
            &format!("get hit, {}", threads_of(threads)),
            threads,
            (keys, keys * LARGE_READS),
            to,
        )?;
    }
    end(path, store)
}

/// Puts that return when they are durable, by so many threads at once. They take turns with raw syncs, a fifth of a
/// second each, since the rate of a disk that others use changes from one second to the next.
///
/// # Errors
///
/// The store's.
pub fn synced_puts(
    kind: Kind,
    threads: u64,
    time: Duration,
    values: &Values,
    folder: &Path,
    to: &mut Sampler<'_>,
) -> Result<()> {
    let path = folder.join("synced");
    let store = kind.open_synced(&path)?;
    let mut raw = Fdatasync::new(folder, Before::Append)?;
    let syncs = store.syncs();
    let numbers = AtomicU64::new(0);
    let waits = Mutex::new(Vec::new());
    let mut seconds = 0.0;
    while seconds < time.as_secs_f64() {
        raw.go_on(TURN)?;
        seconds += on_threads(threads, |_| {
            let own = put_for(&*store, &numbers, values)?;
            waits.lock().map_err(|_| "another thread panicked")?.extend(own);
            Ok(())
        })?;
    }
    let mut waits = waits.into_inner().map_err(|_| "a thread panicked")?;
    waits.sort_by(f64::total_cmp);
    let (puts, threads) = (waits.len() as f64, threads_of(threads));
    to.add(threads.clone(), "puts/s", puts / seconds);
    to.add(format!("{threads} ÷ raw fdatasync"), "", puts / seconds / raw.rate());
    let p99 = waits.get(waits.len() * 99 / 100).copied().unwrap_or(f64::NAN);
    to.add(format!("{threads}, p99"), "raw syncs", p99 * raw.rate());
    if let (Some(before), Some(after)) = (syncs, store.syncs()) {
        to.add(format!("{threads}, puts a sync"), "", puts / (after - before) as f64);
    }
    end(path, store)
}

/// Puts with sync for one turn; returns how long each took, in seconds.
fn put_for(store: &dyn Engine, numbers: &AtomicU64, values: &Values) -> Result<Vec<f64>> {
    let mut waits = Vec::new();
    let started = Instant::now();
    while started.elapsed() < TURN {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let put = Instant::now();
        store.put(&key(number), values.of(number), true)?;
        waits.push(put.elapsed().as_secs_f64());
    }
    Ok(waits)
}

/// Writes all keys in batches.
///
/// # Errors
///
/// The store's.
pub fn fill(store: &dyn Engine, keys: u64, values: &Values) -> Result<()> {
    for start in (0..keys).step_by(usize::try_from(BATCH_LEN)?) {
        let numbers = start..keys.min(start + BATCH_LEN);
        store.put_all(&mut numbers.map(|n| (key(n), values.of(n))))?;
    }
    Ok(())
}

fn delete_half(store: &dyn Engine, keys: u64) -> Result<()> {
    for start in (0..keys).step_by(usize::try_from(BATCH_LEN)? * 2) {
        let numbers = (start..keys.min(start + BATCH_LEN * 2)).step_by(2);
        store.delete_all(&mut numbers.map(key))?;
    }
    Ok(())
}

/// Half of the keys are gone, half are there.
fn check_halved(store: &dyn Engine, keys: u64) -> Result<()> {
    for number in draws(9, keys, keys.min(10_000)) {
        if store.get(&key(number), &mut |_| {})? != (number % 2 == 1) {
            return Err(
                format!("key number {number} is not as it should be after the merge").into()
            );
        }
    }
    Ok(())
}

/// Reads `count` times one of `keys` keys, in each thread.
fn get_hit(
    store: &dyn Engine,
    measure: &str,
    threads: u64,
    (keys, count): (u64, u64),
    to: &mut Sampler<'_>,
) -> Result<()> {
    let seconds = on_threads(threads, |n| reads(store, 0..keys, n, count, true))?;
    to.add(measure, "kops/s", (count * threads) as f64 / seconds / 1e3);
    Ok(())
}

/// Reads keys with these numbers, in no order, and touches each value.
fn reads(
    store: &dyn Engine,
    numbers: std::ops::Range<u64>,
    seed: u64,
    count: u64,
    there: bool,
) -> Result<()> {
    let mut sum = 0;
    let among = numbers.end - numbers.start;
    for number in draws(seed + 11, among, count) {
        let found = store.get(&key(numbers.start + number), &mut |value| sum ^= touched(value))?;
        if found != there {
            return Err(format!("key number {number}: found is {found}").into());
        }
    }
    std::hint::black_box(sum);
    Ok(())
}

fn scans(kind: Kind, store: &dyn Engine, keys: u64, to: &mut Sampler<'_>) -> Result<()> {
    let mut sum = 0;
    let (count, seconds) =
        timed(|| store.scan(&[], usize::MAX, &mut |value| sum ^= touched(value)))?;
    if count as u64 != keys {
        return Err(format!("a scan showed {count} of {keys} keys").into());
    }
    to.add("full scan, ordered", "krec/s", keys as f64 / seconds / 1e3);
    // Without an order each range costs a visit of all keys.
    let ranges = if kind.is_ordered() { keys.min(20_000) } else { 3 };
    let ((), seconds) = timed(|| {
        draws(5, u64::MAX, ranges).try_for_each(|number| {
            store.scan(&key(number), 100, &mut |value| sum ^= touched(value)).map(drop)
        })
    })?;
    std::hint::black_box(sum);
    to.add("range of 100", "ops/s", ranges as f64 / seconds);
    Ok(())
}

/// "1 thread", "2 threads".
fn threads_of(count: u64) -> String {
    if count == 1 { "1 thread".into() } else { format!("{count} threads") }
}

/// Reads a byte of each cache line.
pub(crate) fn touched(value: &[u8]) -> u8 {
    value.iter().step_by(64).fold(0, |sum, byte| sum ^ byte)
}

/// What it returns, and how many seconds it took.
pub(crate) fn timed<T>(act: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let started = Instant::now();
    let result = act()?;
    Ok((result, started.elapsed().as_secs_f64()))
}

/// Seconds until all of so many threads, numbered from 0, are done.
pub(crate) fn on_threads(threads: u64, act: impl Fn(u64) -> Result<()> + Sync) -> Result<f64> {
    let act = &act;
    let ((), seconds) = timed(|| {
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|n| scope.spawn(move || act(n))).collect();
            running
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
        })
    })?;
    Ok(seconds)
}

/// Bytes of the disk that all files in a folder and below take: what a file was only made longer by is not among them. A file that
/// goes in the meantime counts as gone.
pub(crate) fn bytes_of(path: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(data) if data.is_dir() => bytes += bytes_of(&entry.path())?,
            Ok(data) => bytes += allocated(&data),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

#[cfg(unix)]
fn allocated(data: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(data) * 512
}

#[cfg(not(unix))]
fn allocated(data: &std::fs::Metadata) -> u64 {
    data.len()
}
