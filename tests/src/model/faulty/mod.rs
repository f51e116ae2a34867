//! [`Faulty`]: a storage in memory whose power goes, and whose calls fail.
//!
//! **The fault model.** Each segment has a *live* image, which reads see, and a *durable* one, which is the live one of its last
//! sync. Bytes below the *stable* length are the same in both and were not touched since; a power cut leaves them alone. All
//! that follows may be, after a power cut,
//!
//! - as it was at the last sync, or as it was written, or written up to any byte;
//! - mixed, in sectors of 32, 64 or 512 bytes: each as written, as it was, as zeros, as what stood there before a truncation that
//!   was not synced, as the bytes of a removed segment (a slot that is used again) or as noise; and the
//!   file may end anywhere up to a little beyond the longest of these, where there are zeros or a removed segment's bytes;
//! - grown, but zeros.
//!
//! `create` and `remove` are durable when they return. The call in which the power goes happens in part: an append may be there,
//! a sync may have worked, a name may have come or gone. Every call after it fails.
//!
//! A call may also *fail* and the machine go on: an append leaves any part of its bytes behind; a create or a remove may have
//! worked all the same; a sync makes nothing durable; a read fails and the next one works. A full disk fails appends and creates
//! for a while, and nothing else.
//!
//! Not in the model: synced bytes that change (damage has tests of its own), and a kernel that reports a failed sync once and then
//! calls pages clean that never reached the disk.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitcask_core::{Bytes, Segment, SegmentId, Storage};

use super::random::Random;

/// What is to go wrong, by the number of the call since it was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The power goes in this call that changes something (append, sync, truncate, freeze, create, remove).
    Cut(u64),
    /// So many calls that change something fail, from this one on.
    FailWrites(u64, u64),
    /// This call that only looks (read, open, list) fails.
    FailRead(u64),
    /// Appends and creates fail for want of room, so many, from this call that changes something on.
    Full(u64, u64),
}

/// The storage. Clones share everything.
#[derive(Clone, Debug)]
pub struct Faulty {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug)]
struct Disk {
    files: BTreeMap<SegmentId, SharedFile>,
    fault: Fault,
    /// Calls since the fault was set: those that change something, and those that look.
    writes: u64,
    reads: u64,
    off: bool,
    /// Whether a call failed since this was last asked.
    fired: bool,
    /// What becomes of bytes: apart from `random`, so that the store's own choices stay the same.
    chance: Random,
    random: Random,
    now_ms: u64,
    /// The segment that was removed last.
    stale: Vec<u8>,
}

/// Bytes of a segment's header.
const HEADER_LEN: usize = 72;

type SharedFile = Arc<Mutex<File>>;

#[derive(Clone, Debug, Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    stable: usize,
    /// What was cut off since the last sync, in its old place.
    ghost: Vec<u8>,
}

/// One segment.
#[derive(Debug)]
pub struct FaultySegment {
    disk: Arc<Mutex<Disk>>,
    file: SharedFile,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is to happen in a call that changes something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Works,
    Fails(io::ErrorKind),
    /// It fails, and the power is gone.
    Cut,
    /// The power was gone before.
    Off,
}

