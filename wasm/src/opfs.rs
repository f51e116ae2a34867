//! [`Opfs`]: the pool of slots as the engine's [`Storage`].

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeSet, BinaryHeap};
use std::io;
use std::rc::Rc;

use bitcask_core::{SegmentId, Storage, segment_id_of};

use crate::error::OpenError;
use crate::folder::Folder;
use crate::handle;
use crate::segment::{FileSegment, Memory, Readers};
use crate::slot::{HEADER_LEN, Slot};

/// Slots of a new store: two segments of its beginning, an output and a few to spare.
const SLOTS_AT_FIRST: u32 = 8;

/// Slots at most. Browsers limit the open handles, Safari to 252 for all stores of an origin.
const SLOTS_MAX: usize = 64;

/// What one call of the engine may create, which is two, and the one that holds space for a merge.
const FREE_SLOTS_MIN: usize = 3;

/// Slots that go on holding what was cut off of them: the next segments have that space, whatever others take.
const CUT_SLOTS_KEPT: usize = 2;

/// How often a slot is tried to be opened that was closed just now.
const REOPEN_TRIES: usize = 100;

/// Kept back, where there are no more to add, for the output of a merge: without a free slot no merge could
/// free one.
const SLOTS_FOR_MERGE: usize = 1;

/// A store's folder in the Origin Private File System: segments in a pool of slots whose handles are all
/// open. The [crate's page](crate) says why.
///
/// Lives in one dedicated worker, as all that comes from it. Having it is having the store; dropping or
/// closing it gives the store back.
#[derive(Debug)]
pub struct Opfs {
    folder: Folder,
    pool: RefCell<Pool>,
    memory: Rc<Memory>,
}

#[derive(Debug, Default)]
struct Pool {
    /// In rising order of their numbers, which is the order of their age.
    places: Vec<Place>,
    /// The highest number of a slot that is or was here.
    highest: u32,
    /// Slots that are being opened.
    opening: usize,
    /// Whether there was no room for the space that is kept for a merge, and nothing was removed since.
    refused: bool,
    /// Whether the slots that are kept back may be taken.
    merging: bool,
    closed: bool,
}

#[derive(Debug)]
struct Place {
    number: u32,
    slot: Rc<Slot>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Free,
    Segment(SegmentId, FileSegment),
    /// Removed, but somebody may still read it.
    Removed(Readers),
}

impl Opfs {
    /// Opens the store's folder of this name in the origin's private file system, and all its slots;
    /// creates what is missing. No content of any segment is changed.
    ///
    /// A name is 1 to 128 of the characters `a-z`, `0-9` and `-`. In a new folder 8 slots are created;
    /// that they exist may not survive a power cut in the next seconds (see the [crate's page](crate)).
    ///
    /// # Errors
    ///
    /// [`OpenError::Locked`] where somebody has it open, [`OpenError::Unsupported`] where this is no
    /// place for it, [`OpenError::Io`] else. After an error nothing is held.
    pub async fn open(name: &str) -> Result<Opfs, OpenError> {
        Opfs::of(Folder::open(name, true).await?).await
    }

    /// As [`Opfs::open`], but where there is no folder of this name it is not created.
    ///
    /// # Errors
    ///
    /// As [`Opfs::open`]; where there is no folder, [`OpenError::Io`] of the kind `NotFound`.
    pub async fn open_existing(name: &str) -> Result<Opfs, OpenError> {
        Opfs::of(Folder::open(name, false).await?).await
    }

    async fn of(folder: Folder) -> Result<Opfs, OpenError> {
        // The first slot alone before the others: of two who open at a time, one gets all of them.
        let first = folder.open_slots(&[0]).await?;
        let mut numbers = folder.slot_numbers().await?;
        numbers.retain(|number| *number != 0);
        numbers.extend(
            (1..SLOTS_AT_FIRST).filter(|number| !numbers.contains(number)).collect::<Vec<_>>(),
        );
        // Not by a sort, which is several kilobytes of code.
        let numbers = BinaryHeap::from(numbers).into_sorted_vec();
        let others = folder.open_slots(&numbers).await?;

        let memory = Rc::default();
        let slots = std::iter::once(0).chain(numbers).zip(first.into_iter().chain(others));
        let pool = Pool::of(slots, &memory)?;
        let opfs = Opfs { folder, pool: RefCell::new(pool), memory };
        opfs.prepare().await?;
        Ok(opfs)
    }

