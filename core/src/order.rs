//! Sorting. A sort is several kilobytes of code for each type of what is sorted, which browsers load: so there is one for keys,
//! of which there may be many. What else has to be in order is few, and goes through a heap, whose code is small.

use std::collections::BinaryHeap;

/// Sorts things by numbers; equal ones stay in their order.
pub(crate) fn sort_by_numbers<T>(things: &mut Vec<T>, numbers: impl Fn(&T) -> [u64; 3]) {
    let numbered = things.iter().enumerate().map(|(place, thing)| (numbers(thing), place));
    let order = numbers_in_order(numbered.collect());
    *things = take_in_order(std::mem::take(things), order.into_iter().map(|(_, place)| place));
}

fn numbers_in_order(numbers: Vec<([u64; 3], usize)>) -> Vec<([u64; 3], usize)> {
    BinaryHeap::from(numbers).into_sorted_vec()
}

/// Keys in byte order, and where each stood; equal ones stay in their order.
pub(crate) fn keys_in_order<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Vec<(&'a [u8], usize)> {
    let mut keys: Vec<(&[u8], usize)> = keys.zip(0..).collect();
    keys.sort_unstable();
    keys
}

/// The things of these places, each of which is named once at most.
pub(crate) fn take_in_order<T>(things: Vec<T>, places: impl Iterator<Item = usize>) -> Vec<T> {
    let mut things: Vec<Option<T>> = things.into_iter().map(Some).collect();
    places.filter_map(|place| things.get_mut(place)?.take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_stay_in_their_order() {
        let mut things = vec!["b2", "a9", "b1", "a8", "c"];
        sort_by_numbers(&mut things, |thing| [u64::from(thing.as_bytes()[0]), 0, 0]);
        assert_eq!(things, ["a9", "a8", "b2", "b1", "c"]);
        let keys = [&b"b"[..], b"a", b"", b"b"];
        let expected: [(&[u8], usize); 4] = [(b"", 2), (b"a", 1), (b"b", 0), (b"b", 3)];
        assert_eq!(keys_in_order(keys.into_iter()), expected);
    }
}
