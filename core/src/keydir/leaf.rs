//! Some dozens of neighbouring keys, and where each stands: what the `ordered` keydir's map is made of.

use super::Location;

/// Keys of a leaf, and bytes beyond which a leaf of several keys is split.
pub(super) const LEAF_LEN_MAX: usize = 64;
const LEAF_BYTES_MAX: usize = 16 << 10;

#[derive(Default)]
pub(super) struct Leaf {
    /// The keys, in no order, and what is left of keys that were removed.
    bytes: Vec<u8>,
    unused: usize,
    /// Bytes that all keys begin with, or fewer of them.
    common: usize,
    /// The four bytes of each key behind the common ones: close together, so a search looks at little else.
    marks: Vec<u32>,
    /// In the order of their keys.
    pub(super) slots: Vec<Slot>,
}

#[derive(Clone, Copy)]
pub(super) struct Slot {
    start: u32,
    pub(super) offset: u32,
    pub(super) slot: u16,
    key_len: u16,
}

/// The four bytes behind the first `common` as a number, in the order of the keys where they differ.
#[inline]
fn mark(key: &[u8], common: usize) -> u32 {
    let behind = key.get(common..).unwrap_or_default();
    if let Some(first) = behind.first_chunk() {
        return u32::from_be_bytes(*first);
    }
    let mut bytes = [0; 4];
    for (to, from) in bytes.iter_mut().zip(behind) {
        *to = *from;
    }
    u32::from_be_bytes(bytes)
}

/// Room for some more things, and for an eighth of what is there: growing by as much again would leave a quarter unused.
#[inline]
pub(super) fn make_room<T>(things: &mut Vec<T>, more: usize) {
    if things.capacity() - things.len() < more {
        things.reserve_exact(more.max(things.len() / 8));
    }
}

impl Leaf {
    /// Where a key stands (`Ok`) or would.
    pub(super) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let wanted = mark(key, self.common);
        let start = self.marks.partition_point(|mark| *mark < wanted);
        let marked = self.marks.get(start..).unwrap_or_default();
        let same = marked.iter().take_while(|mark| **mark == wanted).count();
        let slots = self.slots.get(start..start + same).unwrap_or_default();
        let at = match slots.binary_search_by(|slot| self.key(*slot).cmp(key)) {
            Ok(at) => return Ok(start + at),
            Err(at) => start + at,
        };
        // That is its place only if it begins as all keys here do.
        let first = self.first_key();
        match key.get(..self.common) == first.get(..self.common) {
            true => Err(at),
            false if key < first => Err(0),
            false => Err(self.slots.len()),
        }
    }

    /// Finds out anew what all keys begin with.
    fn remark(&mut self) {
        let last = self.slots.last().map_or(&[][..], |slot| self.key(*slot));
        let both = self.first_key().iter().zip(last);
        self.common = both.take_while(|(first, last)| first == last).count();
        let mut marks = std::mem::take(&mut self.marks);
        marks.clear();
        marks.reserve_exact(self.slots.len());
        marks.extend(self.slots.iter().map(|slot| mark(self.key(*slot), self.common)));
        self.marks = marks;
    }

    #[inline]
    pub(super) fn key(&self, slot: Slot) -> &[u8] {
        let start = slot.start as usize;
        self.bytes.get(start..start + usize::from(slot.key_len)).unwrap_or_default()
    }

    #[inline]
    pub(super) fn first_key(&self) -> &[u8] {
        self.slots.first().map_or(&[], |slot| self.key(*slot))
    }

    pub(super) fn insert(&mut self, at: usize, key: &[u8], location: Location) {
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let key_len = u16::try_from(key.len()).unwrap_or(u16::MAX);
        let Location { slot, offset } = location;
        make_room(&mut self.bytes, key.len());
        self.bytes.extend_from_slice(key);
        make_room(&mut self.slots, 1);
        make_room(&mut self.marks, 1);
        let shares = key.get(..self.common) == self.first_key().get(..self.common);
        self.slots.insert(at.min(self.slots.len()), Slot { start, offset, slot, key_len });
        match shares && 1 < self.slots.len() {
            true => self.marks.insert(at.min(self.marks.len()), mark(key, self.common)),
            false => self.remark(),
        }
    }

    pub(super) fn remove(&mut self, at: usize) {
        let removed = self.slots.remove(at);
        self.marks.remove(at);
        self.unused += usize::from(removed.key_len);
        if self.bytes.len() < self.unused * 2 {
            *self = self.copy_of(0..self.slots.len());
        }
    }

    pub(super) fn is_full(&self) -> bool {
        LEAF_LEN_MAX < self.slots.len()
            || (LEAF_BYTES_MAX < self.bytes.len() && 1 < self.slots.len())
    }

    /// The keys of some slots in a leaf without unused bytes.
    pub(super) fn copy_of(&self, range: std::ops::Range<usize>) -> Leaf {
        let mut copy = Leaf::default();
        copy.take_in(self, range);
        copy
    }

    /// Takes the last key away, into a leaf that has room for as many as this one: where keys come in order, a leaf is allocated once
    /// and given back once what it did not need.
    pub(super) fn split_off_last(&mut self) -> Leaf {
        let mut next = Leaf::default();
        let Some(last) = self.slots.pop() else { return next };
        self.marks.pop();
        next.bytes.reserve_exact(self.bytes.len());
        next.slots.reserve_exact(LEAF_LEN_MAX + 1);
        next.marks.reserve_exact(LEAF_LEN_MAX + 1);
        let Slot { slot, offset, .. } = last;
        next.insert(0, self.key(last), Location { slot, offset });
        if last.start as usize + usize::from(last.key_len) == self.bytes.len() {
            self.bytes.truncate(last.start as usize);
        } else {
            self.unused += usize::from(last.key_len);
        }
        self.bytes.shrink_to_fit();
        self.slots.shrink_to_fit();
        self.marks.shrink_to_fit();
        next
    }

    /// Takes in keys of another leaf, all of which come behind its own.
    pub(super) fn take_in(&mut self, other: &Leaf, range: std::ops::Range<usize>) {
        let slots = other.slots.get(range).unwrap_or_default();
        let bytes = slots.iter().map(|slot| usize::from(slot.key_len)).sum();
        self.bytes.reserve_exact(bytes);
        self.slots.reserve_exact(slots.len());
        for slot in slots {
            let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
            self.bytes.extend_from_slice(other.key(*slot));
            self.slots.push(Slot { start, ..*slot });
        }
        self.remark();
    }

    /// Bytes that are allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.slots.capacity() * (size_of::<Slot>() + size_of::<u32>())
    }
}
