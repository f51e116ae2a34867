//! One segment of a [`Faulty`](super::Faulty) storage.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use bitcask_core::{Bytes, Segment};

use super::fault::{Call, Verdict};
use super::file::File;
use super::{Disk, SharedFile, lock};

/// One segment.
#[derive(Debug)]
pub struct FaultySegment {
    disk: Arc<Mutex<Disk>>,
    file: SharedFile,
    /// Up to here nothing is ever cut by this handle.
    settled: AtomicUsize,
    /// What was there when it was frozen, where that is mapped.
    mapped: OnceLock<Bytes>,
}

impl FaultySegment {
    pub(super) fn new(disk: &Arc<Mutex<Disk>>, file: SharedFile) -> FaultySegment {
        let (settled, mapped) = (AtomicUsize::new(0), OnceLock::new());
        FaultySegment { disk: Arc::clone(disk), file, settled, mapped }
    }

    fn both(&self) -> (MutexGuard<'_, Disk>, MutexGuard<'_, File>) {
        let disk = lock(&self.disk);
        (disk, lock(&self.file))
    }
}

impl Segment for FaultySegment {
    fn len(&self) -> u64 {
        lock(&self.file).live.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let (mut disk, file) = self.both();
        disk.read()?;
        let start = offset as usize;
        if let Some(mapped) = self.mapped.get().filter(|mapped| start + len <= mapped.len()) {
            return Ok(mapped.slice(start..start + len));
        }
        let Some(bytes) = file.live.get(start..start.saturating_add(len)) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if !disk.failing.flips() || bytes.is_empty() {
            return Ok(Bytes::copy_from_slice(bytes));
        }
        let mut flipped = bytes.to_vec();
        let place = disk.chance.index(len);
        flipped[place] ^= 1 << disk.chance.below(8);
        disk.counts.flips += 1;
        Ok(flipped.into())
    }

    fn peek(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = offset as usize;
        self.mapped.get()?.get(start..start.checked_add(len)?)
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let (mut disk, mut file) = self.both();
        let verdict = disk.write(Call::Append);
        let before = file.live.len();
        file.grown = 0;
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let short = match verdict {
            Verdict::Works | Verdict::Cut => len,
            Verdict::Off => 0,
            Verdict::Fails(_) | Verdict::Kill => match disk.chance.below(4) {
                0 => 0,
                1 => len,
                _ => disk.chance.index(len + 1),
            },
        };
        parts.iter().for_each(|part| file.live.extend_from_slice(part));
        file.live.truncate(before + short);
        // Records begin with their checksums.
        let first = file.live.get(before..before + 8).and_then(|bytes| bytes.try_into().ok());
        disk.note(len as u64, first.map_or(0, u64::from_le_bytes));
        verdict.answer(())
    }

    fn sync(&self) -> io::Result<()> {
        let (mut disk, mut file) = self.both();
        let verdict = disk.write(Call::Sync);
        match verdict {
            Verdict::Works => file.sync(),
            Verdict::Cut | Verdict::Kill if disk.chance.one_in(2) => file.sync(),
            Verdict::Fails(_) if disk.chance.one_in(2) => {
                disk.counts.given_up += u64::from(file.stable < file.live.len());
                file.give_up();
            }
            _ => {}
        }
        verdict.answer(())
    }

    fn rewrite(&self, place: Range<u64>) -> io::Result<()> {
        let (mut disk, mut file) = self.both();
        let place = place.start as usize..place.end as usize;
        if file.live.get(place.clone()).is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if place.is_empty() {
            return Ok(());
        }
        let verdict = disk.write(Call::Rewrite);
        match verdict {
            Verdict::Works | Verdict::Cut => file.rewrite(&place),
            Verdict::Fails(_) | Verdict::Kill => {
                let part = disk.chance.index(place.len() + 1);
                file.rewrite(&(place.start..place.start + part));
            }
            Verdict::Off => {}
        }
        verdict.answer(())
    }

    fn settle(&self, len: u64) {
        let len = len as usize;
        let before = self.settled.swap(len, Ordering::Relaxed);
        assert!(before <= len && len <= lock(&self.file).live.len(), "settled up to {len}");
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let (mut disk, mut file) = self.both();
        let verdict = disk.write(Call::Truncate);
        let len = len as usize;
        let happens = match verdict {
            Verdict::Works | Verdict::Cut => true,
            Verdict::Kill => disk.chance.one_in(2),
            Verdict::Fails(_) | Verdict::Off => false,
        };
        let settled = self.settled.load(Ordering::Relaxed);
        assert!(settled <= len, "a cut to {len} of what was settled up to {settled}");
        if happens && len < file.live.len() {
            file.truncate(len);
        }
        verdict.answer(())
    }

    fn freeze(&self) -> io::Result<()> {
        let (mut disk, mut file) = self.both();
        let verdict = disk.write(Call::Freeze);
        file.frozen |= verdict == Verdict::Works;
        if verdict == Verdict::Works && disk.mapped {
            self.mapped.get_or_init(|| Bytes::copy_from_slice(&file.live));
        }
        verdict.answer(())
    }
}