    /// Makes three free slots ready, one of them with space for a merge where there is room for that, and returns how many
    /// there are: fewer than three only where there are 64 slots, the most that there may be. The last free one of these is
    /// for [`Opfs::merging`].
    ///
    /// For between two calls of the store, each of which may take one (the first opening: two); the third is the merge's. Returns
    /// without waiting for anything where nothing is to be done. Where it was not called, a write or a merge
    /// that finds no slot is refused with [`io::ErrorKind::ResourceBusy`] before it has written anything:
    /// await this and call it again.
    ///
    /// # Errors
    ///
    /// Whatever the browser says; the store can be used as before.
    pub async fn prepare(&self) -> io::Result<usize> {
        if self.folder.growth().refused().take() {
            self.reopen_cut().await?;
        }
        let numbers = self.pool()?.numbers_to_open();
        self.open_slots(numbers).await?;
        let mut pool = self.pool()?;
        // Also those for which there was no room when they came.
        pool.free().for_each(|place| place.slot.lengthen());
        pool.keep_reserve();
        Ok(pool.free().count())
    }

    /// Closes the handles of free slots that were cut, and opens them again: then what was cut off is there for others.
    async fn reopen_cut(&self) -> io::Result<()> {
        let numbers = self.pool()?.take_cut();
        for number in numbers {
            let mut opened = self.folder.open_slots(&[number]).await;
            // A handle that was closed is let go some milliseconds later, which as many tries take.
            for _ in 0..REOPEN_TRIES {
                if !matches!(opened, Err(OpenError::Locked)) {
                    break;
                }
                opened = self.folder.open_slots(&[number]).await;
            }
            let mut pool = self.pool.borrow_mut();
            pool.opening -= 1;
            // One that does not open again is missed by nobody but this session.
            if !pool.closed
                && let Ok(slots) = opened
            {
                pool.add(slots.into_iter().map(|slot| (number, slot)));
            }
        }
        Ok(())
    }

    /// Opens slots that are counted as being opened, and adds them to the pool.
    async fn open_slots(&self, numbers: Vec<u32>) -> io::Result<()> {
        if numbers.is_empty() {
            return Ok(());
        }
        let opened = self.folder.open_slots(&numbers).await;
        // Closed in the meantime: what was opened closes as it is dropped.
        self.pool.borrow_mut().opening -= numbers.len();
        let slots = opened.map_err(|error| match error {
            OpenError::Io(error) => error,
            error => io::Error::new(io::ErrorKind::ResourceBusy, error),
        })?;
        self.pool()?.add(numbers.into_iter().zip(slots));
        Ok(())
    }

    /// Runs `work`, a step of a merge, which may take the slot that is kept back for it where all others of
    /// the 64 hold segments. Any other call of the store is refused then
    /// ([`io::ErrorKind::StorageFull`]), until a merge has freed slots.
    pub fn merging<T>(&self, work: impl FnOnce() -> T) -> T {
        self.pool.borrow_mut().merging = true;
        let done = self.urgently(work);
        self.pool.borrow_mut().merging = false;
        done
    }