impl Verdict {
    fn error(self) -> io::Error {
        match self {
            Verdict::Fails(kind) => io::Error::new(kind, "a failure that the test wanted"),
            _ => io::Error::other("the power is off"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Append,
    Create,
    Other,
}

impl Disk {
    fn write(&mut self, call: Call) -> Verdict {
        if self.off {
            return Verdict::Off;
        }
        self.writes += 1;
        let number = self.writes;
        let within = |from: u64, count: u64| from <= number && number - from < count;
        let verdict = match self.fault {
            Fault::Cut(at) if at == number => Verdict::Cut,
            Fault::FailWrites(from, count) if within(from, count) => {
                Verdict::Fails(io::ErrorKind::Other)
            }
            Fault::Full(from, count) if within(from, count) && call != Call::Other => {
                Verdict::Fails(io::ErrorKind::StorageFull)
            }
            _ => Verdict::Works,
        };
        self.off = verdict == Verdict::Cut;
        self.fired |= verdict != Verdict::Works;
        verdict
    }

    fn read(&mut self) -> io::Result<()> {
        if self.off {
            return Err(Verdict::Off.error());
        }
        self.reads += 1;
        if self.fault == Fault::FailRead(self.reads) {
            self.fired = true;
            return Err(Verdict::Fails(io::ErrorKind::Other).error());
        }
        Ok(())
    }
}

impl Faulty {
    /// An empty folder. Everything that happens follows from the seed and the calls.
    #[must_use]
    pub fn new(seed: u64) -> Faulty {
        let disk = Disk {
            files: BTreeMap::new(),
            fault: Fault::None,
            writes: 0,
            reads: 0,
            off: false,
            fired: false,
            chance: Random::new(seed ^ 0x5eed),
            random: Random::new(seed),
            now_ms: 0,
            stale: Vec::new(),
        };
        Faulty { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Says what is to go wrong next, and counts calls from 0 again.
    pub fn set_fault(&self, fault: Fault) {
        let mut disk = lock(&self.disk);
        (disk.fault, disk.writes, disk.reads) = (fault, 0, 0);
    }

    /// Calls since the fault was set: those that change something, and those that look.
    #[must_use]
    pub fn calls(&self) -> (u64, u64) {
        let disk = lock(&self.disk);
        (disk.writes, disk.reads)
    }

    /// Other chances from here on; the store's own random bits stay what they are.
    pub fn set_chance(&self, seed: u64) {
        lock(&self.disk).chance = Random::new(seed);
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        lock(&self.disk).off
    }

    /// Whether a call failed since this was last forgotten.
    #[must_use]
    pub fn has_fired(&self) -> bool {
        lock(&self.disk).fired
    }

    /// Whether more than room is wanting.
    #[must_use]
    pub fn may_poison(&self) -> bool {
        !matches!(lock(&self.disk).fault, Fault::Full(..))
    }

    /// Forgets that a call failed.
    pub fn forget_fired(&self) {
        lock(&self.disk).fired = false;
    }

    /// Sets the time.
    pub fn set_now_ms(&self, now_ms: u64) {
        lock(&self.disk).now_ms = now_ms;
    }

    /// The bytes that reads see.
    #[must_use]
    pub fn image(&self) -> BTreeMap<SegmentId, Vec<u8>> {
        lock(&self.disk).files.iter().map(|(id, file)| (*id, lock(file).live.clone())).collect()
    }

    /// Puts other bytes in a segment's place, durable ones, also under handles that are open: damage that no checksum tells.
    pub fn replace(&self, id: SegmentId, bytes: &[u8]) {
        if let Some(file) = lock(&self.disk).files.get(&id) {
            let mut file = lock(file);
            file.live = bytes.to_vec();
            file.sync();
        }
    }

    /// The power goes, if it has not yet, and comes back: what was durable is there, of the rest whatever chance left. Handles from
    /// before belong to another world.
    pub fn power_on(&self) {
        let mut disk = lock(&self.disk);
        let Disk { files, chance, stale, .. } = &mut *disk;
        for file in files.values_mut() {
            let left = lock(file).after_a_cut(chance, stale);
            let file_left =
                File { durable: left.clone(), stable: left.len(), live: left, ghost: Vec::new() };
            *file = Arc::new(Mutex::new(file_left));
        }
        (disk.off, disk.fired, disk.fault) = (false, false, Fault::None);
    }
}

impl File {
    fn sync(&mut self) {
        self.durable.clone_from(&self.live);
        self.stable = self.live.len();
        self.ghost.clear();
    }

    fn truncate(&mut self, len: usize) {
        if self.ghost.len() < self.live.len() {
            self.ghost.resize(self.live.len(), 0);
        }
        for (ghost, live) in self.ghost.iter_mut().zip(&self.live).skip(len) {
            *ghost = *live;
        }
        self.live.truncate(len);
        self.stable = self.stable.min(len);
    }

    fn is_durable(&self) -> bool {
        self.stable == self.live.len() && self.stable == self.durable.len() && self.ghost.is_empty()
    }

    /// One of the images that the fault model allows.
    fn after_a_cut(&self, chance: &mut Random, stale: &[u8]) -> Vec<u8> {
        if self.is_durable() {
            return self.live.clone();
        }
        match chance.below(10) {
            0 => self.durable.clone(),
            1 => self.live.clone(),
            2 | 3 => {
                let end = self.stable + chance.index(self.live.len() - self.stable + 1);
                self.live[..end].to_vec()
            }
            4 => {
                let zeros_from = self.stable + chance.index(self.live.len() - self.stable + 1);
                let mut left = self.live[..zeros_from].to_vec();
                left.resize(self.live.len() + chance.index(100), 0);
                left
            }
            5 if !self.ghost.is_empty() => self.with_ghost(),
            _ => self.mixed(chance, stale),
        }
    }

    /// The truncation never reached the disk, what was written since did.
    fn with_ghost(&self) -> Vec<u8> {
        let mut left = self.live.clone();
        left.extend(self.ghost.iter().skip(self.live.len()));
        left
    }

    /// Sector by sector.
    fn mixed(&self, chance: &mut Random, stale: &[u8]) -> Vec<u8> {
        let sector = [32, 64, 512][chance.index(3)];
        let longest = self.live.len().max(self.durable.len()).max(self.ghost.len());
        let len = match chance.below(4) {
            0 => self.stable + chance.index(longest - self.stable + 1),
            1 => longest + chance.index(100),
            2 => self.live.len(),
            _ => longest,
        };
        // Half of the time all but one sector are as written.
        let sectors = (longest / sector) + 1;
        let first = self.stable / sector;
        let odd_one = chance.one_in(2).then(|| first + chance.index(sectors - first));
        let at = |bytes: &[u8], place: usize| bytes.get(place).copied().unwrap_or(0);
        let mut left = self.live[..self.stable.min(len)].to_vec();
        let mut choice = (usize::MAX, 0);
        for place in left.len()..len {
            if choice.0 != place / sector {
                let is_odd = odd_one.is_none_or(|odd| odd == place / sector);
                choice = (place / sector, if is_odd { chance.below(8) } else { 0 });
            }
            left.push(match choice.1 {
                // Nothing was ever written here.
                0..=5 | 7.. if longest <= place => 0,
                // A removed segment's header is overwritten before its place is used again.
                6 if place < HEADER_LEN => 0,
                0 | 1 => at(&self.live, place),
                2 | 3 => at(&self.durable, place),
                4 => 0,
                5 => at(&self.ghost, place),
                6 => at(stale, place),
                _ => chance.bits() as u8,
            });
        }
        left
    }
}

impl FaultySegment {
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
        match file.live.get(start..start.saturating_add(len)) {
            Some(bytes) => Ok(Bytes::copy_from_slice(bytes)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let (mut disk, mut file) = self.both();
        let verdict = disk.write(Call::Append);
        let bytes = parts.concat();
        match verdict {
            Verdict::Works => {
                file.live.extend_from_slice(&bytes);
                return Ok(());
            }
            Verdict::Fails(_) => {
                let short = match disk.chance.below(4) {
                    0 => 0,
                    1 => bytes.len(),
                    _ => disk.chance.index(bytes.len() + 1),
                };
                file.live.extend_from_slice(&bytes[..short]);
            }
            Verdict::Cut => file.live.extend_from_slice(&bytes),
            Verdict::Off => {}
        }
        Err(verdict.error())
    }

    fn sync(&self) -> io::Result<()> {
        let (mut disk, mut file) = self.both();
        let verdict = disk.write(Call::Other);
        if verdict == Verdict::Works || (verdict == Verdict::Cut && disk.chance.one_in(2)) {
            file.sync();
        }
        if verdict == Verdict::Works { Ok(()) } else { Err(verdict.error()) }
    }

    fn rewrite(&self, place: Range<u64>) -> io::Result<()> {
        let (mut disk, file) = self.both();
        if file.live.get(place.start as usize..place.end as usize).is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match disk.write(Call::Other) {
            Verdict::Works => Ok(()),
            verdict => Err(verdict.error()),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let (mut disk, mut file) = self.both();
        let verdict = disk.write(Call::Other);
        let len = len as usize;
        if matches!(verdict, Verdict::Works | Verdict::Cut) && len < file.live.len() {
            file.truncate(len);
        }
        if verdict == Verdict::Works { Ok(()) } else { Err(verdict.error()) }
    }

    fn freeze(&self) -> io::Result<()> {
        match lock(&self.disk).write(Call::Other) {
            Verdict::Works => Ok(()),
            verdict => Err(verdict.error()),
        }
    }
}

impl Storage for Faulty {
    type Segment = FaultySegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        let mut disk = lock(&self.disk);
        disk.read()?;
        Ok(disk.files.keys().copied().collect())
    }

    fn create(&self, id: SegmentId) -> io::Result<FaultySegment> {
        let mut disk = lock(&self.disk);
        let verdict = disk.write(Call::Create);
        if disk.files.contains_key(&id) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = SharedFile::default();
        let half_done = matches!(verdict, Verdict::Fails(_) | Verdict::Cut);
        if verdict == Verdict::Works || (half_done && disk.chance.one_in(2)) {
            disk.files.insert(id, Arc::clone(&file));
        }
        match verdict {
            Verdict::Works => Ok(FaultySegment { disk: Arc::clone(&self.disk), file }),
            verdict => Err(verdict.error()),
        }
    }

    fn open(&self, id: SegmentId) -> io::Result<FaultySegment> {
        let mut disk = lock(&self.disk);
        disk.read()?;
        let file = disk.files.get(&id).ok_or(io::ErrorKind::NotFound)?;
        Ok(FaultySegment { disk: Arc::clone(&self.disk), file: Arc::clone(file) })
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        let mut disk = lock(&self.disk);
        let verdict = disk.write(Call::Other);
        if !disk.files.contains_key(&id) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let half_done = matches!(verdict, Verdict::Fails(_) | Verdict::Cut);
        if (verdict == Verdict::Works || (half_done && disk.chance.one_in(2)))
            && let Some(file) = disk.files.remove(&id)
        {
            disk.stale.clone_from(&lock(&file).live);
        }
        if verdict == Verdict::Works { Ok(()) } else { Err(verdict.error()) }
    }

    fn now_ms(&self) -> u64 {
        lock(&self.disk).now_ms
    }

    fn random(&self) -> u64 {
        lock(&self.disk).random.bits()
    }
}
