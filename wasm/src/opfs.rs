//! [`Opfs`]: the pool of slots as the engine's [`Storage`].

use std::cell::{RefCell, RefMut};
use std::io;
use std::rc::Rc;

use bitcask_core::{SegmentId, Storage, segment_id_of};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::fault::Fault;
use crate::handle::{self, Handle};
use crate::segment::{FileSegment, Memory, Readers};
use crate::slot::{Growth, HEADER_LEN, Slot};

/// Slots at most. Browsers limit the open handles, Safari to 252 for all stores of an origin.
const SLOTS_MAX: usize = 64;

/// What one call of the engine may create, which is two, and the one that holds space for a merge.
const FREE_SLOTS_MIN: usize = 3;

/// Slots that go on holding what was cut off of them: the next segments have that space, whatever others take.
const CUT_SLOTS_KEPT: usize = 2;

/// Kept back, where there are no more to add, for the output of a merge: without a free slot no merge could
/// free one.
const SLOTS_FOR_MERGE: usize = 1;

/// A store's folder in the Origin Private File System: segments in a pool of slots whose handles are all
/// open. The [crate's page](crate) says why.
///
/// Lives in one dedicated worker, as all that comes from it. Having it is having the store; dropping or
/// closing it gives the store back.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Opfs {
    pool: RefCell<Pool>,
    memory: Rc<Memory>,
    growth: Rc<Growth>,
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

#[wasm_bindgen]
impl Opfs {
    /// Takes the slots that a store's folder has, by their numbers and open handles. No content of any segment is changed.
    ///
    /// # Errors
    ///
    /// Where a slot cannot be read; then all are closed.
    #[wasm_bindgen(constructor)]
    pub fn of(numbers: &[u32], handles: Vec<Handle>) -> Result<Opfs, JsValue> {
        Ok(Opfs::holding(numbers, handles).map_err(Fault::of_files)?)
    }

    /// As [`Engine::slots_wanted`](crate::Engine::slots_wanted).
    ///
    /// # Errors
    ///
    /// `IO`: it was closed.
    #[wasm_bindgen(js_name = slotsWanted)]
    pub fn slots_wanted(&self) -> Result<Vec<u32>, JsValue> {
        Ok(self.wanted().map_err(Fault::of_files)?)
    }

    /// As [`Engine::add_slots`](crate::Engine::add_slots).
    ///
    /// # Errors
    ///
    /// `IO`: it was closed, or a slot does not say its length.
    #[wasm_bindgen(js_name = addSlots)]
    pub fn add_slots(
        &self,
        asked: u32,
        numbers: &[u32],
        handles: Vec<Handle>,
    ) -> Result<(), JsValue> {
        self.add(asked, numbers, handles).map_err(Fault::of_files)?;
        Ok(())
    }
}

impl Opfs {
    /// As [`Opfs::of`].
    ///
    /// # Errors
    ///
    /// Whatever the browser says.
    pub fn holding(numbers: &[u32], handles: Vec<Handle>) -> io::Result<Opfs> {
        let (growth, memory) = (Growth::stepwise(), Rc::default());
        let pool = Pool::of(slots_of(numbers, handles, &growth)?, &memory)?;
        Ok(Opfs { pool: RefCell::new(pool), memory, growth })
    }

    /// The numbers of slots to open, and where need be to create, so that three free ones are ready: none, where they are. Whoever
    /// asks hands over what could be opened by [`Opfs::add`], also where that is nothing; who asks meanwhile gets others.
    ///
    /// For between two calls of the store, each of which may take one (the first opening: two); the third is the merge's.
    /// Where it was not called, a write or a merge that finds no slot is refused with [`io::ErrorKind::ResourceBusy`]
    /// before it has written anything: open what is wanted and call it again.
    ///
    /// Where a file could not grow, some of them were open until now: closed, they give back what was cut off of them. Such a
    /// handle is let go some milliseconds later; one that does not open again is missed by nobody but this session.
    ///
    /// # Errors
    ///
    /// `NotConnected`: it was closed.
    pub fn wanted(&self) -> io::Result<Vec<u32>> {
        let mut pool = self.pool()?;
        let cut = if self.growth.refused().take() { pool.take_cut() } else { Vec::new() };
        Ok(pool.numbers_to_open(cut))
    }

