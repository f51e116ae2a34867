//! Failures of other engines of this family that none of ours may repeat. Each test bears the number of its row in
//! the project's list; what the row says happened stands above it.

use bitcask_core::{
    Durability, Error, Go, Index, Memory, MergePolicy, MergeStep, Options, SegmentId, SegmentState,
    Storage as _, Store, WriteOptions, verify,
};

use crate::encode::{Writer, image};
use crate::guard::Guard;
use crate::oracle::layouts;
use crate::stores::{self, INDEXES, Image, State, Twin};

fn get<S: bitcask_core::Storage>(store: &Store<S>, key: &str) -> Option<Vec<u8>> {
    store.get(key.as_bytes()).unwrap().map(|value| value.to_vec())
}

/// Sealed segments with many live keys, and dead ones, so that a merge has work to do everywhere.
fn mergeable() -> (Image, State) {
    let mut twin = Twin::new(50, &stores::options().segment_bytes(2000));
    for number in 0..60 {
        twin.put(&format!("k{number}"), vec![b'a' + number % 26; 60]);
        twin.put("dead soon", format!("{number}"));
    }
    twin.delete("dead soon");
    (twin.memory.image(), twin.state)
}

/// Damages one record of the first segment; merges; everything else must be there, before and after reopening.
fn merge_over_damage(index: Index, byte: impl Fn(&std::ops::Range<u64>, u64) -> u64) {
    let (mut image, state) = mergeable();
    let layouts = layouts(&image);
    let victim = layouts[0].records.iter().find(|r| r.key.as_deref() == Some(b"k3")).unwrap();
    let at = byte(&victim.bytes, victim.head_end) as usize;
    image.get_mut(&layouts[0].id).unwrap()[at] ^= 0x40;
    let guard = Guard::of(&image);
    let options = Options::default().index(index).segment_bytes(2000);
    let store = Store::open(guard.clone(), options.clone()).unwrap();
    let error =
        store.merge(&MergePolicy::full(), &mut |_| Go::On).expect_err("the merge is silent");
    assert!(matches!(error, Error::Damaged { segment, .. } if segment == layouts[0].id), "{error}");
    let quarantined = |store: &Store<Guard>| {
        let stats = store.stats();
        let of = |s: &&bitcask_core::SegmentStats| s.state == SegmentState::Quarantined;
        stats.segments.iter().filter(of).map(|s| s.id).collect::<Vec<_>>()
    };
    assert_eq!(quarantined(&store), [layouts[0].id]);
    assert!(0 < store.stats().merges, "the other segments were merged");
    let check = |store: &Store<Guard>| {
        for (key, (value, _)) in &state {
            match store.get(key) {
                Ok(found) => {
                    assert_eq!(found.as_deref(), Some(&value[..]), "{}", key.escape_ascii())
                }
                Err(error) => assert!(key == b"k3" && error.is_damage(), "{error}"),
            }
        }
        assert!(store.get(b"k3").is_err() && !store.verify(&mut |_| Go::On).unwrap().is_sound());
    };
    check(&store);
    assert!(guard.memory.open(layouts[0].id).is_ok(), "the damaged segment is gone");
    store.close().unwrap();
    let store = Store::open(guard, options).unwrap();
    check(&store);
    assert_eq!(store.len(), state.len() as u64);
}

/// One corrupt length byte, and after a merge that answered `ok` 10 of 1000 keys were left.
#[test]
fn f01_a_merge_over_a_damaged_length_keeps_every_sound_record_and_says_so() {
    for index in INDEXES {
        for byte in [10, 11, 12, 13, 14, 15] {
            merge_over_damage(index, |record, _| record.start + byte);
        }
    }
}

/// One flipped byte of a value, and after a merge without an error nearly all keys were gone.
#[test]
fn f02_a_merge_over_a_damaged_value_keeps_every_sound_record_and_says_so() {
    for index in INDEXES {
        merge_over_damage(index, |_, value| value + 10);
        merge_over_damage(index, |record, _| record.end - 1);
    }
}

