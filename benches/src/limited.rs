//! A store several times as large as the memory that may hold it: a process of its own in a control group, whose limit is for the page cache too.
//! Linux only, where control groups may be made (as root); elsewhere the rows are left out. Of ours only: the caches of the others are larger than the
//! limit, and the system would end them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::child;
use crate::cold::{Reads, forget};
use crate::engine::Engine;
use crate::report::Sampler;
use crate::trial::Trial;
use crate::workload::bytes_of;

/// The store's files are so many times as large as the limit.
const TIMES: u64 = 4;

/// What a process takes that does nothing.
const OWN_BYTES: u64 = 8 << 20;

/// How many keys are read before any is counted, for each that is: then the page cache is as full as it may be.
const READS: u64 = 20_000;

/// Where control groups are: of the second version, and of the first; the file of the limit.
const ROOTS: [(&str, &str); 2] =
    [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")];

/// Gets of a store that does not fit into memory.
///
/// # Errors
///
/// The store's.
pub fn reading(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let (path, store) = trial.filled("limited")?;
    let index = store.index_bytes().unwrap_or_default();
    store.close()?;
    let bytes = bytes_of(&path)?;
    if let Some(group) = Group::new(bytes / TIMES + index + OWN_BYTES) {
        // What is cached counts for who read it.
        forget(&path)?;
        let reads = child::reads_in(&group.path, trial, &path)?;
        to.add("get hit, data 4 × the memory", "kops/s", reads.per_second / 1e3);
        let kilobytes = reads.bytes / 1e3;
        to.add("get hit, data 4 × the memory: read from the disk", "kB/get", kilobytes);
        to.add("get hit, data 4 × the memory: waits for the disk", "a get", reads.waits);
    }
    Ok(std::fs::remove_dir_all(path)?)
}

/// What the process in the group does.
pub(crate) fn read(store: &dyn Engine, keys: u64) -> Result<Reads> {
    Reads::of(store, keys, READS, 23)?;
    Reads::of(store, keys, READS, 29)
}

/// A control group that goes when this does.
struct Group {
    path: PathBuf,
}

impl Group {
    /// `None` where none can be made.
    fn new(limit: u64) -> Option<Group> {
        ROOTS.iter().find_map(|(root, file)| {
            let path = Path::new(root).join(format!("bitcask-bench-{}", std::process::id()));
            std::fs::create_dir(&path).ok()?;
            let group = Group { path };
            // Not one that the folder makes, if it is none of groups.
            let mut file = OpenOptions::new().write(true).open(group.path.join(file)).ok()?;
            file.write_all(limit.to_string().as_bytes()).ok()?;
            Some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its process has ended; else the next start of the machine takes it away.
        let _ = std::fs::remove_dir(&self.path);
    }
}