    /// How many slots the pool has; as many file handles are open.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.pool.borrow().places.len()
    }

    /// Runs `work`, a call of the store that makes room or says that the log is whole: a delete, a step of a merge, a seal,
    /// a mark. It may write to the space that is kept for that, where the quota is used up.
    pub fn urgently<T>(&self, work: impl FnOnce() -> T) -> T {
        self.folder.growth().urgently(work)
    }

    /// Forgets what was read and written lately: the next calls read the files themselves.
    pub fn forget_bytes(&self) {
        self.memory.forget();
    }

    /// Closes all handles and gives the store back; so does dropping it. Nothing is flushed. From here on
    /// every call on it and on its segments is an error.
    pub fn close(&self) {
        let mut pool = self.pool.borrow_mut();
        pool.closed = true;
        self.memory.forget();
        // The first slot last: who gets it finds the others free.
        for place in pool.places.drain(..).rev() {
            place.slot.close();
        }
    }

    fn pool(&self) -> io::Result<RefMut<'_, Pool>> {
        let pool = self.pool.borrow_mut();
        if pool.closed {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the store's folder was closed",
            ));
        }
        Ok(pool)
    }
}

impl Drop for Opfs {
    fn drop(&mut self) {
        self.close();
    }
}

impl Pool {
    /// Reads what the slots hold.
    fn of(slots: impl Iterator<Item = (u32, Slot)>, memory: &Rc<Memory>) -> io::Result<Pool> {
        let mut pool = Pool::default();
        let mut used = BTreeSet::new();
        let mut unreadable = Vec::new();
        pool.add(slots);
        for place in &mut pool.places {
            let header = place.slot.header()?;
            match segment_id_of(&header) {
                Some(id) if used.insert(id) => place.hold_found(id, memory),
                None if header == [0; HEADER_LEN] => place.slot.lengthen(),
                _ => unreadable.push(place),
            }
        }
        // They follow the ids that are there, so that the engine's next id is none of them either.
        let mut id = used.last().map_or(0, |id| id.0);
        for place in unreadable {
            while !used.insert(SegmentId(id)) {
                id = id.wrapping_add(1);
            }
            place.hold_found(SegmentId(id), memory);
        }
        Ok(pool)
    }

    fn add(&mut self, slots: impl Iterator<Item = (u32, Slot)>) {
        for (number, slot) in slots {
            let at = self.places.partition_point(|place| place.number < number);
            let place = Place { number, slot: Rc::new(slot), content: Content::Free };
            self.places.insert(at, place);
        }
        self.highest = self.places.last().map_or(0, |place| place.number).max(self.highest);
    }

    fn free(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| place.is_free())
    }

    /// The numbers of slots to add. Counts them as being opened, so that whoever asks next gets others.
    fn numbers_to_open(&mut self) -> Vec<u32> {
        let wanted = FREE_SLOTS_MIN.saturating_sub(self.free().count());
        let count = wanted.min(SLOTS_MAX.saturating_sub(self.places.len() + self.opening));
        let skip = self.opening + 1;
        self.opening += count;
        (self.highest..).skip(skip).take(count).collect()
    }

    /// How long the slot of this number was at most; 0 where there is none, and for the first.
    fn longest(&self, number: u32) -> u64 {
        let place = self.places.iter().find(|place| place.number == number && number != 0);
        place.map_or(0, |place| place.slot.longest())
    }

    /// Takes free slots out that hold what was cut off of them, to be opened again. Not the first, which is the store's lock,
    /// nor the two that hold most: what they hold is there for the next segments, whatever others take. Counts them as
    /// being opened.
    fn take_cut(&mut self) -> Vec<u32> {
        let mut numbers = Vec::new();
        let mut most = [0; CUT_SLOTS_KEPT];
        for place in &self.places {
            if place.number == 0 || !place.is_free() || !place.slot.holds_what_was_cut() {
                continue;
            }
            // Each is put in the place of a smaller one, which goes.
            let mut number = place.number;
            for kept in &mut most {
                if self.longest(*kept) < self.longest(number) {
                    std::mem::swap(kept, &mut number);
                }
            }
            numbers.extend((number != 0).then_some(number));
        }
        self.places.retain(|place| !numbers.contains(&place.number));
        self.opening += numbers.len();
        self.refused &= numbers.is_empty();
        numbers
    }

    /// Sees that one of the free slots holds space for a merge. Where there is no room, it is tried again when something
    /// was removed.
    fn keep_reserve(&mut self) {
        if !self.refused && !self.free().any(|place| place.slot.is_reserve()) {
            // In Chromium what was long has the space for it, whatever is left; else the last: the first is used first.
            let longest = self.free().max_by_key(|place| place.slot.longest());
            let made = longest.is_none_or(|place| place.slot.make_reserve());
            self.refused = !made;
        }
    }

    /// The free slot to take next: for a merge the one that surely takes most; else one where a header can be written for
    /// sure. By what makes no room the one with the space for a merge is not taken, as long as others can be opened.
    fn next_free(&mut self, is_urgent: bool) -> Option<&mut Place> {
        let merging = self.merging;
        let leaves_reserve = !is_urgent && self.places.len() < SLOTS_MAX;
        let rank = |slot: &Slot| match (slot.is_reserve(), slot.has_header_room()) {
            (is_reserve, true) if merging || !is_reserve => 1,
            (true, _) if is_urgent => 2,
            (true, _) => 4,
            (false, _) => 3,
        };
        let order = |slot: &Slot| (rank(slot), if merging { u64::MAX - slot.longest() } else { 0 });
        let free = self.places.iter_mut().filter(|place| place.is_free());
        free.filter(|place| !leaves_reserve || !place.slot.is_reserve())
            .min_by_key(|place| order(&place.slot))
    }

    fn segment(&self, id: SegmentId) -> Option<&FileSegment> {
        self.places.iter().find_map(|place| match &place.content {
            Content::Segment(here, segment) if *here == id => Some(segment),
            _ => None,
        })
    }
}

