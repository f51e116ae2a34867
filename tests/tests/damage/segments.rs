//! Which segments count: FORMAT.md, section 5. Files that are lost, copied, foreign, newer, empty or garbage.

use bitcask_core::{
    Error, Go, Index, Memory, MergePolicy, MergeStep, Options, Recovery, SegmentId, Storage as _,
    Store, verify,
};

use crate::encode::{Header, Writer, image};
use crate::guard::Guard;
use crate::oracle::layouts;
use crate::stores::{self, INDEXES, Image, Made, State, Twin};

/// What the store holds.
fn state<S: bitcask_core::Storage>(store: &Store<S>) -> State {
    let all = store.scan(bitcask_core::Range::all()).map(|entry| entry.unwrap());
    all.map(|entry| (entry.key.to_vec(), (entry.value.to_vec(), entry.expires_at_ms))).collect()
}

/// Opening fails, for writing and for reading, and changes nothing.
fn refused(image: &Image, index: Index) -> Error {
    let guard = Guard::of(image);
    let options = Options::default().index(index);
    let reading = Store::open(guard.clone(), options.clone().read_only(true)).err();
    assert!(reading.is_some(), "opened for reading");
    let error = Store::open(guard.clone(), options).err().expect("opened for writing");
    assert_eq!(&guard.memory.image(), image, "an opening that was refused changed something");
    error
}

/// It opens and holds this; opening it once more changes nothing.
fn opens(image: &Image, expected: &State, index: Index) -> Guard {
    let guard = Guard::of(image);
    let options = Options::default().index(index);
    let reader = Store::open(guard.clone(), options.clone().read_only(true)).unwrap();
    assert_eq!(&state(&reader), expected);
    assert_eq!(&guard.memory.image(), image, "a reader changed something");
    let store = Store::open(guard.clone(), options.clone()).unwrap();
    assert_eq!(&state(&store), expected);
    drop(store);
    let first = guard.memory.image();
    let store = Store::open(guard.clone(), options).unwrap();
    assert!(store.recovery().removed.is_empty() && store.recovery().cuts.is_empty());
    assert_eq!(&state(&store), expected);
    assert_eq!(guard.memory.image(), first, "the second opening changed something");
    guard
}

fn several_segments() -> Vec<Made> {
    vec![
        stores::sealed_with_keys(),
        stores::sealed_with_hashes(),
        stores::sealed_and_closed(),
        stores::several_sessions(),
        stores::unsealed_segments(),
        stores::merged(),
        stores::merged_and_closed(),
    ]
}

#[test]
fn every_segment_that_is_missing_is_named() {
    let mut count = 0;
    for made in several_segments() {
        let layouts = layouts(&made.image);
        assert!((3..=8).contains(&layouts.len()), "{}: {}", made.name, layouts.len());
        for (at, layout) in layouts.iter().enumerate() {
            let mut image = made.image.clone();
            image.remove(&layout.id);
            for index in INDEXES {
                if at + 1 == layouts.len() {
                    // Nothing but a header: what the store holds is all there.
                    assert!(layout.records.is_empty(), "{}", made.name);
                    opens(&image, &made.state, index);
                    continue;
                }
                match refused(&image, index) {
                    Error::Missing { first, last, unreadable } => {
                        assert_eq!((first, last), (layout.first, layout.last), "{}", made.name);
                        assert!(unreadable.is_empty());
                    }
                    other => panic!("{}, without segment {}: {other}", made.name, layout.id),
                }
                let options = Options::default().index(index).recovery(Recovery::Salvage);
                let store = Store::open(Guard::of(&image), options).unwrap();
                assert_eq!(store.recovery().passed_over.len(), 1, "{}", made.name);
            }
            count += 1;
        }
    }
    println!("{count} stores that lack a segment");
}

#[test]
fn a_segment_of_another_store_is_foreign() {
    for made in several_segments() {
        let other = Twin::new(99, &stores::options()).made("another store");
        // Beside the store's own, and instead of one of them.
        for (id, copy) in [(20, 1), (20, 2), (1, 1), (2, 2), (3, 2)] {
            let (id, copy) = (SegmentId(id), SegmentId(copy));
            let mut image = made.image.clone();
            let mut header = Header::log(copy.0);
            header.id = id.0;
            image.insert(id, if id == copy { other.image[&copy].clone() } else { header.encode() });
            for index in INDEXES {
                let error = refused(&image, index);
                assert!(
                    matches!(error, Error::Foreign { segment, .. } if segment == id),
                    "{}: {error}",
                    made.name
                );
            }
            assert!(!verify(&Guard::of(&image), &mut |_| Go::On).unwrap().is_sound());
        }
    }
}

