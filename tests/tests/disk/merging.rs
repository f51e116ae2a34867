//! Merging by itself: space comes back, at a bounded pace.

use std::time::Instant;

use bitcask::{AutoMerge, Db, MergePolicy, MergeStep, WriteOptions};
use bitcask_core::Storage;
use tempfile::tempdir;

use crate::wait::wait_until;

fn value(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(125)
}

/// Endless overwriting, in one order and in another, and nobody calls merge.
#[test]
fn f23_space_comes_back_by_itself() {
    const KEYS: u32 = 200;
    const AMPLIFICATION_MAX: f64 = 2.5;
    let folder = tempdir().unwrap();
    let db = Db::options().segment_bytes(8192).open(folder.path()).unwrap();
    let mut written = 0;
    for number in 0..6_000_u32 {
        // The second half of the time some keys are written more often than others.
        let key = if number < 3_000 { number % KEYS } else { (number * number) % KEYS };
        db.put(&key.to_be_bytes(), &value(number)).unwrap();
        written += value(number).len();
        if KEYS < number && 32 << 10 < written {
            // What was just written may wait for the thread, but no more than that.
            written = 0;
            wait_until("space has come back", || db.stats().amplification() <= AMPLIFICATION_MAX);
        }
    }
    wait_until("the last of it has come back", || db.stats().amplification() <= AMPLIFICATION_MAX);
    let stats = db.stats();
    assert!(20 < stats.merges, "{stats:?}");
    assert_eq!(stats.puts, 6_000);
    assert_eq!(db.background_error(), None);
    db.close().unwrap();
    let live = db.stats().live_bytes;
    drop(db);
    let files = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().metadata().unwrap());
    let total: u64 = files.map(|file| file.len()).sum();
    // Closing may roll, seal and mark.
    let total_max = AMPLIFICATION_MAX * live as f64 + 8192.0;
    assert!(total as f64 <= total_max, "{total} bytes for {live}");
}

/// What is not worth merging beside writers is merged once they have stopped, without any call.
#[test]
fn f23_at_rest_less_is_left_dead() {
    let folder = tempdir().unwrap();
    let options = Db::options().segment_bytes(64 << 10).background(false);
    let db = options.open(folder.path()).unwrap();
    for key in 0..1000_u32 {
        db.put(&key.to_be_bytes(), &value(key)).unwrap();
    }
    // Three of ten records of each segment: more than a fifth of its bytes, less than two.
    for key in (0..1000_u32).filter(|key| key % 10 < 3) {
        assert!(db.delete(&key.to_be_bytes()).unwrap());
    }
    db.close().unwrap();
    drop(db);
    let nothing_to_do = |ratio: f64| {
        let db = options.open(folder.path()).unwrap();
        db.merge_plan(&MergePolicy::default().dead_ratio(ratio)).unwrap().is_none()
    };
    assert!(nothing_to_do(0.4) && !nothing_to_do(0.2));
    let busy = AutoMerge { dead_ratio_at_rest: 1.0, ..AutoMerge::default() };
    for (auto_merge, comes_back) in [(busy, false), (AutoMerge::default(), true)] {
        let options = options.clone().background(true).auto_merge(Some(auto_merge));
        let db = options.open(folder.path()).unwrap();
        let begun = Instant::now();
        wait_until("space came back, or rest was long", || {
            0 < db.stats().merges || !comes_back && 4 < begun.elapsed().as_secs()
        });
        assert_eq!(0 < db.stats().merges, comes_back, "{auto_merge:?}");
        if comes_back {
            wait_until("all of it came back", || db.stats().amplification() < 1.25);
        }
    }
}

/// Deletes alone make no segment full, and still the thread sees that there is something to free.
#[test]
fn f23_deleting_everything_frees_everything() {
    let folder = tempdir().unwrap();
    let db = Db::options().segment_bytes(64 << 10).open(folder.path()).unwrap();
    for key in 0..500_u32 {
        db.put(&key.to_be_bytes(), &value(key)).unwrap();
    }
    let full = db.stats().total_bytes;
    for key in 0..500_u32 {
        assert!(db.delete(&key.to_be_bytes()).unwrap());
    }
    wait_until("the space is free", || db.stats().total_bytes < full / 4);
    assert_eq!(db.background_error(), None);
    assert!(db.is_empty());
}

