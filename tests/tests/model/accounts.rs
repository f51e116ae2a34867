//! The accounts are what a merge is checked by: where a live record is not met, nothing is published and nothing goes.

use bitcask_core::{
    Go, Index, MergePolicy, MergeStep, Options, Range, Segment as _, SegmentId, SegmentState,
    Storage as _, Store,
};
use bitcask_tests::model::Faulty;

const ID: SegmentId = SegmentId(1);

/// A store whose first segment is sealed and worth a merge, and holds this key last.
fn store(last: &[u8], index: Index) -> (Faulty, Store<Faulty>) {
    let machine = Faulty::new(7);
    let options = Options::default().index(index).segment_bytes(256);
    let store = Store::open(machine.clone(), options).unwrap();
    store.put(b"a", b"old").unwrap();
    store.put(b"a", b"new").unwrap();
    store.put(b"b", b"kept").unwrap();
    store.put(last, b"live").unwrap();
    store.put(b"roll", &[7; 200]).unwrap();
    (machine, store)
}

/// F1: the same seeds make two stores of the same bytes, but for one key. So one's segment in the place of the other's has only
/// valid records, and lacks one that is live.
#[test]
fn f01_a_merge_that_misses_a_live_record_publishes_nothing() {
    for index in [Index::Hash, Index::Ordered] {
        let (machine, store) = store(b"c", index);
        let (other, _) = self::store(b"x", index);
        let other = other.open(ID).unwrap();
        let bytes = other.read_at(0, other.len() as usize).unwrap();
        machine.replace(ID, &bytes);
        let files = machine.image();
        let error = store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap_err();
        assert!(error.is_damage(), "{index:?}: {error}");
        let stats = store.stats();
        assert_eq!(stats.poisoned, None, "{index:?}: the damage was noticed too late");
        assert_eq!(machine.image(), files, "{index:?}: a merge that was refused changed files");
        let states: Vec<_> =
            stats.segments.iter().filter(|s| s.id == ID).map(|s| s.state).collect();
        assert_eq!(states, [SegmentState::Quarantined], "{index:?}");
        // What is sound is served, and the store goes on.
        assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(store.get(b"b").unwrap().as_deref(), Some(&b"kept"[..]));
        store.put(b"more", b"goes on").unwrap();
        assert_eq!(store.scan(Range::prefix("more")).count(), 1);
    }
}

/// A segment that is read in several pieces: what dies in a later one, while the merge is at an earlier one, is accounted for.
#[test]
fn f16_what_dies_before_a_merge_in_progress_has_come_to_it_is_no_damage() {
    const KEYS: u32 = 100;
    let value = vec![7; 50_000];
    for index in [Index::Hash, Index::Ordered] {
        let options = Options::default().index(index).segment_bytes(8 << 20);
        let store = Store::open(Faulty::new(7), options).unwrap();
        let key = |number: u32| number.to_be_bytes();
        store.put(&key(0), &value).unwrap();
        (0..KEYS).for_each(|number| _ = store.put(&key(number), &value).unwrap());
        store.roll().unwrap();
        let read = loop {
            match store.merge_step(&MergePolicy::full(), 1).unwrap() {
                MergeStep::Working(progress) if progress.bytes_read == 0 => {}
                MergeStep::Working(progress) => break progress.bytes_read,
                other => panic!("{index:?}: {other:?}"),
            }
        };
        assert!(read < 4_000_000, "{index:?}: {read} bytes at once: there is nothing in between");
        store.put(&key(KEYS - 1), b"newer").unwrap();
        assert!(store.delete(&key(KEYS - 2)).unwrap());
        let report = store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
        assert!(0 < report.inputs, "{index:?}: {report:?}");
        assert!(store.stats().segments.iter().all(|s| s.state != SegmentState::Quarantined));
        assert_eq!(store.get(&key(KEYS - 1)).unwrap().as_deref(), Some(&b"newer"[..]));
        assert_eq!(store.get(&key(KEYS - 2)).unwrap(), None);
        assert_eq!(store.len(), u64::from(KEYS) - 1, "{index:?}");
    }
}