#[test]
fn a_segment_under_another_name_is_foreign_and_salvage_passes_it_over() {
    let made = stores::sealed_with_keys();
    for from in made.image.keys() {
        for to in [SegmentId(77), SegmentId(1 + from.0 % made.image.len() as u64)] {
            let mut image = made.image.clone();
            image.insert(to, made.image[from].clone());
            for index in INDEXES {
                let error = refused(&image, index);
                assert!(
                    matches!(error, Error::Foreign { segment, .. } if segment == to),
                    "{error}"
                );
                let options = Options::default().index(index).recovery(Recovery::Salvage);
                let store = Store::open(Guard::of(&image), options).unwrap();
                assert!(!store.recovery().passed_over.is_empty());
                if to == SegmentId(77) {
                    assert_eq!(state(&store), made.state, "all that belongs here is here");
                }
            }
            assert!(!verify(&Guard::of(&image), &mut |_| Go::On).unwrap().is_sound());
        }
    }
}

#[test]
fn two_segments_for_one_position_are_damage() {
    let (mut one, mut again) =
        (Writer::log(1, 0), Writer::new(Header { id: 9, ..Header::log(1) }, 0));
    one.put("a", "1");
    again.put("a", "2");
    for index in INDEXES {
        let error = refused(&image(&[&one, &Writer::log(2, 0), &again]), index);
        assert!(matches!(error, Error::Damaged { segment: SegmentId(9), .. }), "{error}");
    }
}

