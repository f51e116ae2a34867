//! Opening and closing a `Db`: its lock, its thread, and what it holds of the system.

#[cfg(target_os = "linux")]
use std::{fs, path::Path};

use bitcask::{AutoMerge, Db, Error, FolderError, MergePolicy, OpenError, Recovery, SegmentState};
use tempfile::tempdir;

use crate::wait::wait_until;

/// Files in this folder that this process has open or mapped.
#[cfg(target_os = "linux")]
fn held(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let open = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let open = open.map(|path| path.to_string_lossy().into_owned());
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mapped = maps.lines().map(str::to_owned);
    open.chain(mapped).filter(|what| what.contains(folder)).collect()
}

/// So slow that a merge never comes to its end within a test.
fn slow_merge() -> AutoMerge {
    AutoMerge { policy: MergePolicy::full(), bytes_per_second: 10, ..AutoMerge::default() }
}

#[test]
fn f09_two_handles_for_writing_exclude_each_other() {
    let folder = tempdir().unwrap();
    let first = Db::options().program("the first").open(folder.path()).unwrap();
    let error = Db::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Folder(FolderError::Locked { .. })), "{error:?}");
    assert!(error.to_string().contains("the first"), "{error}");
    assert!(error.advice().contains("reading only"), "{}", error.advice());

    // Closing alone gives nothing back; a snapshot may still be read from.
    first.put(b"key", b"value").unwrap();
    let snapshot = first.snapshot();
    first.close().unwrap();
    assert!(matches!(first.put(b"key", b"more"), Err(Error::Closed)));
    assert!(Db::open(folder.path()).is_err());
    drop(first);
    assert_eq!(snapshot.get(b"key").unwrap().unwrap(), "value");
    assert!(Db::open(folder.path()).is_err(), "the snapshot needs the files");
    drop(snapshot);
    assert_eq!(Db::open(folder.path()).unwrap().get(b"key").unwrap().unwrap(), "value");
}

#[test]
fn a_handle_for_reading_takes_no_lock_and_no_writes() {
    let folder = tempdir().unwrap();
    let missing = Db::options().read_only(true).open(folder.path().join("nothing"));
    assert!(matches!(missing, Err(OpenError::Folder(FolderError::NotFound(_)))), "{missing:?}");

    let writer = Db::open(folder.path()).unwrap();
    writer.put(b"key", b"value").unwrap();
    for options in [Db::options().read_only(true), Db::options().recovery(Recovery::Salvage)] {
        let reader = options.open(folder.path()).unwrap();
        assert_eq!(reader.get(b"key").unwrap().unwrap(), "value");
        assert!(matches!(reader.put(b"key", b"other"), Err(Error::ReadOnly)));
        reader.close().unwrap();
    }
}

#[test]
fn closing_again_and_from_many_threads_is_fine() {
    let folder = tempdir().unwrap();
    let db = Db::open(folder.path()).unwrap();
    db.put(b"key", b"value").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| db.close().unwrap());
        }
    });
    assert!(db.recovery().removed.is_empty());
    drop(db);
    assert!(Db::open(folder.path()).unwrap().recovery().clean);
}

/// F10, and F24 for what is left open.
#[cfg(target_os = "linux")]
#[test]
fn f10_f24_the_last_handle_gives_everything_back_with_a_merge_in_progress() {
    let folder = tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let options = Db::options().segment_bytes(16 << 10).auto_merge(Some(slow_merge()));
    for round in 0..50_u32 {
        let db = options.open(&path).unwrap_or_else(|error| panic!("round {round}: {error}"));
        for key in 0..60_u32 {
            let value = [round.to_le_bytes(), key.to_le_bytes()].concat().repeat(125);
            db.put(&(key % 20).to_le_bytes(), &value).unwrap();
        }
        wait_until("a merge is in progress", || {
            let segments = db.stats().segments;
            segments.iter().any(|s| s.is_merge && s.state == SegmentState::Pending)
        });
        assert_eq!(db.background_error(), None);
        if round % 2 == 0 {
            db.close().unwrap();
        }
        drop(db);
        assert_eq!(held(&path), Vec::<String>::new(), "round {round}");
    }
    let db = options.background(false).open(&path).unwrap();
    for key in 0..20_u32 {
        let value = [49_u32.to_le_bytes(), (key + 40).to_le_bytes()].concat().repeat(125);
        assert_eq!(db.get(&key.to_le_bytes()).unwrap().unwrap(), value, "key {key}");
    }
    assert_eq!(db.len(), 20);
}

#[test]
fn f24_open_files_do_not_grow_with_the_store() {
    let folder = tempdir().unwrap();
    let db = Db::options().segment_bytes(1024).auto_merge(None).open(folder.path()).unwrap();
    let mut most = 0;
    for number in 0..2000_u32 {
        db.put(&number.to_le_bytes(), &[7; 100]).unwrap();
        most = most.max(db.storage().open_files());
    }
    wait_until("all are sealed", || {
        db.stats().segments.iter().all(|segment| segment.state != SegmentState::Pending)
    });
    assert!(200 < db.stats().segments.len());
    // The folder, the lock, the active segment and the next ones.
    assert!(db.storage().open_files() <= 5, "{}", db.storage().open_files());
    assert!(most <= 16, "{most} files were open at once");
}

#[test]
fn without_a_thread_everything_is_done_by_the_caller() {
    let folder = tempdir().unwrap();
    let db = Db::options().segment_bytes(1024).background(false).open(folder.path()).unwrap();
    for number in 0..100_u32 {
        db.put(&(number % 5).to_le_bytes(), &[7; 100]).unwrap();
    }
    let stats = db.stats();
    assert!(stats.segments.iter().all(|segment| segment.state != SegmentState::Pending));
    assert_eq!((stats.merges, stats.syncs), (0, 0));
    db.close().unwrap();
}
