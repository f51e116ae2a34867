//! A list of numbers that says, nearly always without looking further, behind which of many sorted things a key stands.
//!
//! What all first keys have in common is kept once, and of each the eight bytes behind it: close together, so a search touches a few
//! cache lines and, of the things themselves, one at most where keys differ in those bytes.

use std::cmp::Ordering;

use super::leaf::make_room;

/// For things that each have a first key, in the order of those.
#[derive(Default)]
pub(super) struct Guide {
    /// Bytes that all first keys begin with, or fewer of them.
    shared: Vec<u8>,
    marks: Vec<u64>,
}

/// The first eight bytes as a number, in the order of the keys where they differ.
#[inline]
fn mark(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(key) {
        *to = *from;
    }
    u64::from_be_bytes(first)
}

impl Guide {
    /// How many things begin at or before a key. `first_key` is asked where eight bytes do not tell.
    #[inline]
    pub(super) fn count<'a>(&self, key: &[u8], first_key: impl Fn(usize) -> &'a [u8]) -> usize {
        let mut rest = key;
        if !self.shared.is_empty() {
            let (begin, behind) = key.split_at(key.len().min(self.shared.len()));
            match begin.cmp(&self.shared) {
                Ordering::Less => return 0,
                Ordering::Greater => return self.marks.len(),
                Ordering::Equal => rest = behind,
            }
        }
        let wanted = mark(rest);
        let before = self.marks.partition_point(|mark| *mark < wanted);
        let marked = self.marks.get(before..).unwrap_or_default();
        if marked.first() != Some(&wanted) {
            return before;
        }
        // Of those with the same bytes, by halves.
        let same = marked.partition_point(|mark| *mark == wanted);
        let (mut low, mut high) = (before, before + same);
        while low < high {
            let middle = low.midpoint(high);
            match first_key(middle) <= key {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// The thing at this place has another first key; says whether that was all there is to do, else all must be told anew.
    #[must_use]
    pub(super) fn change(&mut self, at: usize, first_key: &[u8]) -> bool {
        match (first_key.strip_prefix(&self.shared[..]), self.marks.get_mut(at)) {
            (Some(rest), Some(place)) => {
                *place = mark(rest);
                true
            }
            _ => false,
        }
    }

    /// There is one more thing at this place; says whether that was all there is to do, else all must be told anew.
    #[must_use]
    pub(super) fn insert(&mut self, at: usize, first_key: &[u8]) -> bool {
        match first_key.strip_prefix(&self.shared[..]) {
            Some(rest) if at <= self.marks.len() => {
                make_room(&mut self.marks, 1);
                self.marks.insert(at, mark(rest));
                true
            }
            _ => false,
        }
    }

    /// The thing at this place has gone.
    pub(super) fn remove(&mut self, at: usize) {
        self.marks.remove(at);
    }

    /// The first keys of all things, in their order.
    pub(super) fn tell<'a>(&mut self, first_keys: impl Iterator<Item = &'a [u8]> + Clone) {
        let (first, last) = (first_keys.clone().next(), first_keys.clone().last());
        let first = first.unwrap_or_default();
        let both = first.iter().zip(last.unwrap_or_default());
        let common = both.take_while(|(first, last)| first == last).count();
        self.shared = first.get(..common).unwrap_or_default().to_vec();
        self.marks = first_keys.map(|key| mark(key.get(common..).unwrap_or_default())).collect();
    }

    /// Bytes that are allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        self.shared.capacity() + self.marks.capacity() * size_of::<u64>()
    }
}