/// A merge asks about the newest record of a tombstone's key, which may be damaged in a segment that is not merged.
#[test]
fn f02_a_merge_does_not_hang_on_damage_outside_of_it() {
    // The first segment holds a dead record, but is not worth merging; the second is.
    let mut log = [Writer::log(1, 0), Writer::log(2, 3), Writer::log(3, 6)];
    log[0].put("d", &"1".repeat(2000)).put("d", &"2".repeat(9000)).put("k", "older").seal();
    log[1].tombstone("k").put("e", &"4".repeat(900)).put("e", "5").seal();
    log[2].put("k", "newest").put("f", "6").seal();
    let last = Writer::log(4, 8);
    let mut image = image(&[&log[0], &log[1], &log[2], &last]);
    image.get_mut(&SegmentId(3)).unwrap()[72 + 24] ^= 1;
    for index in INDEXES {
        for ratio in [0.0, 0.1, 0.3] {
            let Ok(store) = Store::open(Guard::of(&image), Options::default().index(index)) else {
                panic!("the hints hold the keys: opening reads no head of segment 3")
            };
            let mut policy = MergePolicy::default().dead_ratio(ratio);
            (policy.small_ratio, policy.small_run) = (0.0, 9);
            let merged = store.merge(&policy, &mut |_| Go::On);
            assert!(merged.is_ok() || merged.unwrap_err().is_damage());
            assert!(store.get(b"k").unwrap_err().is_damage(), "an older value came back");
            assert_eq!(get(&store, "e").unwrap(), b"5");
            assert_eq!(get(&store, "d").unwrap().len(), 9000);
        }
    }
}

/// A process killed in its second merge lost 82 % of the keys: a half-written hint was believed.
#[test]
fn f03_a_crash_anywhere_in_a_second_merge_loses_nothing() {
    let mut twin = Twin::new(51, &stores::options().segment_bytes(600));
    for number in 0..12 {
        twin.put(&format!("k{}", number % 5), vec![b'a' + number; 90]);
    }
    twin.merge();
    for number in 0..12 {
        twin.put(&format!("k{}", number % 4), vec![b'A' + number; 90]);
    }
    twin.delete("k0");
    let before = twin.memory.image();
    let mut images = Vec::new();
    while twin.store.merge_step(&MergePolicy::full(), 100).unwrap() != MergeStep::Idle {
        images.push(twin.memory.image());
    }
    let mut count = 0;
    for image in &images {
        for (id, bytes) in image.iter().filter(|(id, _)| !before.contains_key(id)) {
            // An output is never cut behind its commit: until then, its inputs are there.
            let inputs = before.keys().all(|id| image.contains_key(id));
            let shortest = if inputs { 0 } else { bytes.len() };
            for len in shortest..=bytes.len() {
                let mut image = image.clone();
                image.get_mut(id).unwrap().truncate(len);
                let index = INDEXES[len % 2];
                let store =
                    Store::open(Guard::of(&image), Options::default().index(index)).unwrap();
                let keys = twin.state.keys().cloned().collect();
                crate::sweep::assert_holds(&store, &twin.state, &keys);
                count += 1;
            }
        }
    }
    println!("{} steps, {count} images", images.len());
    assert!(100 < count);
}

/// A stale saved index was believed, and synced puts and deletes behind it were not replayed.
#[test]
fn f04_a_seal_of_other_bytes_is_not_believed() {
    let mut log = Writer::log(1, 0);
    log.put("a", "old").put("b", "old");
    let stale = log.seal_value();
    let unsealed_len = log.bytes.len();
    let mut older = log.clone();
    older.seal();
    log.put("a", "new").tombstone("b");
    let newer = image(&[&log, &Writer::log(2, 0)]);
    for index in INDEXES {
        // The seal's own bytes, from another place of the very segment.
        let mut moved = newer.clone();
        let seal = older.bytes[unsealed_len..].to_vec();
        moved.get_mut(&SegmentId(1)).unwrap().extend(seal);
        let store = Store::open(Guard::of(&moved), Options::default().index(index)).unwrap();
        assert_eq!((get(&store, "a"), get(&store, "b")), (Some(b"new".to_vec()), None));
        assert_eq!(store.recovery().cuts.len(), 1);
        // A seal in its place, with right checksums, that was made of fewer records: no crash makes one, and it is found.
        let mut forged = log.clone();
        let mut value = stale.clone();
        let at = value.len() - 16;
        value[at..at + 8].copy_from_slice(&forged.len().to_le_bytes());
        let sequence = forged.sequence;
        forged.add(&crate::encode::Fields {
            kind: crate::encode::SEAL,
            sequence,
            value,
            ..Default::default()
        });
        let guard = Guard::of(&image(&[&forged, &Writer::log(2, 0)]));
        assert!(!verify(&guard, &mut |_| Go::On).unwrap().is_sound());
    }
}