    /// Adds slots to the pool: those of so many that were wanted which could be opened. Makes one of the free ones hold space for a
    /// merge where there is room for that, and returns how many free ones there are: fewer than three only where not all
    /// could be opened, or where there are 64 slots, the most that there may be. The last free one of these is for
    /// [`Opfs::merging`].
    ///
    /// # Errors
    ///
    /// `NotConnected`: it was closed meanwhile. Whatever the browser says. The handles are closed then.
    pub fn add(&self, asked: u32, numbers: &[u32], handles: Vec<Handle>) -> io::Result<usize> {
        let asked = usize::try_from(asked).unwrap_or(usize::MAX);
        self.pool.borrow_mut().uncount(asked);
        let slots = slots_of(numbers, handles, &self.growth)?;
        let mut pool = self.pool()?;
        pool.add(slots);
        // Also those for which there was no room when they came.
        pool.free().for_each(|place| place.slot.lengthen());
        pool.keep_reserve();
        Ok(pool.free().count())
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
        self.growth.urgently(work)
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

/// The slots of open handles. After a failure all of them are closed.
fn slots_of(
    numbers: &[u32],
    handles: Vec<Handle>,
    growth: &Rc<Growth>,
) -> io::Result<Vec<(u32, Slot)>> {
    let slots = handles.into_iter().map(|handle| Slot::new(handle, Rc::clone(growth)));
    // All are made before the first failure is told: dropping them is what closes them.
    let slots: Vec<io::Result<Slot>> = slots.collect();
    numbers.iter().zip(slots).map(|(number, slot)| Ok((*number, slot?))).collect()
}

impl Pool {
    /// Reads what the slots hold.
    fn of(slots: Vec<(u32, Slot)>, memory: &Rc<Memory>) -> io::Result<Pool> {
        let mut pool = Pool::default();
        // There are few, so a list is as fast as a set and far smaller.
        let mut used = Vec::new();
        let mut unreadable = Vec::new();
        pool.add(slots);
        for place in &mut pool.places {
            let header = place.slot.header()?;
            match segment_id_of(&header) {
                Some(id) if !used.contains(&id) => {
                    used.push(id);
                    place.hold_found(id, memory);
                }
                None if header == [0; HEADER_LEN] => place.slot.lengthen(),
                _ => unreadable.push(place),
            }
        }
        // They follow the ids that are there, so that the engine's next id is none of them either.
        let mut id = used.iter().map(|id| id.0).max().unwrap_or(0);
        for place in unreadable {
            while used.contains(&SegmentId(id)) {
                id = id.wrapping_add(1);
            }
            used.push(SegmentId(id));
            place.hold_found(SegmentId(id), memory);
        }
        Ok(pool)
    }

    fn add(&mut self, slots: Vec<(u32, Slot)>) {
        for (number, slot) in slots {
            let at = self.places.partition_point(|place| place.number < number);
            let place = Place { number, slot: Rc::new(slot), content: Content::Free };
            self.places.insert(at, place);
        }
        self.highest = self.places.last().map_or(0, |place| place.number).max(self.highest);
    }

    /// Slots are not being opened any more.
    fn uncount(&mut self, asked: usize) {
        self.opening = self.opening.saturating_sub(asked);
    }

    fn free(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| place.is_free())
    }

    /// The numbers of slots to open: these, which are counted as being opened, and more to add. Counts them too, so that whoever
    /// asks next gets others.
    fn numbers_to_open(&mut self, mut numbers: Vec<u32>) -> Vec<u32> {
        let wanted = FREE_SLOTS_MIN.saturating_sub(self.free().count() + numbers.len());
        let count = wanted.min(SLOTS_MAX.saturating_sub(self.places.len() + self.opening));
        let skip = self.opening + 1;
        self.opening += count;
        numbers.extend((self.highest..).skip(skip).take(count));
        numbers
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
        let is_urgent = self.growth.is_urgent();
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
        io::Error::new(io::ErrorKind::ResourceBusy, "no free slot is ready")
    } else {
        let text = format!("the {slots} slots hold segments: use larger segments, or merge sooner");
        io::Error::new(io::ErrorKind::StorageFull, text)
    }
}
