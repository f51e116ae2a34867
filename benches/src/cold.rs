//! Stores of which nothing is cached: as after a start of the machine, or where the data do not fit into memory. Linux only.

use std::fs::File;
use std::path::Path;

use crate::Result;
use crate::data::{draws, key};
use crate::engine::{Engine, Kind};
use crate::report::Sampler;
use crate::trial::{Trial, end};
use crate::workload::{timed, touched};

/// How many keys are read: most of them from a place of their own.
const READS: u64 = 1000;

/// Opens a store, and reads some of its keys, when the system has forgotten what it had cached of its files.
///
/// # Errors
///
/// The store's, or that it did not find what was written.
pub fn reopening(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let Trial { kind, keys, .. } = *trial;
    let (path, store) = trial.filled("cold")?;
    store.close()?;
    forget(&path)?;
    let (store, seconds) = timed(|| kind.open(&path))?;
    to.add("reopen after close, cold cache", "ms", seconds * 1e3);
    to.add("reopen after close, cold cache, keys", "M keys/s", keys as f64 / seconds / 1e6);
    store.close()?;
    forget(&path)?;
    let store = kind.open(&path)?;
    // What opening has read is forgotten too; what is mapped of it stays.
    forget(&path)?;
    let reads = Reads::of(&*store, keys, READS.min(keys / 20), 19)?;
    to.add("get hit, cold cache", "kops/s", reads.per_second / 1e3);
    to.add("get hit, cold cache: read from the disk", "kB/get", reads.bytes / 1e3);
    if matches!(kind, Kind::Bitcask(_)) {
        // Every read goes by a mapping: a fault that waits is a read of the disk, and there is no other.
        to.add("get hit, cold cache: waits for the disk", "a get", reads.waits);
    }
    end(path, store)
}

/// Gets that have to wait for the disk.
pub(crate) struct Reads {
    pub(crate) per_second: f64,
    /// Bytes that were read from the disk for each.
    pub(crate) bytes: f64,
    /// How often each waited for a mapped page.
    pub(crate) waits: f64,
}

impl Reads {
    /// Reads some keys, and touches their values.
    pub(crate) fn of(store: &dyn Engine, keys: u64, reads: u64, seed: u64) -> Result<Reads> {
        let (before, mut sum) = (Read::so_far()?, 0);
        let ((), seconds) = timed(|| {
            for number in draws(seed, keys, reads) {
                if !store.get(&key(number), &mut |value| sum ^= touched(value))? {
                    return Err(format!("key number {number} is gone").into());
                }
            }
            Ok(())
        })?;
        std::hint::black_box(sum);
        let after = Read::so_far()?;
        let each = |before: u64, after: u64| (after - before) as f64 / reads as f64;
        Ok(Reads {
            per_second: reads as f64 / seconds,
            bytes: each(before.bytes, after.bytes),
            waits: each(before.waits, after.waits),
        })
    }
}

/// What this process has had to read from the disk so far.
struct Read {
    bytes: u64,
    /// Faults of mapped pages that were not in memory.
    waits: u64,
}

impl Read {
    fn so_far() -> Result<Read> {
        let io = std::fs::read_to_string("/proc/self/io")?;
        let bytes = io.lines().find_map(|line| line.strip_prefix("read_bytes: "));
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // Behind the name, which may hold anything: state, six numbers, minor faults, those of children, major faults.
        let waits = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(9));
        let bytes = bytes.ok_or("no read_bytes")?.parse()?;
        Ok(Read { bytes, waits: waits.ok_or("no major faults")?.parse()? })
    }
}

/// Writes all files of a folder out and makes the system forget what it has cached of them.
pub(crate) fn forget(path: &Path) -> Result<()> {
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
            continue;
        }
        let file = File::open(path)?;
        file.sync_all()?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}
