//! [`Faulty`]: a storage in memory whose power goes, whose process dies, and whose calls fail. All of it follows from a seed.
//!
//! # The fault model
//!
//! **Mapping** ([`Faulty::map_frozen`]). Segments that are frozen may be looked at in place, which no fault meets: a read that fails there ends a real
//! process.
//!
//! **Bytes.** Each file has a *live* image, which reads see, and a *durable* one, which is the live one of its last sync. Bytes
//! below the *stable* length are durable and were not touched since; a power cut leaves them alone. All that follows may be,
//! after a power cut,
//!
//! - as it was at the last sync, or as it was written, or written up to any byte;
//! - mixed, in sectors of 32, 64 or 512 bytes: each as written, as it was, as zeros, as what stood there before a truncation that
//!   was not synced, as the bytes of a removed segment (a block that is used again) or as noise;
//! - grown, but zeros. What a file grew by ahead of what is written is zeros, or not there.
//!
//! **Lengths** are apart from contents: the file may end anywhere from the stable length to a little beyond the longest that it ever
//! was since its last sync.
//!
//! **Names.** `create` and `remove` are durable when they return well. A create that fails, or in which the power goes, may have worked
//! and be seen, and not be durable; or not be seen, and be there after a power cut. A remove may have done nothing; or the file is gone, and may
//! come back with a power cut. What works later makes all names durable.
//!
//! **Slots** ([`Profile::Slots`], which is OPFS): there are no names. Files are a pool, used again in place; the first 72 bytes of each say what it holds.
//! A `create` writes nothing; what stood in the slot may show behind a new header that was not synced, and a torn one is a segment of an id
//! that nobody gave. A `remove` writes zeros over the header, durably, and cuts the rest, not durably. (A slot that exists for less than some
//! seconds may vanish in Chromium; the binding makes slots ahead of time, promises nothing before, and so neither does the model.)
//!
//! **The last call.** The call in which the power goes happens in part: an append may be there, a sync may have worked. Every later call
//! fails. A process may die ([`Fault::Kill`]) instead: reads of the next one see all that was written, none of it durable by that, and
//! files may have grown by zeros. Then the power goes at any call, also while the store is being opened.
//!
//! **Failing calls.** A call may fail once, some times on end, or for good with all of its kind ([`Fault::Broken`]), and the machine goes on. An append leaves
//! any part of its bytes behind; a create or a remove may have worked all the same; a truncate does nothing; a read fails and the next one works. A full
//! disk fails appends and creates for a while, and nothing else.
//!
//! **A failed sync** makes nothing durable. Half of the time what it should have written is still to be written, and the next sync
//! does so. The other half the kernel calls it clean: **reads see it, later syncs succeed and leave it out, and a power cut takes
//! it** (Linux on ext4 and xfs). Only bytes that are written once more are durable with the next sync. Writing the same bytes again
//! in place harms none that are durable.
//!
//! **Damage**, apart from all this: [`Faulty::rot`] changes a bit of what is durable, [`Fault::FlipRead`] one of what is read. A store need not survive
//! it, but must never answer with anything that is wrong.

mod every;
mod fault;
mod file;
mod segment;
mod slots;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitcask_core::{SegmentId, Storage};

use super::random::Random;
use fault::{Failing, Verdict, off};
use file::File;

pub use every::Image;
pub use fault::{Call, Fault, Rates};
pub use segment::FaultySegment;

/// How segments are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// As files with names.
    #[default]
    Files,
    /// In slots that are used again in place.
    Slots,
}

/// The storage. Clones share everything.
#[derive(Clone, Debug)]
pub struct Faulty {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug)]
struct Disk {
    profile: Profile,
    /// Whether what is frozen may be looked at in place.
    mapped: bool,
    files: BTreeMap<SegmentId, SharedFile>,
    /// What a power cut does to names: gives one back, or takes it.
    limbo: Vec<(SegmentId, Option<SharedFile>)>,
    /// Slots that hold no segment, the one that is used next first.
    free: Vec<File>,
    failing: Failing,
    off: bool,
    /// The process is dead, but not the machine.
    killed: bool,
    /// Whether a call failed since this was last asked: in this session, in this step of a program, for more than want of room.
    fired: bool,
    fired_lately: bool,
    fired_hard: bool,
    /// Calls in this step of a program.
    in_step: u64,
    /// What becomes of bytes: apart from `random`, so that the store's own choices stay the same.
    chance: Random,
    random: Random,
    now_ms: u64,
    /// The segment that was removed last.
    stale: Vec<u8>,
    trace: u64,
    syncs: u64,
    counts: Counts,
}

