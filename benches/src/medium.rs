//! What the machine can do without any store: the bounds that the stores' figures are held against.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Result;
use crate::data::Values;

/// Bytes of one write of [`page_cache`].
const BLOCK_LEN: usize = 64 << 10;

/// Bytes of one write before each sync: about a record of a small value.
const SMALL_LEN: usize = 144;

/// The file grows by this much ahead of the writes, as a segment does.
const GROWTH_LEN: u64 = 1 << 20;

/// Bytes in front of a large value in a log: a record's head, and its key.
pub const HEAD_LEN: usize = 40;

/// Writes `bytes` to a new file in blocks of 64 KiB and `more` bytes, without a sync; returns bytes per second.
///
/// # Errors
///
/// What the platform says.
pub fn page_cache(folder: &Path, bytes: u64, more: usize) -> Result<f64> {
    let block_len = BLOCK_LEN + more;
    let values = Values::new(block_len);
    let path = folder.join("raw");
    let mut file = File::create_new(&path)?;
    let blocks = bytes / block_len as u64;
    let started = Instant::now();
    for number in 0..blocks {
        file.write_all(values.of(number))?;
    }
    let seconds = started.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok((blocks * block_len as u64) as f64 / seconds)
}

/// How each sync of [`Fdatasync`] gets something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// 144 bytes are appended to a file that was made longer ahead, as a store's log is.
    Append,
    /// 144 bytes are overwritten in blocks that are on the disk: nothing but data has to be written.
    Overwrite,
}

/// A file to measure syncs with, one after the other by one thread.
pub struct Fdatasync {
    file: File,
    path: PathBuf,
    values: Values,
    before: Before,
    syncs: u64,
    offset: u64,
    grown: u64,
    time: Duration,
}

impl Fdatasync {
    /// Makes the file.
    ///
    /// # Errors
    ///
    /// What the platform says.
    pub fn new(folder: &Path, before: Before) -> Result<Fdatasync> {
        let path = folder.join("raw-syncs");
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let mut grown = 0;
        if before == Before::Overwrite {
            file.write_all(&vec![1; usize::try_from(GROWTH_LEN)?])?;
            file.sync_all()?;
            grown = GROWTH_LEN;
        }
        let values = Values::new(SMALL_LEN);
        let time = Duration::ZERO;
        Ok(Fdatasync { file, path, values, before, syncs: 0, offset: 0, grown, time })
    }

    /// Writes and syncs for this long.
    ///
    /// # Errors
    ///
    /// What the platform says.
    pub fn go_on(&mut self, time: Duration) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < time {
            if self.before == Before::Overwrite && self.grown < self.offset + SMALL_LEN as u64 {
                self.offset = 0;
            }
            let end = self.offset + SMALL_LEN as u64;
            if self.grown < end {
                self.grown = end.next_multiple_of(GROWTH_LEN);
                self.file.set_len(self.grown)?;
            }
            self.file.seek(SeekFrom::Start(self.offset))?;
            self.file.write_all(self.values.of(self.syncs))?;
            self.file.sync_data()?;
            self.offset = end;
            self.syncs += 1;
        }
        self.time += started.elapsed();
        Ok(())
    }

    /// Syncs per second so far.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.syncs as f64 / self.time.as_secs_f64()
    }
}

impl Drop for Fdatasync {
    fn drop(&mut self) {
        // Best effort: the folder is removed at the end.
        let _ = std::fs::remove_file(&self.path);
    }
}
