//! What a store still knows after it was closed or opened again.

use bitcask_core::{Go, Index, Memory, MergePolicy, Options, Range, Result, Store};

#[test]
fn hints_without_keys_verify_in_a_store_that_loaded_them() -> Result<()> {
    for index in [Index::Hash, Index::Ordered] {
        let memory = Memory::new(1);
        let options = || Options::default().index(index).segment_bytes(300);
        let store = Store::open(memory.clone(), options())?;
        // More than an eighth of a record is key: the seals hold hashes.
        for number in 0_u8..9 {
            store.put(&[number; 60], b"value")?;
        }
        store.close()?;
        let store = Store::open(memory, options())?;
        let report = store.verify(&mut |_| Go::On)?;
        assert!(report.is_sound() && 0 < report.sealed, "{index:?}: {report:?}");
    }
    Ok(())
}

#[test]
fn a_snapshot_reads_on_after_the_store_was_closed() -> Result<()> {
    for index in [Index::Hash, Index::Ordered] {
        let store = Store::open(Memory::new(1), Options::default().index(index))?;
        store.put(b"key", b"old")?;
        store.put(b"gone", b"old")?;
        let snapshot = store.snapshot();
        store.put(b"key", b"new")?;
        store.delete(b"gone")?;
        store.close()?;
        assert!(store.get(b"key").is_err() && store.contains(b"key").is_err());
        drop(store);
        assert_eq!(snapshot.get(b"key")?.as_deref(), Some(&b"old"[..]));
        assert_eq!(snapshot.get(b"gone")?.as_deref(), Some(&b"old"[..]));
        assert_eq!(snapshot.scan(Range::all()).collect::<Result<Vec<_>>>()?.len(), 2);
    }
    Ok(())
}

/// A power cut takes what a session wrote un-synced, and what is left looks cleanly closed, or ends in the mark of a session: its
/// numbers must not be handed out again.
#[test]
fn no_sequence_number_is_handed_out_twice() -> Result<()> {
    let memory = Memory::new(1);
    let store = Store::open(memory.clone(), Options::default())?;
    let mut handed_out = vec![store.put(b"key", b"kept")?];
    store.close()?;
    drop(store);
    let mut image = memory.image();
    for session in 0..5 {
        let memory = Memory::from_image(&image, session);
        let store = Store::open(memory.clone(), Options::default())?;
        assert_eq!(store.get(b"key")?.as_deref(), Some(&b"kept"[..]));
        handed_out.push(store.put(b"key", b"lost")?);
        // The session's mark was synced; its one record, with an optional field, is lost.
        image = memory.image();
        let active = image.values_mut().next().unwrap();
        active.truncate(active.len() - (24 + 8 + 3 + 4));
    }
    let count = handed_out.len();
    handed_out.sort_unstable();
    handed_out.dedup();
    assert_eq!(handed_out.len(), count, "{handed_out:?}");
    Ok(())
}

#[test]
fn growth_behind_the_seals_of_logs_and_merges_hides_none_of_them() -> Result<()> {
    let memory = Memory::new(1);
    let options = || Options::default().segment_bytes(400);
    let store = Store::open(memory.clone(), options())?;
    for number in 0_u8..20 {
        store.put(&[number], &[1; 60])?;
    }
    // The middle one of the three in a segment goes: the outputs of merges have gaps in their numbers.
    for number in [4, 10, 13] {
        store.put(&[number], &[2; 60])?;
    }
    let report = store.merge(&MergePolicy::default().dead_ratio(0.1), &mut |_| Go::On)?;
    assert!(0 < report.runs);
    drop(store);
    let grown = |grows: &dyn Fn(usize) -> bool| {
        let mut image = memory.image();
        for (place, bytes) in image.values_mut().enumerate().filter(|(place, _)| grows(*place)) {
            bytes.resize(bytes.len() + 1000 + place, 0);
        }
        Memory::from_image(&image, 2)
    };
    for place in 0..memory.image().len() {
        for grown in [grown(&|this| this == place), grown(&|this| this <= place)] {
            let store = Store::open(grown, options())?;
            assert_eq!(store.len(), 20);
            assert!(store.recovery().cuts.is_empty());
            assert!(store.verify(&mut |_| Go::On)?.is_sound());
        }
    }
    Ok(())
}