#[test]
fn a_newer_version_or_an_unknown_feature_is_refused_and_one_to_read_by_is_read() {
    let mut one = Writer::log(1, 0);
    one.put("a", "1").seal();
    for changed in [1, 2] {
        let with = |change: fn(&mut Header)| {
            let mut one = one.clone();
            let mut two = Writer::log(2, 1);
            let writer = if changed == 1 { &mut one } else { &mut two };
            change(&mut writer.header);
            let header = writer.header.encode();
            writer.bytes.splice(..72, header);
            image(&[&one, &two])
        };
        for index in INDEXES {
            for newer in [
                with(|header| header.version = 2),
                with(|header| header.version = 0),
                with(|header| header.incompatible = 1),
                with(|header| header.incompatible = 1 << 31),
            ] {
                let error = refused(&newer, index);
                assert!(matches!(error, Error::Version { segment, .. } if segment.0 == changed));
                assert!(!error.is_damage() && error.advice().contains("newer"), "{error}");
            }
            let compatible = with(|header| header.compatible = 1 << 7);
            let guard = Guard::of(&compatible);
            let options = Options::default().index(index);
            let writing = Store::open(guard.clone(), options.clone()).err().unwrap();
            assert!(matches!(writing, Error::Version { .. }), "{writing}");
            let reader = Store::open(guard.clone(), options.read_only(true)).unwrap();
            assert_eq!(reader.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
            assert!(matches!(reader.put(b"b", b""), Err(Error::ReadOnly)));
            assert_eq!(guard.memory.image(), compatible);
        }
    }
}

/// Each input of a merge comes back alone, and all of them: they are retired, and never replayed.
#[test]
fn an_input_that_comes_back_after_its_merge_is_removed() {
    let mut twin = Twin::new(30, &stores::options().segment_bytes(300));
    for number in 0..8 {
        twin.put(&format!("k{}", number % 3), vec![b'a' + number; 90]);
    }
    twin.delete("k1");
    twin.put("k2", vec![b'z'; 90]);
    let inputs = twin.memory.image();
    while twin.store.merge_step(&MergePolicy::full(), u64::MAX).unwrap() != MergeStep::Idle {}
    let merged = twin.memory.image();
    let gone: Vec<SegmentId> =
        inputs.keys().filter(|id| !merged.contains_key(id)).copied().collect();
    assert!(3 <= gone.len(), "{gone:?}");
    for back in 0..=gone.len() {
        let mut image = merged.clone();
        let back = gone.get(back).map_or(&gone[..], std::slice::from_ref);
        image.extend(back.iter().map(|id| (*id, inputs[id].clone())));
        for index in INDEXES {
            let guard = opens(&image, &twin.state, index);
            assert!(back.iter().all(|id| guard.memory.open(*id).is_err()), "{back:?} stay");
        }
    }
}

#[test]
fn an_output_without_its_seal_and_files_that_were_being_created_are_removed() {
    let made = stores::sealed_with_keys();
    let id = SegmentId(40);
    let header = Header { store_id: store_id(&made.image), ..Header::merge(40, 1, 2) };
    let mut uncommitted = Writer::new(header, 0);
    uncommitted.put("a", "a copy").put("q", "nobody wrote this");
    let torn_log = Header { store_id: store_id(&made.image), ..Header::log(40) }.encode();
    let files = [
        uncommitted.bytes,
        Vec::new(),
        vec![0; 10],
        vec![0; 72],
        vec![0; 5000],
        torn_log[..71].to_vec(),
        torn_log[..9].to_vec(),
        [&torn_log[..30], &[0; 42]].concat(),
        b"garbage".repeat(50),
    ];
    for file in files {
        let mut image = made.image.clone();
        image.insert(id, file);
        for index in INDEXES {
            let guard = opens(&image, &made.state, index);
            assert!(guard.memory.open(id).is_err(), "it stays");
        }
    }
}

/// A merge's output whose seal is damaged was committed if nothing else stands for its positions: also where it is all that is left, and not
/// followed by any segment.
#[test]
fn an_output_with_a_damaged_seal_that_is_alone_is_no_empty_store() {
    let made = stores::merged_and_closed();
    let layouts = layouts(&made.image);
    let output = layouts.iter().find(|layout| layout.first < layout.last).expect("a merge");
    let mut bytes = made.image[&output.id].clone();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let image = Image::from([(output.id, bytes)]);
    for index in INDEXES {
        let error = refused(&image, index);
        let Error::Missing { first, last, .. } = error else { panic!("{error}") };
        assert_eq!((first, last), (output.first, output.last));
        let options = Options::default().index(index).recovery(Recovery::Salvage);
        let store = Store::open(Guard::of(&image), options).unwrap();
        let served = state(&store);
        assert!(!served.is_empty() && served.iter().all(|(k, v)| made.state.get(k) == Some(v)));
    }
}

fn store_id(image: &Image) -> [u8; 16] {
    image[&SegmentId(1)][24..40].try_into().unwrap()
}

#[test]
fn a_torn_header_where_records_were_is_damage() {
    let made = stores::plain();
    for len in [1, 30, 71] {
        let mut image = made.image.clone();
        image.get_mut(&SegmentId(1)).unwrap().truncate(len);
        for index in INDEXES {
            let error = refused(&image, index);
            assert!(
                matches!(&error, Error::Missing { first: 1, last: 1, unreadable } if unreadable == &[SegmentId(1)]),
                "{error}"
            );
        }
    }
}

/// Nothing but what the very first creation leaves is an empty store; anything else that is no segment is not.
#[test]
fn a_folder_without_a_single_header() {
    let empty = State::new();
    let header = Header::log(1).encode();
    for file in [Vec::new(), vec![0; 72], header[..40].to_vec(), [&header[..40], &[0; 99]].concat()]
    {
        for index in INDEXES {
            let image = Image::from([(SegmentId(1), file.clone())]);
            let read_only = Options::default().index(index).read_only(true);
            let reading = Store::open(Guard::of(&image), read_only);
            assert!(matches!(reading, Err(Error::NoStore)));
            let no_create = Options::default().index(index).create(false);
            assert!(matches!(Store::open(Guard::of(&image), no_create), Err(Error::NoStore)));
            let store = Store::open(Guard::of(&image), Options::default().index(index)).unwrap();
            assert_eq!(state(&store), empty);
            store.put(b"a", b"1").unwrap();
        }
    }
    let garbage: Image = (1..6).map(|id| (SegmentId(id), vec![id as u8 + 64; 500])).collect();
    for index in INDEXES {
        assert!(refused(&garbage, index).is_damage());
        let options = Options::default().index(index).recovery(Recovery::Salvage);
        assert!(matches!(Store::open(Guard::of(&garbage), options), Err(Error::NoStore)));
    }
    assert!(!verify(&Guard::of(&garbage), &mut |_| Go::On).unwrap().is_sound());
    assert!(matches!(verify(&Memory::new(1), &mut |_| Go::On), Err(Error::NoStore)));
}