/// A snapshot holds what it needs, the statistics say so, and the thread frees it when the snapshot is gone.
#[test]
fn f23_what_a_snapshot_holds_is_told_and_freed_after_it() {
    let folder = tempdir().unwrap();
    let db = Db::options().segment_bytes(8192).open(folder.path()).unwrap();
    for key in 0..100_u32 {
        db.put(&key.to_be_bytes(), &value(1)).unwrap();
    }
    let snapshot = db.snapshot();
    for round in 2..6_u32 {
        for key in 0..100_u32 {
            db.put(&key.to_be_bytes(), &value(round)).unwrap();
        }
    }
    wait_until("merged segments are held", || 0 < db.stats().held_by_snapshots);
    assert_eq!(snapshot.get(&7_u32.to_be_bytes()).unwrap().unwrap(), value(1));
    drop(snapshot);
    wait_until("they are freed", || {
        let stats = db.stats();
        stats.held_by_snapshots == 0 && stats.amplification() < 2.5
    });
    assert_eq!(db.get(&7_u32.to_be_bytes()).unwrap().unwrap(), value(5));
}

/// Over seconds, not more than a tenth above the budget. (How far below it stays is the machine's affair; that it merges at all is
/// what is waited for.)
#[test]
fn f23_merging_keeps_to_its_budget() {
    const BYTES_PER_SECOND: u64 = 1 << 20;
    let folder = tempdir().unwrap();
    let options = Db::options().segment_bytes(64 << 10);
    let db = options.clone().background(false).open(folder.path()).unwrap();
    for number in 0..16_000_u32 {
        // Every other record dies at once.
        let key = if number % 2 == 0 { number } else { 1 };
        db.put(&key.to_be_bytes(), &value(number)).unwrap();
    }
    db.close().unwrap();
    drop(db);
    let auto_merge = AutoMerge { bytes_per_second: BYTES_PER_SECOND, ..AutoMerge::default() };
    let options = options.auto_merge(Some(auto_merge));
    let begun = Instant::now();
    let db = options.open(folder.path()).unwrap();
    let read = || db.stats().merge_bytes_read;
    wait_until("three megabytes were merged", || 3 << 20 <= read());
    let (read, seconds) = (read(), begun.elapsed().as_secs_f64());
    let rate = read as f64 / seconds;
    println!("{rate:.0} bytes per second");
    assert!(rate <= 1.1 * BYTES_PER_SECOND as f64, "{read} bytes in {seconds} s");
}

/// What has expired goes, what has not is looked through once and then left alone: merging by steps comes to an end,
/// though the clock goes on.
#[test]
fn f23_looking_for_what_has_expired_comes_to_an_end() {
    let folder = tempdir().unwrap();
    let options = Db::options().segment_bytes(4096).background(false);
    let db = options.open(folder.path()).unwrap();
    let now_ms = db.storage().now_ms();
    for key in 0..40_u32 {
        let at_ms = if key % 4 == 0 { now_ms } else { now_ms + 1_000_000_000 };
        let expiring = WriteOptions::default().expires_at_ms(at_ms);
        db.put_with(&key.to_be_bytes(), &value(key), &expiring).unwrap();
    }
    db.close().unwrap();
    drop(db);
    let db = options.open(folder.path()).unwrap();
    let steps = (0..1000).take_while(|_| {
        // The clock of the next step is a later one.
        let before_ms = db.storage().now_ms();
        wait_until("a millisecond is over", || before_ms < db.storage().now_ms());
        db.merge_step(&MergePolicy::full(), u64::MAX).unwrap() != MergeStep::Idle
    });
    assert!(steps.count() < 100, "it does not come to an end");
    assert_eq!(db.len(), 30);
}
