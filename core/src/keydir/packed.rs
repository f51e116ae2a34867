//! A sorted map from keys to locations whose keys lie close together: what the `ordered` keydir is made of.
//!
//! Some dozens of neighbouring keys share a *leaf*, which holds their bytes in one allocation and twelve bytes for each; some
//! dozens of leaves share a *branch*. A [`Guide`] leads to the right branch, and one in it to the right leaf. So a key costs its bytes and
//! about thirty more, a search looks at few places that are far apart, a walk at hardly any, and an insert moves at most a few kilobytes.

use super::guide::Guide;
use super::leaf::{LEAF_LEN_MAX, Leaf, Slot};
use super::{Location, Run};

/// Leaves of a branch.
const BRANCH_LEN_MAX: usize = 128;

#[derive(Default)]
pub(super) struct PackedMap {
    guide: Guide,
    /// None is empty, and none of their leaves.
    branches: Vec<Branch>,
    len: usize,
}

#[derive(Default)]
struct Branch {
    guide: Guide,
    leaves: Vec<Leaf>,
}

/// Where a key stands, or would: branch, leaf, slot. In the order of the keys.
pub(super) type Place = (usize, usize, usize);

impl Branch {
    fn of(leaves: Vec<Leaf>) -> Branch {
        let mut branch = Branch { guide: Guide::default(), leaves };
        branch.tell_guide();
        branch
    }

    fn tell_guide(&mut self) {
        self.guide.tell(self.leaves.iter().map(Leaf::first_key));
    }

    fn first_key(&self) -> &[u8] {
        self.leaves.first().map_or(&[], Leaf::first_key)
    }

    /// The leaf in which a key stands, or would.
    #[inline]
    fn leaf_of(&self, key: &[u8]) -> usize {
        let first_key = |leaf| self.leaves.get(leaf).map_or(&[][..], Leaf::first_key);
        self.guide.count(key, first_key).max(1) - 1
    }

    /// This leaf has another first key.
    fn note_first(&mut self, leaf: usize) {
        let first_key = self.leaves.get(leaf).map_or(&[][..], Leaf::first_key);
        if !self.guide.change(leaf, first_key) {
            self.tell_guide();
        }
    }

    fn insert(&mut self, at: usize, leaf: Leaf) {
        let is_told = self.guide.insert(at, leaf.first_key());
        self.leaves.insert(at, leaf);
        if !is_told {
            self.tell_guide();
        }
    }

    fn remove(&mut self, at: usize) {
        self.leaves.remove(at);
        self.guide.remove(at);
    }
}

impl PackedMap {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn leaf(&self, (branch, leaf, _): Place) -> Option<&Leaf> {
        self.branches.get(branch)?.leaves.get(leaf)
    }

    fn leaf_mut(&mut self, (branch, leaf, _): Place) -> Option<&mut Leaf> {
        self.branches.get_mut(branch)?.leaves.get_mut(leaf)
    }

    /// Where the key stands (`Ok`) or would be put.
    fn find(&self, key: &[u8]) -> Result<Place, Place> {
        let first_key = |branch| self.branches.get(branch).map_or(&[][..], Branch::first_key);
        let number = self.guide.count(key, first_key).max(1) - 1;
        let Some(branch) = self.branches.get(number) else { return Err((0, 0, 0)) };
        let leaf = branch.leaf_of(key);
        let Some(found) = branch.leaves.get(leaf) else { return Err((0, 0, 0)) };
        match found.search(key) {
            Ok(at) => Ok((number, leaf, at)),
            Err(at) => Err((number, leaf, at)),
        }
    }

    fn tell_guide(&mut self) {
        self.guide.tell(self.branches.iter().map(Branch::first_key));
    }

    /// This leaf's first key is another one, and that of its branch if it is the first there.
    fn note_first(&mut self, (number, leaf, _): Place) {
        let Some(branch) = self.branches.get_mut(number) else { return };
        branch.note_first(leaf);
        if leaf == 0 && !self.guide.change(number, branch.first_key()) {
            self.tell_guide();
        }
    }

    fn insert_branch(&mut self, at: usize, branch: Branch) {
        let is_told = self.guide.insert(at, branch.first_key());
        self.branches.insert(at, branch);
        if !is_told {
            self.tell_guide();
        }
    }