/// What came to pass that is rare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Failed syncs that gave up what they should have written.
    pub given_up: u64,
    /// Power cuts that took what a sync had given up and a later one had passed over.
    pub lost_by_syncs: u64,
    /// Names that came back, or went, with the power.
    pub names_changed: u64,
    /// Segments in slots that were used before.
    pub slots_reused: u64,
    /// Slots whose header was torn.
    pub slots_torn: u64,
    /// Bits that were changed.
    pub flips: u64,
    /// Where the last of them was: the segment, and the place in it.
    pub flipped: (u64, usize),
}

/// Calls that no step of a program needs: the longest make some thousands.
const ENDLESS: u64 = 1_000_000;

type SharedFile = Arc<Mutex<File>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    fn write(&mut self, call: Call) -> Verdict {
        self.count_call();
        if self.off {
            return Verdict::Off;
        }
        let verdict = self.failing.write(call, &mut self.chance);
        self.syncs += u64::from(call == Call::Sync);
        self.note(call as u64 + 1, matches!(verdict, Verdict::Works).into());
        if verdict != Verdict::Works {
            let full = verdict == Verdict::Fails(io::ErrorKind::StorageFull);
            (self.fired, self.fired_lately) = (true, true);
            self.fired_hard |= !full;
        }
        self.killed |= verdict == Verdict::Kill;
        self.off = matches!(verdict, Verdict::Cut | Verdict::Kill);
        verdict
    }

    fn read(&mut self) -> io::Result<()> {
        self.count_call();
        if self.off {
            return Err(off());
        }
        if self.failing.read(&mut self.chance) {
            (self.fired, self.fired_lately, self.fired_hard) = (true, true, true);
            return Err(io::ErrorKind::Other.into());
        }
        Ok(())
    }

    /// A store that never comes to the end of a step is found by this, and shrunk like any other.
    fn count_call(&mut self) {
        self.in_step += 1;
        assert!(self.in_step < ENDLESS, "this step does not end: it has made {ENDLESS} calls");
    }

    /// Takes something into the trace.
    fn note(&mut self, what: u64, of: u64) {
        self.trace =
            (self.trace.rotate_left(7) ^ what ^ (of << 8)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Faulty {
    /// An empty folder. Everything that happens follows from the seed and the calls.
    #[must_use]
    pub fn new(seed: u64) -> Faulty {
        Faulty::with_profile(seed, Profile::Files)
    }

    /// An empty folder, or an empty pool.
    #[must_use]
    pub fn with_profile(seed: u64, profile: Profile) -> Faulty {
        let disk = Disk {
            profile,
            mapped: false,
            files: BTreeMap::new(),
            limbo: Vec::new(),
            free: Vec::new(),
            failing: Failing::default(),
            off: false,
            killed: false,
            fired: false,
            fired_lately: false,
            fired_hard: false,
            in_step: 0,
            chance: Random::new(seed ^ 0x5eed),
            random: Random::new(seed),
            now_ms: 0,
            stale: Vec::new(),
            trace: 0,
            syncs: 0,
            counts: Counts::default(),
        };
        Faulty { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Says what is to go wrong next, and counts calls from 0 again.
    pub fn set_fault(&self, fault: Fault) {
        lock(&self.disk).failing = Failing::of(fault);
    }

    /// Calls since the fault was set: those that change something, and those that look.
    #[must_use]
    pub fn calls(&self) -> (u64, u64) {
        let disk = lock(&self.disk);
        (disk.failing.writes, disk.failing.reads)
    }

    /// Syncs that were asked for so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        lock(&self.disk).syncs
    }

    /// What is frozen from here on may be looked at in place, as in a mapped file: that neither fails nor changes.
    pub fn map_frozen(&self) {
        lock(&self.disk).mapped = true;
    }

    /// Other chances from here on; the store's own random bits stay what they are.
    pub fn set_chance(&self, seed: u64) {
        lock(&self.disk).chance = Random::new(seed);
    }

    /// Whether the power is off, or the process dead.
    #[must_use]
    pub fn is_off(&self) -> bool {
        lock(&self.disk).off
    }

    /// Whether it is the process that is dead, and not the machine.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        lock(&self.disk).killed
    }

    /// Whether a call failed since this was last forgotten.
    #[must_use]
    pub fn has_fired(&self) -> bool {
        lock(&self.disk).fired
    }

    /// Whether a call failed in this step.
    #[must_use]
    pub fn has_fired_lately(&self) -> bool {
        lock(&self.disk).fired_lately
    }

    /// Whether more than room was wanting.
    #[must_use]
    pub fn may_poison(&self) -> bool {
        lock(&self.disk).fired_hard
    }

    /// Forgets that a call failed.
    pub fn forget_fired(&self) {
        let mut disk = lock(&self.disk);
        (disk.fired, disk.fired_lately, disk.fired_hard) = (false, false, false);
    }

    /// A step begins.
    pub fn begin_step(&self) {
        let mut disk = lock(&self.disk);
        (disk.fired_lately, disk.in_step) = (false, 0);
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

    /// Bytes of all segments.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        lock(&self.disk).files.values().map(|file| lock(file).live.len() as u64).sum()
    }

    /// Stands for all calls so far: the same program, seed and faults give the same.
    #[must_use]
    pub fn trace(&self) -> u64 {
        lock(&self.disk).trace
    }

    /// What came to pass that is rare.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.disk).counts
    }

    /// Puts other bytes in a segment's place, durable ones, also under handles that are open: damage that no checksum tells.
    pub fn replace(&self, id: SegmentId, bytes: &[u8]) {
        if let Some(file) = lock(&self.disk).files.get(&id) {
            *lock(file) = File::of(bytes.to_vec());
        }
    }

    /// Changes one bit of what is durable, in any segment. Says whether there was one.
    pub fn rot(&self) -> bool {
        let mut disk = lock(&self.disk);
        let total: usize = disk.files.values().map(|file| lock(file).stable).sum();
        let mut place = disk.chance.index(total);
        let bit = disk.chance.below(8);
        for (id, file) in &disk.files {
            let (id, mut file) = (id.0, lock(file));
            if place < file.stable {
                file.durable[place] ^= 1 << bit;
                file.live[place] ^= 1 << bit;
                drop(file);
                disk.counts.flips += 1;
                disk.counts.flipped = (id, place);
                return true;
            }
            place -= file.stable;
        }
        false
    }

    /// The power goes, if it has not yet, and comes back: what was durable is there, of the rest whatever chance left. Handles from
    /// before belong to another world.
    pub fn power_on(&self) {
        let mut disk = lock(&self.disk);
        disk.after_a_cut();
        disk.begin();
    }

    /// The next process begins, on the same machine.
    pub fn restart(&self) {
        let mut disk = lock(&self.disk);
        disk.after_a_kill();
        disk.begin();
    }
}

impl Disk {
    fn begin(&mut self) {
        (self.off, self.killed) = (false, false);
        (self.fired, self.fired_lately, self.fired_hard) = (false, false, false);
        self.failing = Failing::default();
    }

    fn after_a_cut(&mut self) {
        for (id, file) in std::mem::take(&mut self.limbo) {
            let there = match file {
                Some(file) => self.files.insert(id, file).is_some(),
                None => self.files.remove(&id).is_none(),
            };
            self.counts.names_changed += u64::from(!there);
        }
        let Disk { files, chance, stale, counts, .. } = self;
        for file in files.values_mut() {
            let left = {
                let file = lock(file);
                counts.lost_by_syncs += u64::from(file.has_lost());
                file.after_a_cut(chance, stale)
            };
            *file = Arc::new(Mutex::new(File::of(left)));
        }
        for slot in &mut self.free {
            *slot = File::of(slot.after_a_cut(&mut self.chance, &self.stale));
        }
        self.sort_slots();
    }

    /// Segments may have grown ahead of what was appended.
    fn after_a_kill(&mut self) {
        for file in self.files.values_mut() {
            let mut left = lock(file).clone();
            if !left.frozen && self.chance.one_in(3) {
                left.grow(self.chance.index(100));
            }
            *file = Arc::new(Mutex::new(left));
        }
        self.sort_slots();
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
        let file = disk.create(id, verdict);
        let segment = FaultySegment::new(&self.disk, file);
        verdict.answer(segment)
    }

    fn open(&self, id: SegmentId) -> io::Result<FaultySegment> {
        let mut disk = lock(&self.disk);
        disk.read()?;
        let file = disk.files.get(&id).ok_or(io::ErrorKind::NotFound)?;
        Ok(FaultySegment::new(&self.disk, Arc::clone(file)))
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        let mut disk = lock(&self.disk);
        let verdict = disk.write(Call::Remove);
        if !disk.files.contains_key(&id) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.remove(id, verdict);
        verdict.answer(())
    }

    fn now_ms(&self) -> u64 {
        lock(&self.disk).now_ms
    }

    fn random(&self) -> u64 {
        lock(&self.disk).random.bits()
    }
}