/// An overwrite was a tombstone and then a put, and a crash between the two deleted the key.
#[test]
fn f05_a_crash_inside_an_overwrite_leaves_the_old_value_or_the_new() {
    let mut twin = Twin::new(52, &stores::options());
    twin.put("k", "the old value");
    let before = twin.memory.image()[&SegmentId(1)].len();
    twin.put("k", "the new value");
    let whole = twin.memory.image();
    let after = whole[&SegmentId(1)].len();
    for len in before..=after {
        let mut image = whole.clone();
        image.get_mut(&SegmentId(1)).unwrap().truncate(len);
        let store = Store::open(Guard::of(&image), Options::default()).unwrap();
        let expected: &[u8] = if len == after { b"the new value" } else { b"the old value" };
        assert_eq!(get(&store, "k").unwrap(), expected, "cut at {len}");
    }
}

/// A corrupt byte where there was no hint: it opened without an error, and 10 of 1000 keys were left.
#[test]
fn f06_damage_in_what_was_synced_is_an_error_and_never_silence() {
    let mut twin = Twin::new(53, &stores::options().durability(Durability::Always));
    for number in 0..100 {
        twin.put(&format!("k{number}"), "value");
    }
    let image = twin.memory.image();
    for record in layouts(&image)[0].records.iter().take(98) {
        let mut image = image.clone();
        image.get_mut(&SegmentId(1)).unwrap()[record.bytes.start as usize + 13] ^= 0x10;
        match Store::open(Guard::of(&image), Options::default()) {
            Err(Error::Damaged { segment: SegmentId(1), offset, .. }) => {
                assert_eq!(offset, record.bytes.start);
            }
            Err(other) => panic!("{other}"),
            Ok(store) => panic!("opened with {} keys", store.len()),
        }
    }
}

/// A short write shifted every later offset; the next put answered ok and read back as damage.
#[test]
fn f08_a_short_append_is_undone_or_the_store_writes_no_more() {
    for (short, lies) in (0..30).flat_map(|short| [(short, false), (short, true)]) {
        let guard = Guard::default();
        let store = Store::open(guard.clone(), Options::default()).unwrap();
        store.put(b"first", b"1").unwrap();
        let len = guard.memory.image()[&SegmentId(1)].len();
        let fail = || {
            let append = if lies { &guard.faults.lying_append } else { &guard.faults.short_append };
            *append.lock().unwrap() = Some(short);
        };
        fail();
        let error = store.put(b"first", b"a longer value, so that it is cut").unwrap_err();
        assert!(matches!(error, Error::Io { .. }) && error.is_full() != lies, "{error}");
        assert_eq!(guard.memory.image()[&SegmentId(1)].len(), len, "the rest of it stays");
        assert_eq!(get(&store, "first").unwrap(), b"1");
        store.put(b"second", b"2").unwrap();
        assert_eq!(
            (get(&store, "first").unwrap(), get(&store, "second").unwrap()),
            (b"1".to_vec(), b"2".to_vec())
        );
        // Where it cannot be undone, nothing is written behind it.
        guard.faults.truncate_fails.store(true, std::sync::atomic::Ordering::Relaxed);
        fail();
        assert!(store.put(b"third", b"3").is_err());
        let left = guard.memory.image();
        assert!(matches!(store.put(b"fourth", b"4"), Err(Error::Poisoned(_))));
        assert!(matches!(store.delete(b"first"), Err(Error::Poisoned(_))));
        assert_eq!(get(&store, "second").unwrap(), b"2");
        assert_eq!(guard.memory.image(), left);
        drop(store);
        guard.faults.truncate_fails.store(false, std::sync::atomic::Ordering::Relaxed);
        let store = Store::open(guard, Options::default()).unwrap();
        assert_eq!((store.len(), get(&store, "third")), (2, None), "short by {short}");
    }
}

/// A torn tail, and the store did not open.
#[test]
fn f12_a_torn_tail_is_cut_and_reported() {
    let made = stores::plain();
    let whole = made.image[&SegmentId(1)].len();
    let mut image = made.image.clone();
    image.get_mut(&SegmentId(1)).unwrap().truncate(whole - 1);
    let store = Store::open(Guard::of(&image), Options::default()).unwrap();
    let [cut] = &store.recovery().cuts[..] else { panic!("{:?}", store.recovery()) };
    assert_eq!((cut.segment, cut.offset + cut.bytes), (SegmentId(1), whole as u64 - 1));
    assert!(!store.recovery().clean);
}