    fn remove_branch(&mut self, at: usize) -> Branch {
        self.guide.remove(at);
        self.branches.remove(at)
    }

    /// The place behind all keys, if it is this key's: where keys come in order it always is, and needs no search.
    fn behind_all(&self, key: &[u8]) -> Option<Place> {
        let branch = self.branches.last()?;
        let leaf = branch.leaves.last()?;
        let last = leaf.key(*leaf.slots.last()?);
        (last < key).then(|| (self.branches.len() - 1, branch.leaves.len() - 1, leaf.slots.len()))
    }

    fn location(&self, place: Place) -> Option<Location> {
        let Slot { slot, offset, .. } = *self.leaf(place)?.slots.get(place.2)?;
        Some(Location { slot, offset })
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Location> {
        self.location(self.find(key).ok()?)
    }

    /// Adds a key, unless it is there.
    pub(super) fn insert_new(&mut self, key: &[u8], at: Location) -> bool {
        let found = self.behind_all(key).map_or_else(|| self.find(key), Err);
        let Err(place) = found else { return false };
        if self.branches.is_empty() {
            self.insert_branch(0, Branch::of(vec![Leaf::default()]));
        }
        let Some(leaf) = self.leaf_mut(place) else { return false };
        leaf.insert(place.2, key, at);
        let full = leaf.is_full();
        self.len += 1;
        if place.2 == 0 {
            self.note_first(place);
        }
        if full {
            self.split(place);
        }
        true
    }

    /// Points a key from one location to another, if it points at the first.
    pub(super) fn replace(&mut self, key: &[u8], from: Location, to: Location) -> bool {
        let Ok(place) = self.find(key) else { return false };
        if self.location(place) != Some(from) {
            return false;
        }
        if let Some(slot) = self.leaf_mut(place).and_then(|leaf| leaf.slots.get_mut(place.2)) {
            (slot.slot, slot.offset) = (to.slot, to.offset);
        }
        true
    }

    /// Removes a key, if it points at this location.
    pub(super) fn remove(&mut self, key: &[u8], from: Location) -> bool {
        let Ok(place) = self.find(key) else { return false };
        if self.location(place) != Some(from) {
            return false;
        }
        let Some(leaf) = self.leaf_mut(place) else { return false };
        leaf.remove(place.2);
        self.len -= 1;
        self.join(place);
        true
    }

    /// Splits a leaf in two, and its branch where that has become too long. What grows at its end is split there, so that
    /// keys that come in order leave full leaves behind.
    fn split(&mut self, (branch, leaf, slot): Place) {
        let is_last = branch + 1 == self.branches.len();
        let Some(full) = self.branches.get_mut(branch) else { return };
        let at_the_end = is_last && leaf + 1 == full.leaves.len();
        let Some(left) = full.leaves.get_mut(leaf) else { return };
        let len = left.slots.len();
        let right = if at_the_end && slot + 1 == len {
            left.split_off_last()
        } else {
            let right = left.copy_of(len / 2..len);
            *left = left.copy_of(0..len / 2);
            right
        };
        full.insert(leaf + 1, right);
        if full.leaves.len() <= BRANCH_LEN_MAX {
            return;
        }
        let len = full.leaves.len();
        let leaves = full.leaves.split_off(if at_the_end { len - 1 } else { len / 2 });
        full.tell_guide();
        self.insert_branch(branch + 1, Branch::of(leaves));
    }

    /// Joins a leaf that has become short with the next one, and drops what is empty.
    fn join(&mut self, (number, leaf, slot): Place) {
        let Some(branch) = self.branches.get_mut(number) else { return };
        if let Some([left, right]) = branch.leaves.get_mut(leaf..).and_then(|l| l.get_mut(..2))
            && left.slots.len() + right.slots.len() < LEAF_LEN_MAX / 2
        {
            left.take_in(right, 0..right.slots.len());
            branch.remove(leaf + 1);
        } else if branch.leaves.get(leaf).is_some_and(|leaf| leaf.slots.is_empty()) {
            branch.remove(leaf);
        }
        let len = branch.leaves.len();
        if len == 0 {
            drop(self.remove_branch(number));
            return;
        }
        if slot == 0 {
            self.note_first((number, leaf.min(len - 1), 0));
        }
        let next = self.branches.get(number + 1).map_or(BRANCH_LEN_MAX, |next| next.leaves.len());
        if len + next < BRANCH_LEN_MAX / 2 {
            let next = self.remove_branch(number + 1);
            if let Some(branch) = self.branches.get_mut(number) {
                branch.leaves.extend(next.leaves);
                branch.tell_guide();
            }
        }
    }

    /// Where keys begin that are at least this one, or larger.
    pub(super) fn place_of(&self, key: &[u8], behind: bool) -> Place {
        match self.find(key) {
            Ok((branch, leaf, slot)) if behind => (branch, leaf, slot + 1),
            Ok(place) | Err(place) => place,
        }
    }

    /// Where all keys end.
    pub(super) fn end(&self) -> Place {
        (self.branches.len(), 0, 0)
    }

    /// Adds the keys from one place up to another, in their order, up to the limit.
    pub(super) fn walk(&self, from: Place, to: Place, limit: usize, keys: &mut Run) {
        let (mut place, mut left) = (from, limit);
        while 0 < left && place < to {
            let Some(branch) = self.branches.get(place.0) else { return };
            let Some(leaf) = branch.leaves.get(place.1) else {
                place = (place.0 + 1, 0, 0);
                continue;
            };
            let end = if (place.0, place.1) == (to.0, to.1) { to.2 } else { leaf.slots.len() };
            let slots = leaf.slots.get(place.2..end).unwrap_or_default();
            for slot in slots.iter().take(left) {
                keys.push(leaf.key(*slot), Some(Location { slot: slot.slot, offset: slot.offset }));
            }
            left = left.saturating_sub(slots.len());
            place = (place.0, place.1 + 1, 0);
        }
    }

    /// As [`PackedMap::walk`], but from the end.
    pub(super) fn walk_back(&self, from: Place, to: Place, limit: usize, keys: &mut Run) {
        let (mut place, mut left) = (to, limit);
        while 0 < left && from < place {
            let leaf = self.leaf(place);
            let slots = leaf.and_then(|leaf| leaf.slots.get(..place.2)).unwrap_or_default();
            let start = if (place.0, place.1) == (from.0, from.1) { from.2 } else { 0 };
            let slots = slots.get(start..).unwrap_or_default();
            for (leaf, slot) in
                leaf.iter().flat_map(|leaf| slots.iter().rev().map(|s| (*leaf, s))).take(left)
            {
                keys.push(leaf.key(*slot), Some(Location { slot: slot.slot, offset: slot.offset }));
            }
            left = left.saturating_sub(slots.len());
            let Some(before) = self.leaf_before(place) else { return };
            place = before;
        }
    }

    /// The end of the leaf before this place's.
    fn leaf_before(&self, (branch, leaf, _): Place) -> Option<Place> {
        let (branch, leaf) = match leaf.checked_sub(1) {
            Some(before) => (branch, before),
            None => {
                let before = branch.checked_sub(1)?;
                (before, self.branches.get(before)?.leaves.len().checked_sub(1)?)
            }
        };
        Some((branch, leaf, self.leaf((branch, leaf, 0))?.slots.len()))
    }

    /// Bytes that are allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        let branch_bytes = |branch: &Branch| {
            let leaves: usize = branch.leaves.iter().map(Leaf::memory_bytes).sum();
            leaves + branch.leaves.capacity() * size_of::<Leaf>() + branch.guide.memory_bytes()
        };
        let branches: usize = self.branches.iter().map(branch_bytes).sum();
        branches + self.branches.capacity() * size_of::<Branch>() + self.guide.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::segment::Storage as _;
    use std::collections::BTreeMap;
    use std::ops::Bound;

