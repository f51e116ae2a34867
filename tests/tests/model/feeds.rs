//! The change feed: which feeds are complete, exhaustively for short programs, and what it does in special places.

use std::collections::BTreeMap;

use bitcask_core::{
    Batch, Bytes, Change, ChangeKind, Changes, Error, Go, Index, Memory, MergePolicy, MergeStep,
    Options, Range, Recovery, SegmentId, SegmentState, Store, WriteOptions,
};

type State = BTreeMap<Bytes, Bytes>;

/// What a program is made of. Every put has a value of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Put(&'static [u8]),
    PutExpiring(&'static [u8]),
    Delete(&'static [u8]),
    Roll,
    Merge,
    Reopen,
    /// Lets what expires expire.
    Wait,
}

const ACTS: [Act; 8] = [
    Act::Put(b"a"),
    Act::Put(b"b"),
    Act::PutExpiring(b"a"),
    Act::Delete(b"a"),
    Act::Roll,
    Act::Merge,
    Act::Reopen,
    Act::Wait,
];

fn options() -> Options {
    Options::default().index(Index::Ordered).segment_bytes(1 << 16)
}

fn state(store: &Store<Memory>) -> State {
    let entries = store.scan(Range::all()).map(Result::unwrap);
    entries.map(|entry| (entry.key, entry.value)).collect()
}

fn apply(state: &mut State, change: Change, now_ms: u64) {
    match change.kind {
        ChangeKind::Put { value, expires_at_ms }
            if expires_at_ms.is_none_or(|at_ms| now_ms < at_ms) =>
        {
            state.insert(change.key, value.unwrap());
        }
        _ => drop(state.remove(&change.key)),
    }
}

/// A state that somebody had, of keys that expire and others, and the number that belongs to it.
struct Had {
    since: u64,
    state: BTreeMap<Bytes, (Bytes, Option<u64>)>,
}

struct Counts {
    complete: u64,
    incomplete: u64,
    /// Of these: feeds that would have been right.
    needless: u64,
}

fn run(acts: &[Act], counts: &mut Counts) {
    let memory = Memory::new(1);
    let mut store = Store::open(memory.clone(), options()).unwrap();
    let (mut now_ms, mut had) = (0, Vec::new());
    for (number, act) in acts.iter().enumerate() {
        let value = [number as u8];
        match act {
            Act::Put(key) => drop(store.put(key, &value).unwrap()),
            Act::PutExpiring(key) => {
                let options = WriteOptions::default().expires_at_ms(now_ms + 5);
                store.put_with(key, &value, &options).unwrap();
            }
            Act::Delete(key) => drop(store.delete(key).unwrap()),
            Act::Roll => drop(store.roll().unwrap()),
            Act::Merge => {
                store.roll().unwrap();
                store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
            }
            Act::Reopen => {
                store.close().unwrap();
                store = Store::open(memory.clone(), options()).unwrap();
            }
            Act::Wait => {
                now_ms += 10;
                memory.set_now_ms(now_ms);
            }
        }
        let entries = store.scan(Range::all()).map(Result::unwrap);
        let state = entries.map(|entry| (entry.key, (entry.value, entry.expires_at_ms)));
        let since = store.sequence();
        had.push(Had { since, state: state.collect() });
        // It also leaves traces of where it was.
        assert!(store.changes(since).unwrap().is_complete(), "{acts:?}: from {since} on");
    }
    had.push(Had { since: 0, state: BTreeMap::new() });
    let now = state(&store);
    for Had { since, state } in had {
        let mut feed = store.changes(since).unwrap();
        let there = state.into_iter().filter(|(_, (_, at_ms))| at_ms.is_none_or(|at| now_ms < at));
        let mut copied: State = there.map(|(key, (value, _))| (key, value)).collect();
        feed.by_ref().for_each(|change| apply(&mut copied, change.unwrap(), now_ms));
        let right = copied == now;
        let complete = feed.is_complete();
        assert!(right || !complete, "{acts:?}: from {since} on {copied:?} where {now:?} is");
        assert!(complete || since < feed.horizon(), "{acts:?}: from {since} on");
        assert!(complete || acts.contains(&Act::Merge), "{acts:?}: from {since} on");
        counts.complete += u64::from(complete);
        counts.incomplete += u64::from(!complete);
        counts.needless += u64::from(!complete && right);
    }
}

/// All programs of a put and so many steps more. Nothing is random, so nothing is missed.
#[test]
fn every_short_program_has_feeds_that_are_right_where_they_say_so() {
    const LEN: u32 = 5;
    let mut counts = Counts { complete: 0, incomplete: 0, needless: 0 };
    let mut acts = [ACTS[0]; 1 + LEN as usize];
    for number in 0..ACTS.len().pow(LEN) {
        let mut rest = number;
        for act in &mut acts[1..] {
            *act = ACTS[rest % ACTS.len()];
            rest /= ACTS.len();
        }
        // The same as a shorter program.
        if acts.windows(2).all(|pair| pair != [Act::Wait; 2] && pair != [Act::Roll; 2]) {
            run(&acts, &mut counts);
        }
    }
    let Counts { complete, incomplete, needless } = counts;
    println!("{complete} complete feeds, {incomplete} others, of which {needless} needlessly");
    assert!(incomplete < complete && needless < incomplete, "a test that tells nothing");
}

fn all<S: bitcask_core::Storage>(feed: Changes<S>) -> Vec<Change> {
    feed.map(Result::unwrap).collect()
}

fn sequences(changes: &[Change]) -> Vec<u64> {
    changes.iter().map(|change| change.sequence).collect()
}

#[test]
fn a_feed_tells_what_was_written() {
    let store = Store::open(Memory::new(1), options()).unwrap();
    store.put(b"a", b"1").unwrap();
    let expiring = WriteOptions::default().expires_at_ms(7);
    store.put_with(b"b", b"", &expiring).unwrap();
    let mut batch = Batch::new();
    batch.put(b"c", b"3").unwrap().delete(b"a").unwrap().put(b"c", b"5").unwrap();
    store.write(&batch, &WriteOptions::default()).unwrap();
    assert!(!store.delete(b"a").unwrap());
    let put = |value: &'static [u8], expires_at_ms| ChangeKind::Put {
        value: Some(Bytes::from_static(value)),
        expires_at_ms,
    };
    let change = |sequence, key: &'static [u8], kind, batch_goes_on| Change {
        sequence,
        key: Bytes::from_static(key),
        kind,
        batch_goes_on,
    };
    let expected = [
        change(1, b"a", put(b"1", None), false),
        change(2, b"b", put(b"", Some(7)), false),
        change(3, b"c", put(b"3", None), true),
        change(4, b"a", ChangeKind::Delete, true),
        change(5, b"c", put(b"5", None), false),
    ];
    assert_eq!(store.sequence(), 5);
    for since in 0..=5 {
        let feed = store.changes(since).unwrap();
        assert!(feed.is_complete());
        assert_eq!((feed.since(), feed.until(), feed.horizon()), (since, 5, 0));
        assert_eq!(all(feed), expected[since as usize..]);
    }
    let beyond = store.changes(6).unwrap();
    assert!(!beyond.is_complete(), "nobody was told this number");
    assert!(all(beyond).is_empty());
    store.close().unwrap();
    assert!(matches!(store.changes(0), Err(Error::Closed)));
}