/// Values that looked like a tombstone, or were empty, were lost.
#[test]
fn f13_every_byte_string_is_a_value() {
    let sealed = stores::sealed_with_keys().image;
    let mut record = Writer::log(1, 0);
    record.put("a", "b").tombstone("a").mark().seal();
    let mut values: Vec<Vec<u8>> =
        vec![Vec::new(), vec![0], vec![0; 500], b"bitcask_tombstone".to_vec()];
    values.extend(sealed.values().cloned());
    values.extend([record.bytes.clone(), record.bytes[72..].to_vec(), record.seal_value()]);
    for index in INDEXES {
        for segment_bytes in [256, 1 << 20] {
            let memory = Memory::new(54);
            let options = Options::default().index(index).segment_bytes(segment_bytes);
            let store = Store::open(memory.clone(), options.clone()).unwrap();
            // And the records of this very store, as they stand in its files.
            let own = |values: &[Vec<u8>]| {
                let mut all = values.to_vec();
                all.extend(memory.image().into_values());
                all
            };
            let all = own(&values);
            for (number, value) in all.iter().enumerate() {
                store.put(format!("k{number}").as_bytes(), value).unwrap();
            }
            let all = [all, own(&[])].concat();
            for (number, value) in all.iter().enumerate() {
                store.put(format!("k{number}").as_bytes(), value).unwrap();
            }
            let check = |store: &Store<Memory>| {
                assert_eq!(store.len(), all.len() as u64);
                for (number, value) in all.iter().enumerate() {
                    assert_eq!(&get(store, &format!("k{number}")).unwrap(), value);
                }
            };
            check(&store);
            drop(store);
            // Torn, so that what is in the last value is searched for records.
            let mut torn = memory.image();
            torn.values_mut().rfind(|bytes| 72 < bytes.len()).unwrap().extend(b"torn");
            check(&Store::open(Memory::from_image(&torn, 1), options.clone()).unwrap());
            let store = Store::open(memory, options).unwrap();
            store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
            check(&store);
        }
    }
}

/// The checksum left out the key: a flipped byte renamed it.
#[test]
fn f14_a_damaged_key_is_an_error_and_never_another_key() {
    let made = stores::sealed_with_keys();
    for layout in layouts(&made.image) {
        for record in layout.records.iter().filter(|record| record.key.is_some()) {
            let mut image = made.image.clone();
            let bytes = image.get_mut(&layout.id).unwrap();
            let key = record.key.as_ref().unwrap();
            let at = record.head_end as usize - key.len();
            bytes[at] = b'x';
            for index in INDEXES {
                let Ok(store) = Store::open(Guard::of(&image), Options::default().index(index))
                else {
                    continue;
                };
                assert_eq!(store.get(b"x").unwrap(), None, "the key was renamed");
                match store.get(key) {
                    Ok(value) => {
                        let expected = made.state.get(key).map(|(value, _)| &value[..]);
                        let is_last = layout.seal.is_none();
                        assert!(value.as_deref() == expected || is_last, "an older value shows");
                    }
                    Err(error) => assert!(error.is_damage(), "{error}"),
                }
            }
        }
    }
}

/// A put or delete that raced a merge was lost, or a merged copy overrode a newer put.
#[test]
fn f16_a_write_at_any_step_of_a_merge_wins() {
    for what in ["put", "delete", "put and delete", "delete and put"] {
        for at_step in 0..40 {
            let mut twin = Twin::new(55, &stores::options().segment_bytes(700));
            for number in 0..20 {
                twin.put(&format!("k{}", number % 8), vec![b'a' + number; 70]);
            }
            let mut step = 0;
            loop {
                if step == at_step {
                    for key in ["k1", "k6"] {
                        match what {
                            "put" => twin.put(key, "newer"),
                            "delete" => twin.delete(key),
                            "put and delete" => {
                                twin.put(key, "newer");
                                twin.delete(key);
                            }
                            _ => {
                                twin.delete(key);
                                twin.put(key, "newer");
                            }
                        }
                    }
                }
                let stepped = twin.store.merge_step(&MergePolicy::full(), 1).unwrap();
                if stepped == MergeStep::Idle && at_step <= step {
                    break;
                }
                step += 1;
            }
            let keys = (0..8).map(|number| format!("k{number}").into_bytes()).collect();
            crate::sweep::assert_holds(&twin.store, &twin.state, &keys);
            let report = twin.store.verify(&mut |_| Go::On).unwrap();
            assert!(report.is_sound(), "{what} at step {at_step}: {:?}", report.problems);
            twin.reopen();
            crate::sweep::assert_holds(&twin.store, &twin.state, &keys);
        }
    }
}

