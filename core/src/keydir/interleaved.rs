//! The keydirs under the model checker loom: a reader never misses a key that is there, whatever a writer does to it and beside it.

use super::{Index, Keydir, Location};
use crate::sync::Arc;

fn at(offset: u32) -> Location {
    Location { slot: 1, offset }
}

fn explore(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

fn places(keydir: &Keydir, key: &[u8]) -> Vec<u32> {
    keydir.candidates(keydir.key(key)).iter().map(|at| at.offset).collect()
}

/// A key moves, as a put or a merge moves it: a reader finds one of its places, and never goes back.
fn a_key_that_moves_is_always_there(index: Index) {
    explore(move || {
        let keydir = Arc::new(Keydir::new(index, [7; 16], 7));
        keydir.insert(keydir.key(b"moved"), at(100));
        let writer = {
            let keydir = Arc::clone(&keydir);
            loom::thread::spawn(move || {
                let key = keydir.key(b"moved");
                assert!(keydir.replace(key, at(100), at(200)));
                assert!(!keydir.replace(key, at(100), at(300)), "a place that is over");
            })
        };
        let (first, second) = (places(&keydir, b"moved"), places(&keydir, b"moved"));
        assert!(first == [100] || first == [200], "{first:?}");
        assert!(
            second == [200] || second == first && second == [100],
            "{second:?} after {first:?}"
        );
        writer.join().unwrap();
        assert_eq!(places(&keydir, b"moved"), [200]);
    });
}

#[test]
fn a_key_that_moves_is_always_there_in_hash() {
    a_key_that_moves_is_always_there(Index::Hash);
}

#[test]
fn a_key_that_moves_is_always_there_in_ordered() {
    a_key_that_moves_is_always_there(Index::Ordered);
}

/// Of two that compare and swap one place, one does: a merge and a delete of the same key.
fn one_of_two_wins(index: Index) {
    explore(move || {
        let keydir = Arc::new(Keydir::new(index, [7; 16], 7));
        keydir.insert(keydir.key(b"key"), at(100));
        let merge = {
            let keydir = Arc::clone(&keydir);
            loom::thread::spawn(move || keydir.replace(keydir.key(b"key"), at(100), at(200)))
        };
        let removed = keydir.remove(keydir.key(b"key"), at(100));
        let moved = merge.join().unwrap();
        assert!(removed != moved);
        assert_eq!(places(&keydir, b"key"), if moved { vec![200] } else { vec![] });
        assert_eq!(keydir.len(), u64::from(moved));
    });
}

#[test]
fn one_of_two_wins_in_hash() {
    one_of_two_wins(Index::Hash);
}

#[test]
fn one_of_two_wins_in_ordered() {
    one_of_two_wins(Index::Ordered);
}