    fn at(number: u64) -> Location {
        let [low, high, ..] = number.to_le_bytes();
        Location { slot: u16::from(low % 7), offset: u32::from(high) }
    }

    /// Few keys again and again, some of them long, some prefixes of others.
    fn random_key(random: u64) -> Vec<u8> {
        let number = random % 3000;
        match random >> 60 {
            0 => vec![b'x'; 1 + (number % 40) as usize],
            1 => [&number.to_be_bytes()[6..], &[7; 900]].concat(),
            2 => number.to_le_bytes()[..1 + (random >> 50) as usize % 3].to_vec(),
            _ => format!("user:{number:06}").into_bytes(),
        }
    }

    fn listed(keys: &Run) -> Vec<(Vec<u8>, Location)> {
        (0..keys.len())
            .filter_map(|n| keys.get(n).map(|(key, at)| (key.to_vec(), at.unwrap())))
            .collect()
    }

    fn check(map: &PackedMap, model: &BTreeMap<Vec<u8>, Location>, from: &[u8], to: &[u8]) {
        assert_eq!(map.len(), model.len());
        check_guides(map);
        let (start, end) = (map.place_of(from, false), map.place_of(to, true));
        let range = (Bound::Included(from.to_vec()), Bound::Included(to.to_vec()));
        let expected: Vec<_> = match from <= to {
            true => model.range(range).map(|(key, at)| (key.clone(), *at)).collect(),
            false => Vec::new(),
        };
        for limit in [5, usize::MAX] {
            let (mut keys, mut back) = (Run::default(), Run::default());
            map.walk(start, end, limit, &mut keys);
            map.walk_back(start, end, limit, &mut back);
            assert!(listed(&keys).iter().eq(expected.iter().take(limit)));
            assert!(listed(&back).iter().eq(expected.iter().rev().take(limit)));
        }
    }

