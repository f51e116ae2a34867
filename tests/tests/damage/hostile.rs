//! Segments that somebody made on purpose, with right checksums: to be served what was deleted, or to exhaust memory or time. What they
//! cost is counted in bytes that are read, which no machine makes faster or slower.

use std::hash::Hasher;
use std::sync::atomic::Ordering;

use bitcask_core::{Go, Index, Memory, Options, Range, Recovery, SegmentId, Store, dump, verify};
use siphasher::sip::SipHasher13;

use crate::encode::{
    Fields, Header, Hint, MARK, PUT, SEAL, STORE_ID, TOMBSTONE, Writer, image, seal_value, varint,
};
use crate::guard::Guard;
use crate::stores::Image;

const INDEXES: [Index; 2] = [Index::Hash, Index::Ordered];

fn reader(index: Index, recovery: Recovery) -> Options {
    Options::default().read_only(true).index(index).recovery(recovery)
}

/// Hints that call a put what is a tombstone, or a mark, do not bring a key back, nor make an empty one.
#[test]
fn what_is_no_put_is_served_as_none() {
    for index in INDEXES {
        let mut writer = Writer::log(1, 0);
        writer.put("kept", "value").tombstone("gone").mark();
        writer.hints[1].flags = 0;
        let mark =
            Hint { flags: 0, at: writer.hints[1].at + 28, len: 32, sequence: 3, key: Vec::new() };
        writer.hints.push(mark);
        writer.sequence = 3;
        writer.seal();
        let image = image(&[&writer, &Writer::log(2, 2)]);
        let store =
            Store::open(Memory::from_image(&image, 1), reader(index, Recovery::Strict)).unwrap();
        for key in ["gone", ""] {
            let entry = store.get_entry(key.as_bytes());
            assert!(!matches!(entry, Ok(Some(_))), "{index:?}: {key:?} was served: {entry:?}");
            assert!(
                !matches!(store.contains(key.as_bytes()), Ok(true)),
                "{index:?}: {key:?} is there"
            );
        }
        let served: Vec<_> =
            store.scan(Range::all()).filter_map(Result::ok).map(|e| e.key).collect();
        assert_eq!(served, [&b"kept"[..]], "{index:?}");
        assert!(!store.verify(&mut |_| Go::On).unwrap().is_sound());
    }
}

/// What an opening, a verification and a dump of an image read, at most, as a multiple of its bytes.
fn costs(image: &Image) -> f64 {
    let len: usize = image.values().map(Vec::len).sum();
    let mut most = 0;
    let mut note = |guard: &Guard| most = guard.faults.bytes_read.load(Ordering::Relaxed).max(most);
    for index in INDEXES {
        for recovery in [Recovery::Strict, Recovery::Salvage] {
            let guard = Guard::of(image);
            if let Ok(store) = Store::open(guard.clone(), reader(index, recovery)) {
                let _ = store.changes(0).unwrap().filter_map(Result::ok).count();
            }
            note(&guard);
        }
    }
    let guard = Guard::of(image);
    let _ = verify(&guard, &mut |_| Go::On);
    note(&guard);
    let guard = Guard::of(image);
    image.keys().for_each(|id| dump(&guard, *id, &mut |_| Go::On).unwrap());
    note(&guard);
    most as f64 / len as f64
}

/// Thousands of tiny records behind a damaged one: each is found, and the search for it does not begin at the next megabyte again.
#[test]
fn many_records_behind_damage_are_searched_once() {
    let mut writer = Writer::log(1, 0);
    writer.put("damaged", "value");
    for _ in 0..40_000 {
        writer.put("k", "some thirty bytes of a value");
    }
    assert!(2 << 20 < writer.bytes.len());
    writer.bytes[80] ^= 1;
    let costs = costs(&image(&[&writer, &Writer::log(2, 0)]));
    assert!(costs < 20.0, "reads {costs:.1} times the bytes");
}

/// Records with a gap of zeros or of garbage behind each.
#[test]
fn gaps_between_records_are_searched_once() {
    for gap in [[0; 8], [1; 8], [1, 0, 1, 0, 1, 0, 1, 0]] {
        let mut writer = Writer::log(1, 0);
        for _ in 0..40_000 {
            writer.put("k", "twenty bytes of it..");
            writer.bytes.extend(gap);
        }
        assert!(2 << 20 < writer.bytes.len());
        let costs = costs(&image(&[&writer, &Writer::log(2, 0)]));
        assert!(costs < 20.0, "{gap:?}: reads {costs:.1} times the bytes");
    }
}