/// A feed is of the moment when it was made: writes, rolls, merges and the store's end beside it change nothing.
#[test]
fn a_feed_does_not_see_what_comes_later() {
    for index in [Index::Hash, Index::Ordered] {
        let memory = Memory::new(1);
        let options = Options::default().index(index).segment_bytes(300);
        let store = Store::open(memory.clone(), options).unwrap();
        for number in 0..40u8 {
            store.put(&[number % 7 + 1], &[number; 30]).unwrap();
        }
        store.delete(&[3]).unwrap();
        let (mut feed, mut early) = (store.changes(0).unwrap(), store.changes(20).unwrap());
        let first = feed.next().unwrap().unwrap();
        assert_eq!(first.sequence, 1);
        for number in 0..40u8 {
            store.put(&[number % 5 + 1], &[number; 30]).unwrap();
        }
        store.roll().unwrap();
        let report = store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
        assert!(0 < report.inputs);
        let (stats, until) = (store.stats(), store.sequence());
        assert_eq!(stats.held_by_snapshots, 0, "a feed holds no segment of the store's");
        store.close().unwrap();
        drop(store);
        assert_eq!(sequences(&all(feed)), (2..=41).collect::<Vec<_>>());
        assert_eq!(
            sequences(&early.by_ref().map(Result::unwrap).collect::<Vec<_>>()),
            (21..=41).collect::<Vec<_>>()
        );
        assert!(early.is_complete());
        // A new one sees what is left.
        let store = Store::open(memory, Options::default().index(index)).unwrap();
        let feed = store.changes(41).unwrap();
        assert_eq!((feed.until(), feed.is_complete()), (until, false));
        assert_eq!(store.changes(until).unwrap().count(), 0);
        let last = all(store.changes(0).unwrap());
        assert_eq!(last.len(), store.len() as usize);
    }
}

