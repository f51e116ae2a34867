//! How a segment comes and goes: a name in a folder, or a slot of a pool.

use std::sync::{Arc, Mutex};

use bitcask_core::{SegmentId, segment_id_of};

use super::fault::Verdict;
use super::file::{File, HEADER_LEN};
use super::{Disk, Profile, SharedFile, lock};

impl Disk {
    /// The file of a new segment, which is there as far as the verdict allows.
    pub(super) fn create(&mut self, id: SegmentId, verdict: Verdict) -> SharedFile {
        if self.profile == Profile::Slots {
            let works = verdict == Verdict::Works;
            let file = if works { self.take_slot() } else { File::default() };
            let file = Arc::new(Mutex::new(file));
            if works {
                self.files.insert(id, Arc::clone(&file));
            }
            return file;
        }
        let file = SharedFile::default();
        let half_done = verdict.is_half_done();
        let is_seen = verdict == Verdict::Works || (half_done && self.chance.one_in(2));
        if is_seen {
            self.files.insert(id, Arc::clone(&file));
        }
        if verdict == Verdict::Works {
            self.limbo.clear();
        } else if half_done && self.chance.one_in(2) {
            self.limbo.push((id, (!is_seen).then(|| Arc::clone(&file))));
        }
        file
    }

    /// Takes a segment away, as far as the verdict allows.
    pub(super) fn remove(&mut self, id: SegmentId, verdict: Verdict) {
        let half_done = verdict.is_half_done();
        if self.profile == Profile::Slots {
            if verdict == Verdict::Works {
                self.free_slot(id);
            } else if half_done
                && self.chance.one_in(2)
                && let Some(file) = self.files.get(&id)
            {
                lock(file).forget();
            }
            return;
        }
        let goes = verdict == Verdict::Works || (half_done && self.chance.one_in(2));
        let file = if goes { self.files.remove(&id) } else { None };
        if let Some(file) = &file {
            self.stale.clone_from(&lock(file).live);
        }
        if verdict == Verdict::Works {
            self.limbo.clear();
        } else if file.is_some() && self.chance.one_in(2) {
            // It is gone, and comes back with a power cut.
            self.limbo.push((id, file));
        }
    }

    /// What stands in the slot shows until something else was synced over it.
    fn take_slot(&mut self) -> File {
        if self.free.is_empty() {
            return File::default();
        }
        self.counts.slots_reused += 1;
        let slot = self.free.remove(0);
        let mut ghost = slot.ghost;
        if ghost.len() < slot.live.len() {
            ghost = slot.live;
        }
        File { durable: slot.durable, ghost, ..File::default() }
    }

    /// Zeros over the header, flushed; then the rest is cut. Who still reads the segment goes on reading it.
    fn free_slot(&mut self, id: SegmentId) {
        let Some(file) = self.files.remove(&id) else { return };
        let mut bytes = lock(&file).live.clone();
        self.stale.clone_from(&bytes);
        if bytes.len() < HEADER_LEN {
            bytes.resize(HEADER_LEN, 0);
        }
        bytes[..HEADER_LEN].fill(0);
        let mut slot = File::of(bytes);
        slot.truncate(HEADER_LEN);
        self.free.push(slot);
    }

    /// Finds out what each slot holds, as a new process does: by its first bytes.
    pub(super) fn sort_slots(&mut self) {
        if self.profile == Profile::Files {
            return;
        }
        let mut unreadable = Vec::new();
        let named = std::mem::take(&mut self.files).into_values();
        let mut slots: Vec<SharedFile> = named.collect();
        slots.extend(self.free.drain(..).map(|slot| Arc::new(Mutex::new(slot))));
        for slot in slots {
            let id = {
                let file = lock(&slot);
                let header = &file.live[..file.live.len().min(HEADER_LEN)];
                if header.iter().all(|byte| *byte == 0) {
                    self.free.push(file.clone());
                    continue;
                }
                segment_id_of(header)
            };
            match id {
                Some(id) if !self.files.contains_key(&id) => drop(self.files.insert(id, slot)),
                _ => unreadable.push(slot),
            }
        }
        for slot in unreadable {
            self.counts.slots_torn += 1;
            let after = self.files.last_key_value().map_or(0, |(id, _)| id.0);
            self.files.insert(SegmentId(after + 1), slot);
        }
    }
}