/// Writing went on after a failed sync, and acknowledged writes could not be recovered.
#[test]
fn f18_after_a_failed_sync_nothing_is_written_any_more() {
    for index in INDEXES {
        let guard = Guard::default();
        let options = Options::default().index(index);
        let store = Store::open(guard.clone(), options.clone()).unwrap();
        let always = WriteOptions::durability(Durability::Always);
        store.put_with(b"durable", b"1", &always).unwrap();
        guard.faults.sync_fails.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(matches!(store.put_with(b"k", b"1", &always), Err(Error::Io { .. })));
        let (left, syncs) = (guard.memory.image(), &guard.faults.syncs);
        let tried = syncs.load(std::sync::atomic::Ordering::Relaxed);
        for _ in 0..2 {
            assert!(matches!(store.put(b"l", b"2"), Err(Error::Poisoned(_))));
            assert!(matches!(store.delete(b"durable"), Err(Error::Poisoned(_))));
            assert!(
                matches!(store.sync(), Err(Error::Poisoned(_))),
                "a second sync proves nothing"
            );
            assert!(store.merge_step(&MergePolicy::full(), 1).is_err());
            assert_eq!(get(&store, "durable").unwrap(), b"1");
        }
        assert!(store.stats().poisoned.is_some());
        assert!(store.close().is_err(), "a close that says all is well");
        assert_eq!(guard.memory.image(), left);
        assert_eq!(syncs.load(std::sync::atomic::Ordering::Relaxed), tried, "it was tried again");
        drop(store);
        let store = Store::open(guard, options).unwrap();
        assert_eq!(get(&store, "durable").unwrap(), b"1");
        store.put_with(b"k", b"3", &always).unwrap();
    }
}

/// Clocks decided the order: a skewed one lost writes, or brought them back.
#[test]
fn f20_a_clock_that_jumps_changes_no_order() {
    for index in INDEXES {
        let mut twin = Twin::new(56, &stores::options().index(index).segment_bytes(400));
        for (number, now_ms) in [5000, 100, 9000, 0, u64::MAX, 3, 2].into_iter().enumerate() {
            twin.memory.set_now_ms(now_ms);
            twin.put("k", format!("write {number}"));
            twin.put("deleted", "x");
            twin.delete("deleted");
            twin.put_expiring("expires", "at 4000", 4000);
            let is_there = now_ms < 4000;
            assert_eq!(get(&twin.store, "expires").is_some(), is_there, "at {now_ms}");
            twin.close_and_reopen();
            assert_eq!(get(&twin.store, "k").unwrap(), format!("write {number}").into_bytes());
            assert_eq!(get(&twin.store, "deleted"), None);
            assert_eq!(get(&twin.store, "expires").is_some(), is_there);
        }
        // What a merge dropped as expired stays away, wherever the clock goes.
        twin.memory.set_now_ms(4000);
        twin.put("another", vec![0; 400]);
        twin.merge();
        twin.memory.set_now_ms(0);
        assert_eq!(get(&twin.store, "expires"), None);
        twin.reopen();
        assert_eq!(get(&twin.store, "expires"), None);
        assert_eq!(get(&twin.store, "k").unwrap(), b"write 6");
    }
}

/// A merge looks through segments for what has expired, until it has looked at all of them since it began.
#[test]
fn f20_a_clock_that_goes_back_or_stands_still_keeps_no_merge_busy_for_ever() {
    for goes_back in [false, true] {
        for now_ms in [0, 1, 5000, u64::MAX] {
            let guard = Guard::default();
            guard.memory.set_now_ms(now_ms);
            guard.faults.clock_goes_back.store(goes_back, std::sync::atomic::Ordering::Relaxed);
            let store = Store::open(guard, Options::default().segment_bytes(256)).unwrap();
            for number in 0..5 {
                let options = WriteOptions::default().expires_at_ms(u64::MAX);
                store.put_with(&[b'a' + number], &[0; 100], &options).unwrap();
            }
            let runs = store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap().runs;
            let step = |_: &u32| {
                store.merge_step(&MergePolicy::full(), u64::MAX).unwrap() != MergeStep::Idle
            };
            let steps = (0..100).take_while(step).count();
            assert!(runs <= 5 && steps < 100, "at {now_ms}: {runs} runs, {steps} steps");
        }
    }
}