    /// What the guides say follows from the keys, and no leaf is empty.
    fn check_guides(map: &PackedMap) {
        let mut number = 0;
        for (at, branch) in map.branches.iter().enumerate() {
            for (leaf, keys) in branch.leaves.iter().enumerate() {
                assert!(!keys.slots.is_empty());
                assert_eq!(map.find(keys.first_key()), Ok((at, leaf, 0)), "leaf {number}");
                number += 1;
            }
        }
    }

    #[test]
    fn it_is_a_sorted_map() {
        for seed in 1..6 {
            let random = Memory::new(seed);
            let (mut map, mut model) = (PackedMap::default(), BTreeMap::new());
            for step in 0..40_000_u64 {
                // It grows, then shrinks to nothing, and grows again.
                let removes = if step % 20_000 < 12_000 { 3 } else { 14 };
                let key = random_key(random.random());
                let there = model.get(&key).copied();
                assert_eq!(map.get(&key), there, "seed {seed}, step {step}");
                if random.random() % 16 < removes {
                    let from = there.unwrap_or(at(step));
                    assert_eq!(map.remove(&key, from), model.remove(&key).is_some());
                } else if let Some(from) = there {
                    assert!(!map.insert_new(&key, at(step)));
                    let wrong = Location { slot: 9, ..from };
                    assert!(!map.replace(&key, wrong, from) && !map.remove(&key, wrong));
                    assert!(map.replace(&key, from, at(step)));
                    model.insert(key, at(step));
                } else {
                    assert!(map.insert_new(&key, at(step)));
                    model.insert(key, at(step));
                }
                if step % 500 == 0 {
                    let (from, to) = (random_key(random.random()), random_key(random.random()));
                    check(&map, &model, &from, &to);
                    check(&map, &model, b"", &[u8::MAX; 20]);
                }
            }
            let keys: Vec<Vec<u8>> = model.keys().cloned().collect();
            keys.iter().for_each(|key| assert!(map.remove(key, model[key])));
            assert!(map.branches.is_empty() && map.get(b"x").is_none());
        }
    }

    #[test]
    fn keys_in_order_leave_full_leaves() {
        let mut map = PackedMap::default();
        for number in 0..100_000_u64 {
            assert!(map.insert_new(&number.to_be_bytes(), at(number)));
        }
        let leaves: usize = map.branches.iter().map(|branch| branch.leaves.len()).sum();
        assert!(leaves <= 100_000 / LEAF_LEN_MAX + 1, "{leaves} leaves");
        let a_key = map.memory_bytes() as f64 / 100_000.0;
        assert!(a_key < 8.0 + 30.0, "{a_key} bytes a key of 8");
    }
}