impl Place {
    fn is_free(&self) -> bool {
        match &self.content {
            Content::Free => true,
            Content::Segment(..) => false,
            Content::Removed(readers) => readers.are_gone(),
        }
    }

    fn hold_found(&mut self, id: SegmentId, memory: &Rc<Memory>) {
        let segment = FileSegment::found(Rc::clone(&self.slot), memory);
        self.content = Content::Segment(id, segment);
    }
}

impl Storage for Opfs {
    type Segment = FileSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        let pool = self.pool()?;
        let ids = pool.places.iter().filter_map(|place| match place.content {
            Content::Segment(id, _) => Some(id),
            _ => None,
        });
        Ok(ids.collect())
    }

    fn create(&self, id: SegmentId) -> io::Result<FileSegment> {
        let mut pool = self.pool()?;
        if pool.segment(id).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let slots = pool.places.len();
        let kept_back = if slots < SLOTS_MAX || pool.merging { 0 } else { SLOTS_FOR_MERGE };
        if pool.free().count() <= kept_back {
            return Err(no_free_slot(slots));
        }
        let is_urgent = self.folder.growth().is_urgent();
        let place = pool.next_free(is_urgent).ok_or_else(|| no_free_slot(slots))?;
        // Stale bytes stand behind the header's zeros where a removal was cut short by a crash.
        place.slot.blank()?;
        let segment = FileSegment::created(Rc::clone(&place.slot), &self.memory);
        place.content = Content::Segment(id, segment.clone());
        Ok(segment)
    }

    fn open(&self, id: SegmentId) -> io::Result<FileSegment> {
        self.pool()?.segment(id).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        let mut pool = self.pool()?;
        pool.refused = false;
        for place in &mut pool.places {
            match &place.content {
                Content::Segment(here, segment) if *here == id => {
                    place.content = Content::Removed(segment.remove()?);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn now_ms(&self) -> u64 {
        handle::now_ms()
    }

    fn random(&self) -> u64 {
        handle::random()
    }
}

fn no_free_slot(slots: usize) -> io::Error {
    if slots < SLOTS_MAX {
        io::Error::new(
            io::ErrorKind::ResourceBusy,
            "no free slot is ready: `prepare` was not called",
        )
    } else {
        let text = format!("the {slots} slots hold segments: use larger segments, or merge sooner");
        io::Error::new(io::ErrorKind::StorageFull, text)
    }
}