/// Heads that are right and promise long bodies that are wrong: a search gives up, and says so.
#[test]
fn bodies_that_are_promised_over_and_over_are_given_up() {
    let mut writer = Writer::log(1, 0);
    writer.put("first", "value");
    let (start, end) = (writer.bytes.len(), 400_000);
    writer.bytes.resize(end, 0);
    for at in (start..end - 64).step_by(32) {
        let (key, value_len) = (b"k".to_vec(), Some((end - at - 25) as u32));
        let fields = Fields { kind: PUT, sequence: 2, key, value_len, ..Fields::default() };
        let record = crate::encode::record(writer.header.seed, at as u64, &fields);
        writer.bytes[at..at + record.len()].copy_from_slice(&record);
        writer.bytes[at] ^= 1;
    }
    let image = image(&[&writer, &Writer::log(2, 0)]);
    let costs = costs(&image);
    assert!(costs < 200.0, "reads {costs:.1} times the bytes");
    let Err(error) =
        Store::open(Memory::from_image(&image, 1), reader(Index::Hash, Recovery::Strict))
    else {
        panic!("it opens, and nobody knows what follows");
    };
    assert!(error.to_string().contains("reasonable time"), "{error}");
}

/// A seal whose hints all have one hash. The keys' real hashes differ, so nothing else was made than a lie, which is found at the second
/// hint and not after as many reads as there are pairs.
#[test]
fn hints_that_lie_about_hashes_are_found_at_once() {
    for hash in [7, key_hash(b"key 00000")] {
        let mut writer = Writer::log(1, 0);
        for number in 0..5_000 {
            writer.put(&format!("key {number:05}"), "");
        }
        let value = hashed_seal(&writer, |_| hash);
        writer.add(&Fields { kind: SEAL, sequence: writer.sequence, value, ..Fields::default() });
        let image = image(&[&writer, &Writer::log(2, writer.sequence)]);
        let guard = Guard::of(&image);
        let opened = Store::open(guard.clone(), reader(Index::Hash, Recovery::Strict));
        let error = opened.err().expect("hints that lie were believed");
        assert!(error.is_damage() && error.to_string().contains("hints"), "{error}");
        let costs = costs(&image);
        assert!(costs < 20.0, "reads {costs:.1} times the bytes");
        // All of it is sound but the seal.
        let salvaged = Store::open(guard, reader(Index::Hash, Recovery::Salvage)).unwrap();
        assert_eq!(salvaged.scan(Range::all()).map(Result::unwrap).count(), 5_000);
    }
}

fn key_hash(key: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&STORE_ID);
    hasher.write(key);
    hasher.finish()
}

/// The value of a seal whose hints are of form 2.
fn hashed_seal(writer: &Writer, hash: impl Fn(u64) -> u64) -> Vec<u8> {
    let keyed = seal_value(&writer.hints, writer.len());
    let mut value = keyed[..40].to_vec();
    value[0] = 2;
    let mut before = writer.hints[0].sequence;
    for (number, hint) in writer.hints.iter().enumerate() {
        value.push(hint.flags);
        varint(&mut value, hint.len);
        varint(&mut value, hint.sequence - before);
        value.extend(hash(number as u64).to_le_bytes());
        before = hint.sequence;
    }
    value.extend(&keyed[keyed.len() - 16..]);
    value
}

/// The number of a seal is where counting goes on: one below the records' would hide them from scans, and be handed out again.
#[test]
fn a_seal_with_another_number_than_its_records_is_damage() {
    for (kind, sequence, opens, is_sound) in [
        (1, 0, false, false),
        (1, 2, false, false),
        (1, 3, true, true),
        // Only a walk finds this: `verify` does.
        (1, 4, true, false),
        (2, 2, false, false),
        (2, 3, true, true),
        // A merge that left a tombstone out.
        (2, 4, true, true),
    ] {
        let mut writer = Writer::new(Header { kind, ..Header::log(1) }, 0);
        writer.put("a", "1").put("b", "2").put("c", "3");
        let value = writer.seal_value();
        writer.add(&Fields { kind: SEAL, sequence, value, ..Fields::default() });
        let image = image(&[&writer, &Writer::log(2, sequence.max(3))]);
        for index in INDEXES {
            let opened =
                Store::open(Memory::from_image(&image, 1), reader(index, Recovery::Strict));
            assert_eq!(opened.is_ok(), opens, "kind {kind}, number {sequence}, {index:?}");
            assert!(opened.is_ok() || opened.is_err_and(|error| error.is_damage()));
        }
        let report = verify(&Guard::of(&image), &mut |_| Go::On).unwrap();
        assert_eq!(report.is_sound(), is_sound, "kind {kind}, number {sequence}: {report:?}");
    }
}

/// A crash between a seal and the cut of the growth behind it leaves both: the hints are compared all the same.
#[test]
fn hints_that_lie_before_growth_are_found_by_verify() {
    for growth in [0, 1, 100] {
        for lies in [false, true] {
            let mut writer = Writer::log(1, 0);
            writer.put("a", "1").put("b", "2");
            if lies {
                writer.hints[0].key = b"c".to_vec();
            }
            writer.seal();
            writer.bytes.resize(writer.bytes.len() + growth, 0);
            let image = image(&[&writer, &Writer::log(2, 2)]);
            let report = verify(&Guard::of(&image), &mut |_| Go::On).unwrap();
            assert_eq!(report.is_sound(), !lies, "{growth} zeros behind the seal: {report:?}");
        }
    }
}

