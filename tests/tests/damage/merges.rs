//! F15: a deleted key returned after a partial merge and a restart, because the tombstone was dropped while an older value
//! lived in a segment that was not merged. Here every short life of a store with two keys is lived, with merges of
//! every sort at every moment, and every state is compared with a map, before and after reopening.

use std::collections::BTreeMap;

use bitcask_core::{Go, Index, Memory, MergePolicy, Options, Range, Store};

use crate::stores::Image;

/// Long, so that every record fills a segment and each write rolls.
const KEYS: [[u8; 90]; 2] = [[b'a'; 90], [b'b'; 90]];

const STEPS: [Step; 7] = [
    Step::Put(0),
    Step::Delete(0),
    Step::Put(1),
    Step::Delete(1),
    // What is dead by a half and more: runs that begin anywhere.
    Step::Merge { dead_ratio: 0.3, small_run: 99, segment_bytes: 256 },
    // Whatever is dead, with the small neighbours that fit.
    Step::Merge { dead_ratio: 0.0, small_run: 99, segment_bytes: 4096 },
    // No more than joining two small neighbours.
    Step::Merge { dead_ratio: 9.0, small_run: 2, segment_bytes: 600 },
];

#[derive(Clone, Copy, Debug)]
enum Step {
    Put(usize),
    Delete(usize),
    /// One run of a merge.
    Merge {
        dead_ratio: f64,
        small_run: usize,
        segment_bytes: u64,
    },
}

/// The value of each key: the number of the write.
type Model = BTreeMap<usize, u8>;

struct Tree {
    index: Index,
    closes: bool,
    nodes: u64,
    merges: u64,
    path: Vec<Step>,
}

impl Tree {
    /// Goes on from a state with every step.
    fn grow(&mut self, image: &Image, model: &Model, depth: usize) {
        if depth == 0 {
            return;
        }
        for step in STEPS {
            self.path.push(step);
            let mut model = model.clone();
            let memory = Memory::from_image(image, self.path.len() as u64);
            self.take(&memory, &mut model, step);
            self.nodes += 1;
            self.grow(&memory.image(), &model, depth - 1);
            self.path.pop();
        }
    }

    fn take(&mut self, memory: &Memory, model: &mut Model, step: Step) {
        let segment_bytes = match step {
            Step::Merge { segment_bytes, .. } => segment_bytes,
            _ => 256,
        };
        let options = Options::default().index(self.index).segment_bytes(segment_bytes);
        let store =
            Store::open(memory.clone(), options).unwrap_or_else(|e| panic!("{self:?}: {e}"));
        self.compare(&store, model);
        match step {
            Step::Put(key) => {
                let number = self.path.len() as u8;
                store.put(&KEYS[key], &[number]).unwrap();
                model.insert(key, number);
            }
            Step::Delete(key) => {
                assert_eq!(store.delete(&KEYS[key]).unwrap(), model.remove(&key).is_some());
            }
            Step::Merge { dead_ratio, small_run, .. } => {
                let mut policy = MergePolicy::default().dead_ratio(dead_ratio);
                (policy.small_ratio, policy.small_run) = (1.0, small_run);
                // One run, so that merges of one part meet later merges of others.
                let stepped = store.merge_step(&policy, u64::MAX).unwrap();
                self.merges += u64::from(stepped != bitcask_core::MergeStep::Idle);
            }
        }
        self.compare(&store, model);
        if self.closes {
            store.close().unwrap();
        }
    }

    fn compare(&self, store: &Store<Memory>, model: &Model) {
        for (number, key) in KEYS.iter().enumerate() {
            let found = store.get(key).unwrap_or_else(|error| panic!("{self:?}: {error}"));
            let expected = model.get(&number).map(std::slice::from_ref);
            assert_eq!(found.as_deref(), expected, "{self:?}: key {number}");
        }
        assert_eq!(store.scan(Range::all()).count(), model.len(), "{self:?}");
    }

    fn live(index: Index, closes: bool, depth: usize) {
        let memory = Memory::new(1);
        Store::open(memory.clone(), Options::default()).unwrap();
        let mut tree = Tree { index, closes, nodes: 0, merges: 0, path: Vec::new() };
        tree.grow(&memory.image(), &Model::new(), depth);
        println!("{index:?}, closes: {closes}: {} lives, {} merges", tree.nodes, tree.merges);
        assert!(0 < tree.merges);
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, closes: {}, {:?}", self.index, self.closes, self.path)
    }
}

#[test]
fn f15_no_life_of_five_steps_brings_a_deleted_key_back() {
    for index in [Index::Hash, Index::Ordered] {
        for closes in [false, true] {
            Tree::live(index, closes, 5);
        }
    }
}

#[test]
fn f15_no_life_of_six_steps_brings_a_deleted_key_back() {
    Tree::live(Index::Hash, true, 6);
}

/// The case itself, longer: the older value, its tombstone and what came later in segments of their own, merged run by run
/// in all orders that the policies give.
#[test]
fn f15_a_tombstone_stays_as_long_as_an_older_value_may_come_back() {
    let policies: Vec<MergePolicy> = [(0.0, 99), (0.3, 99), (9.0, 2), (0.9, 3)]
        .into_iter()
        .map(|(dead_ratio, small_run)| {
            let mut policy = MergePolicy::default().dead_ratio(dead_ratio);
            (policy.small_ratio, policy.small_run) = (1.0, small_run);
            policy
        })
        .collect();
    for order in 0..policies.len().pow(4) {
        let memory = Memory::new(1);
        let options = |bytes| Options::default().segment_bytes(bytes);
        let store = Store::open(memory.clone(), options(256)).unwrap();
        store.put(&KEYS[0], b"old").unwrap();
        store.put(&KEYS[1], b"stays").unwrap();
        store.delete(&KEYS[0]).unwrap();
        for number in 0..3 {
            store.put(&[b'c' + number; 90], b"more").unwrap();
        }
        store.delete(&[b'd'; 90]).unwrap();
        drop(store);
        let mut rest = order;
        for (round, bytes) in [256, 600, 4096, 600].into_iter().enumerate() {
            let store = Store::open(memory.clone(), options(bytes)).unwrap();
            store.merge_step(&policies[rest % policies.len()], u64::MAX).unwrap();
            rest /= policies.len();
            let context = format!("order {order}, round {round}");
            assert_eq!(store.get(&KEYS[0]).unwrap(), None, "{context}: it came back");
            assert_eq!(store.get(&KEYS[1]).unwrap().as_deref(), Some(&b"stays"[..]), "{context}");
            assert_eq!(store.len(), 3, "{context}");
            assert!(store.verify(&mut |_| Go::On).unwrap().is_sound(), "{context}");
        }
    }
}