/// While a merge is under way, also between its commit and its end, everything is told once.
#[test]
fn a_feed_in_every_moment_of_a_merge() {
    let options = Options::default().index(Index::Ordered).segment_bytes(300);
    let store = Store::open(Memory::new(1), options).unwrap();
    for number in 0..60u8 {
        store.put(&[number % 9 + 1], &[number; 30]).unwrap();
        if number % 10 == 9 {
            store.delete(&[number % 9 + 1]).unwrap();
        }
    }
    store.roll().unwrap();
    let wanted = state(&store);
    let mut steps = 0;
    loop {
        let step = store.merge_step(&MergePolicy::full(), 1).unwrap();
        let mut copied = State::new();
        let changes = all(store.changes(0).unwrap());
        assert!(changes.is_sorted_by(|one, next| one.sequence < next.sequence), "step {steps}");
        changes.into_iter().for_each(|change| apply(&mut copied, change, 0));
        assert_eq!(copied, wanted, "step {steps}");
        steps += 1;
        if step == MergeStep::Idle {
            break;
        }
    }
    assert!(10 < steps, "{steps} steps");
}

/// The same segments, but for one bit in the value of the fifth record; each has 75 bytes.
fn with_a_damaged_record(memory: &Memory) -> Memory {
    let mut image = memory.image();
    let first = image.get_mut(&SegmentId(1)).unwrap();
    first[72 + 4 * 75 + 40] ^= 1;
    Memory::from_image(&image, 2)
}

/// A record that is damaged is told as an error, once, and what follows is told.
#[test]
fn a_feed_goes_on_behind_damage_and_is_not_complete() {
    let memory = Memory::new(1);
    let store = Store::open(memory.clone(), options()).unwrap();
    for number in 1..=9u8 {
        store.put(&[number], &[number; 50]).unwrap();
    }
    store.roll().unwrap();
    store.put(b"later", b"1").unwrap();
    store.close().unwrap();
    drop(store);
    let store = Store::open(with_a_damaged_record(&memory), options()).unwrap();
    let mut feed = store.changes(2).unwrap();
    assert!(feed.is_complete(), "nothing is known of it yet");
    let (told, errors): (Vec<_>, Vec<_>) = feed.by_ref().partition(Result::is_ok);
    assert!(!feed.is_complete());
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    assert_eq!(sequences(&told), [3, 4, 6, 7, 8, 9, 10]);
    assert!(matches!(errors[..], [Err(Error::Damaged { segment: SegmentId(1), .. })]));
    assert!(store.changes(9).unwrap().is_complete(), "it is not read for that");
    // Keys alone are sound.
    let mut keys = store.changes(2).unwrap().keys_only();
    assert_eq!(keys.by_ref().filter(Result::is_ok).count(), 8);
    assert!(keys.is_complete());
    // A merge notices it too, and from then on the store knows.
    store.roll().unwrap();
    store.delete(b"later").unwrap();
    store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap_err();
    assert!(store.stats().segments.iter().any(|s| s.state == SegmentState::Quarantined));
    assert!(!store.changes(0).unwrap().is_complete());
    assert!(store.changes(10).unwrap().is_complete());
}

/// What salvage serves is told, and never as all that there was.
#[test]
fn a_salvaged_store_tells_what_is_sound() {
    let memory = Memory::new(1);
    let store = Store::open(memory.clone(), options()).unwrap();
    for number in 1..=9u8 {
        store.put(&[number], &[number; 50]).unwrap();
    }
    store.sync().unwrap();
    store.put(b"synced", b"").unwrap();
    drop(store);
    let salvage = options().read_only(true).recovery(Recovery::Salvage);
    let store = Store::open(with_a_damaged_record(&memory), salvage).unwrap();
    let mut feed = store.changes(0).unwrap();
    let told: Vec<_> = feed.by_ref().filter_map(Result::ok).collect();
    assert_eq!(sequences(&told), [1, 2, 3, 4, 6, 7, 8, 9, 10]);
    assert!(!feed.is_complete());
    assert_eq!(feed.until(), 10);
    assert_eq!(store.scan(Range::all()).count(), 9, "a scan sees the same");
}