/// Counts and lengths in a seal that nothing can have are refused, and cost nothing.
#[test]
fn counts_and_lengths_that_lie_are_refused() {
    let sound = || {
        let mut writer = Writer::log(1, 0);
        writer.put("a", "1").put("b", "2").tombstone("a");
        writer
    };
    let at = |value: &[u8], place: usize, number: u64| {
        let mut value = value.to_vec();
        value[place..place + 8].copy_from_slice(&number.to_le_bytes());
        value
    };
    let right = sound().seal_value();
    let mut lies: Vec<Vec<u8>> = Vec::new();
    for place in [0, 8, 16, 24, 32, right.len() - 16] {
        lies.extend([0, 1 << 32, u64::MAX, u64::MAX / 2].map(|number| at(&right, place, number)));
    }
    for (at, len) in [(u64::MAX, 1), (72, u64::MAX), (1 << 40, 1 << 40), (72, 0)] {
        let writer = sound();
        let mut hints = writer.hints.clone();
        (hints[0].at, hints[0].len) = (at, len);
        lies.push(seal_value(&hints, writer.len()));
    }
    // A key that is said to be longer than memory.
    let mut long = right[..40].to_vec();
    long.extend([0, 26, 0]);
    varint(&mut long, u64::MAX);
    long.extend(&right[right.len() - 16..]);
    lies.push(long);
    for (number, value) in lies.into_iter().enumerate() {
        let mut writer = sound();
        writer.add(&Fields { kind: SEAL, sequence: 3, value: value.clone(), ..Fields::default() });
        let image = image(&[&writer, &Writer::log(2, 3)]);
        for index in INDEXES {
            let opened = Store::open(Guard::of(&image), reader(index, Recovery::Strict));
            assert!(
                value == right || opened.is_err_and(|e| e.is_damage()),
                "lie {number}, {index:?}"
            );
            let store = Store::open(Guard::of(&image), reader(index, Recovery::Salvage)).unwrap();
            assert_eq!(
                store.get(b"b").unwrap().as_deref(),
                Some(&b"2"[..]),
                "lie {number}, {index:?}"
            );
        }
        assert!(value == right || !verify(&Guard::of(&image), &mut |_| Go::On).unwrap().is_sound());
    }
}

/// Records whose lengths say that they are larger than the file, with right heads.
#[test]
fn lengths_of_records_that_lie_are_refused() {
    for (key_len, value_len) in
        [(Some(u16::MAX), None), (None, Some(u32::MAX)), (Some(u16::MAX), Some(u32::MAX))]
    {
        for kind in [PUT, TOMBSTONE, MARK, SEAL] {
            let mut writer = Writer::log(1, 0);
            writer.put("a", "1");
            let fields = Fields {
                kind,
                sequence: 2,
                key: b"k".into(),
                key_len,
                value_len,
                ..Fields::default()
            };
            writer.add(&fields);
            let image = image(&[&writer, &Writer::log(2, 2)]);
            for index in INDEXES {
                let store =
                    Store::open(Guard::of(&image), reader(index, Recovery::Strict)).unwrap();
                assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
                assert_eq!(
                    (store.len(), store.recovery().cuts.len()),
                    (1, 1),
                    "{kind} {key_len:?} {value_len:?}"
                );
            }
        }
    }
}

/// Thousands of segments with one record each, in every order of their kinds: each is looked at a few times.
#[test]
fn thousands_of_tiny_segments_open() {
    const COUNT: u64 = 4_000;
    for sealed in [true, false] {
        let mut segments = Image::new();
        for position in 1..=COUNT {
            let mut writer = Writer::log(position, position - 1);
            writer.put("k", "v");
            if sealed {
                writer.seal();
            }
            segments.insert(SegmentId(position), writer.bytes);
        }
        segments.insert(SegmentId(COUNT + 1), Writer::log(COUNT + 1, COUNT).bytes);
        let costs = costs(&segments);
        assert!(costs < 20.0, "sealed {sealed}: reads {costs:.1} times the bytes");
        let memory = Memory::from_image(&segments, 1);
        let store = Store::open(memory, Options::default()).unwrap();
        assert_eq!((store.len(), store.sequence()), (1, COUNT));
    }
}

/// A merge that stands for everything there could ever be retires what is there, and nothing else comes of it.
#[test]
fn positions_at_the_end_of_numbers_are_refused() {
    for (first, last) in [(1, u64::MAX), (u64::MAX, u64::MAX), (2, u64::MAX - 1)] {
        for (id, kind) in [(9, 2), (u64::MAX, 2), (u64::MAX, 1)] {
            let header = Header { kind, id, first, last, ..Header::log(2) };
            let mut one = Writer::log(1, 0);
            one.put("a", "1").seal();
            let mut huge = Writer::new(header, 1);
            huge.put("b", "2").seal();
            let image = image(&[&one, &huge]);
            for index in INDEXES {
                let memory = Memory::from_image(&image, 1);
                // Whatever it says, it says without a panic, also when it is written to.
                if let Ok(store) = Store::open(memory, Options::default().index(index)) {
                    let _ = store.put(b"c", b"3");
                    let _ = store.roll();
                    let _ = store.close();
                }
                let _ = Store::open(Guard::of(&image), reader(index, Recovery::Salvage))
                    .map(|s| s.len());
            }
        }
    }
}
