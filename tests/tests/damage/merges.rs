//! F15: a deleted key returned after a partial merge and a restart, because the tombstone was dropped while an older value
//! lived in a segment that was not merged. Here every short life of a store with two keys is lived, with merges of
//! every sort at every moment, and every state is compared with a map, before and after reopening.

use std::collections::BTreeMap;

use bitcask_core::{Index, Memory, MergePolicy, MergeStep, Options, Range, Store};

use crate::stores::Image;

const SEGMENT_BYTES: u64 = 560;

/// Long, so that a segment holds few records, and so that a close seals a segment with a single one.
const KEYS: [[u8; 130]; 2] = [[b'a'; 130], [b'b'; 130]];

/// A record of the second key is larger: a segment that holds both stays while its first record is dead.
const VALUE_LEN: [usize; 2] = [1, 100];

const STEPS: [Step; 8] = [
    Step::Put(0),
    Step::Delete(0),
    Step::Put(1),
    Step::Delete(1),
    Step::Close,
    // Only what is dead by more than a quarter: runs that begin anywhere.
    Step::Merge { dead_ratio: 0.27, small_ratio: 0.0 },
    // Whatever is dead, with the small neighbours that fit.
    Step::Merge { dead_ratio: 0.0, small_ratio: 1.0 },
    // No more than joining small neighbours.
    Step::Merge { dead_ratio: 9.0, small_ratio: 0.7 },
];

#[derive(Clone, Copy, Debug)]
enum Step {
    Put(usize),
    Delete(usize),
    /// Seals what was written since.
    Close,
    /// One run of a merge.
    Merge {
        dead_ratio: f64,
        small_ratio: f64,
    },
}

impl Step {
    fn policy(dead_ratio: f64, small_ratio: f64) -> MergePolicy {
        let mut policy = MergePolicy::default().dead_ratio(dead_ratio);
        (policy.small_ratio, policy.small_run) = (small_ratio, 2);
        policy
    }
}

/// The value of each key: the number of the write.
type Model = BTreeMap<usize, Vec<u8>>;

struct Tree {
    index: Index,
    /// Whether merges come to their end; else the process dies between the commit and what follows it.
    finishes: bool,
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

    /// Opens the store, takes a step, and leaves it as a process does that is killed.
    fn take(&mut self, memory: &Memory, model: &mut Model, step: Step) {
        let store = self.open(memory);
        match step {
            Step::Put(key) => {
                let value = vec![self.path.len() as u8; VALUE_LEN[key]];
                store.put(&KEYS[key], &value).unwrap();
                model.insert(key, value);
            }
            Step::Delete(key) => {
                assert_eq!(store.delete(&KEYS[key]).unwrap(), model.remove(&key).is_some());
            }
            Step::Close => return store.close().unwrap(),
            Step::Merge { dead_ratio, small_ratio } => {
                let policy = Step::policy(dead_ratio, small_ratio);
                let mut stepped = store.merge_step(&policy, u64::MAX).unwrap();
                self.merges += u64::from(stepped != MergeStep::Idle);
                // One run, so that merges of one part meet later merges of others.
                while self.finishes && matches!(stepped, MergeStep::Working(_)) {
                    stepped = store.merge_step(&policy, u64::MAX).unwrap();
                }
            }
        }
        self.compare(&store, model);
        drop(store);
        self.compare(&self.open(memory), model);
    }

    fn open(&self, memory: &Memory) -> Store<Memory> {
        let options = Options::default().index(self.index).segment_bytes(SEGMENT_BYTES);
        Store::open(memory.clone(), options).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    fn compare(&self, store: &Store<Memory>, model: &Model) {
        for (number, key) in KEYS.iter().enumerate() {
            let found = store.get(key).unwrap_or_else(|error| panic!("{self:?}: {error}"));
            let expected = model.get(&number).map(Vec::as_slice);
            assert_eq!(found.as_deref(), expected, "{self:?}: key {number}");
        }
        assert_eq!(store.scan(Range::all()).count(), model.len(), "{self:?}");
    }

    /// Lives all lives that begin with these steps.
    fn live(index: Index, finishes: bool, begin: &[Step], depth: usize) {
        let memory = Memory::new(1);
        Store::open(memory.clone(), Options::default()).unwrap();
        let mut tree = Tree { index, finishes, nodes: 0, merges: 0, path: Vec::new() };
        let mut model = Model::new();
        for step in begin {
            tree.path.push(*step);
            tree.take(&memory, &mut model, *step);
        }
        tree.grow(&memory.image(), &model, depth);
        let Tree { nodes, merges, .. } = tree;
        println!(
            "{index:?}, merges finish: {finishes}, after {begin:?}: {nodes} lives, {merges} merges"
        );
        assert!(0 < merges);
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, merges finish: {}, {:?}", self.index, self.finishes, self.path)
    }
}

/// From nothing, and from segments that hold both keys, so that the second keeps the first's old value where it is.
#[test]
fn f15_no_life_of_five_steps_brings_a_deleted_key_back() {
    let both: &[Step] = &[Step::Put(0), Step::Put(1), Step::Close];
    for (index, finishes) in [(Index::Hash, true), (Index::Ordered, false)] {
        Tree::live(index, finishes, &[], 5);
        Tree::live(index, finishes, both, 5);
        Tree::live(
            index,
            finishes,
            &[both, &[Step::Put(0), Step::Delete(0), Step::Close]].concat(),
            4,
        );
    }
}
