//! Scans of mapped files: what is lent is what is given.

use std::fs;

use bitcask::{Db, Entry, Index, Range, Result};
use tempfile::tempdir;

const KEYS: u32 = 300;

fn lent(db: &Db, range: Range) -> Vec<Result<Entry>> {
    let mut scan = db.scan(range);
    std::iter::from_fn(|| scan.lend().map(|entry| entry.map(|entry| entry.to_entry()))).collect()
}

/// Some segments sealed, the last one not; some records superseded, some keys deleted.
fn fill(db: &Db) {
    for number in 0..KEYS + 100 {
        let key = (number % KEYS).to_be_bytes();
        let len = if number % 10 == 0 { 700 } else { 60 };
        db.put(&key, &number.to_le_bytes()[..1].repeat(len)).unwrap();
        if number % 7 == 0 {
            db.delete(&key).unwrap();
        }
    }
}

#[test]
fn what_a_scan_lends_is_what_it_gives() {
    let folder = tempdir().unwrap();
    let options = Db::options().segment_bytes(8192).background(false);
    fill(&options.open(folder.path()).unwrap());
    let ranges = || {
        let from = 20_u32.to_be_bytes();
        [Range::all(), Range::all().reverse(), Range::all().gte(from).limit(33), Range::prefix("")]
    };
    for index in [Index::Ordered, Index::Hash] {
        let db = options.clone().index(index).open(folder.path()).unwrap();
        for range in ranges() {
            let given: Vec<Entry> = db.scan(range.clone()).map(Result::unwrap).collect();
            let lent: Vec<Entry> = lent(&db, range).into_iter().map(Result::unwrap).collect();
            assert!(!given.is_empty() && given == lent, "{index:?}");
        }
        // A snapshot's, beside writes and a merge.
        let snapshot = db.snapshot();
        let given: Vec<Entry> = snapshot.scan(Range::all()).map(Result::unwrap).collect();
        let mut scan = snapshot.scan(Range::all());
        let first = scan.lend().unwrap().unwrap().to_entry();
        (0..KEYS).for_each(|number| _ = db.put(&number.to_be_bytes(), b"other").unwrap());
        db.merge(&bitcask::MergePolicy::full(), &mut |_| bitcask::Go::On).unwrap();
        let mut all = vec![first];
        while let Some(entry) = scan.lend() {
            all.push(entry.unwrap().to_entry());
        }
        assert_eq!(all, given, "{index:?}");
    }
}

/// What is lent has been checked, as all that is read is.
#[test]
fn f01_a_scan_lends_nothing_that_is_damaged() {
    let folder = tempdir().unwrap();
    let options = Db::options().segment_bytes(8192).background(false);
    let db = options.open(folder.path()).unwrap();
    for number in 0..KEYS {
        db.put(&number.to_be_bytes(), format!("value {number:04}").as_bytes()).unwrap();
    }
    db.close().unwrap();
    drop(db);
    let path = folder.path().join("000000000001.segment");
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(10).position(|bytes| bytes == b"value 0123").unwrap();
    bytes[place + 3] ^= 1;
    fs::write(&path, bytes).unwrap();
    let db = options.open(folder.path()).unwrap();
    let lent = lent(&db, Range::all());
    assert_eq!(lent.len(), KEYS as usize);
    for (number, entry) in lent.iter().enumerate() {
        match entry {
            Ok(entry) => assert_eq!(entry.value, format!("value {number:04}"), "{number}"),
            Err(error) => assert!(number == 123 && error.is_damage(), "{number}: {error}"),
        }
    }
    assert!(lent[123].is_err());
}
