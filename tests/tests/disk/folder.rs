//! Which folders are opened, and what is said of the others.

use std::fs;
use std::path::Path;

use bitcask::{Access, Disk, FolderError};
use bitcask_core::{Segment, SegmentId, Storage};
use tempfile::tempdir;

fn open(path: impl AsRef<Path>) -> Result<Disk, FolderError> {
    Disk::open(path, Access::Write, true)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A folder with one segment that holds `bytes`.
fn store_with(folder: &Path, bytes: &[u8]) {
    let disk = open(folder).unwrap();
    let segment = disk.create(SegmentId(1)).unwrap();
    segment.append(&[bytes]).unwrap();
    segment.sync().unwrap();
}

#[test]
fn a_folder_is_made_and_so_are_files_named_by_the_format() {
    let parent = tempdir().unwrap();
    let path = parent.path().join("store");
    let disk = open(&path).unwrap();
    drop(disk.create(SegmentId(1)).unwrap());
    drop(disk.create(SegmentId(1_234_567_890_123)).unwrap());
    assert_eq!(names(&path), ["000000000001.segment", "1234567890123.segment", "LOCK"]);
    assert_eq!(disk.path(), path);
}

#[test]
fn a_relative_path_is_made_absolute() {
    let disk = Disk::open(".", Access::Read, false);
    // The folder of this package is no store, and the error names it in full.
    let Err(FolderError::NotAStore { path, .. }) = disk else { panic!("{disk:?}") };
    assert!(path.is_absolute());
}

#[test]
fn an_empty_folder_is_fine_and_so_is_a_new_disks_root() {
    let folder = tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    drop(open(folder.path()).unwrap());
}

#[test]
fn what_is_not_there_is_not_found() {
    let parent = tempdir().unwrap();
    let path = parent.path().join("nothing");
    for access in [Access::Write, Access::Read] {
        let error = Disk::open(&path, access, false).unwrap_err();
        assert!(matches!(&error, FolderError::NotFound(at) if *at == path), "{error}");
        assert_eq!(error.to_string(), format!("there is nothing at {}", path.display()));
    }
    // Reading never creates, whatever is asked.
    assert!(matches!(Disk::open(&path, Access::Read, true), Err(FolderError::NotFound(_))));
    assert!(!path.exists());
}

#[test]
fn only_the_last_folder_of_a_path_is_made() {
    let parent = tempdir().unwrap();
    let error = open(parent.path().join("missing/store")).unwrap_err();
    assert!(
        matches!(&error, FolderError::NotFound(at) if *at == parent.path().join("missing")),
        "{error}"
    );
    assert_eq!(names(parent.path()), [""; 0]);
}

#[test]
fn a_file_is_not_a_store() {
    let parent = tempdir().unwrap();
    let path = parent.path().join("notes.txt");
    fs::write(&path, "mine").unwrap();
    for access in [Access::Write, Access::Read] {
        let error = Disk::open(&path, access, true).unwrap_err();
        assert!(matches!(error, FolderError::NotAFolder(_)), "{error}");
    }
    assert!(matches!(open(path.join("store")), Err(FolderError::NotFound(_))));
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn a_folder_of_other_things_is_refused_and_left_alone() {
    let folder = tempdir().unwrap();
    for name in ["b.txt", "a\n.txt", "1.segment"] {
        fs::write(folder.path().join(name), "mine").unwrap();
    }
    for (access, create) in [(Access::Write, true), (Access::Write, false), (Access::Read, false)] {
        let error = Disk::open(folder.path(), access, create).unwrap_err();
        let said = error.to_string();
        assert!(said.ends_with(r"is not a store: it holds 1.segment, a\n.txt, b.txt"), "{said}");
    }
    for name in ["c", "d", "e", "f"] {
        fs::write(folder.path().join(name), "mine").unwrap();
    }
    let said = open(folder.path()).unwrap_err().to_string();
    assert!(said.ends_with(r"it holds 1.segment, a\n.txt, b.txt, c, 3 more"), "{said}");
    assert_eq!(names(folder.path()).len(), 7, "nothing was added");
}

#[test]
fn an_empty_folder_is_no_store_unless_one_may_be_created() {
    let folder = tempdir().unwrap();
    for access in [Access::Write, Access::Read] {
        let error = Disk::open(folder.path(), access, false).unwrap_err();
        assert!(error.to_string().ends_with("is empty: there is no store in it"), "{error}");
    }
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn other_files_beside_segments_belong_to_nobody() {
    let folder = tempdir().unwrap();
    store_with(folder.path(), b"x");
    for name in ["README", "000000000002.segment.bak", "2.segment"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    assert_eq!(open(folder.path()).unwrap().list().unwrap(), [SegmentId(1)]);
}

#[cfg(unix)]
#[test]
fn files_and_the_folder_are_for_their_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempdir().unwrap();
    let path = parent.path().join("store");
    store_with(&path, b"secret");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("LOCK")), 0o600);
    assert_eq!(mode(&path.join("000000000001.segment")), 0o600);
}

#[cfg(unix)]
#[test]
fn a_segment_that_is_no_plain_file_is_refused() {
    let folder = tempdir().unwrap();
    store_with(folder.path(), b"inside");
    let outside = tempdir().unwrap();
    let target = outside.path().join("target");
    fs::write(&target, "outside").unwrap();
    let file = |id: u64| folder.path().join(format!("{id:012}.segment"));
    std::os::unix::fs::symlink(&target, file(2)).unwrap();
    std::os::unix::fs::symlink(file(1), file(3)).unwrap();
    fs::create_dir(file(4)).unwrap();
    // Opening a pipe that nobody writes to would wait for ever.
    let pipe = std::process::Command::new("mkfifo").arg(file(5)).status();
    for access in [Access::Write, Access::Read] {
        let disk = Disk::open(folder.path(), access, false).unwrap();
        for id in 2..=if pipe.is_ok() { 5 } else { 4 } {
            let error = disk.open(SegmentId(id)).map(drop).unwrap_err();
            assert!(error.to_string().contains("is not a plain file"), "segment {id}: {error}");
        }
        disk.open(SegmentId(1)).unwrap();
    }
    // Nor does creating or removing one reach through a link.
    let disk = open(folder.path()).unwrap();
    assert!(disk.create(SegmentId(2)).is_err());
    disk.remove(SegmentId(2)).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"outside");
}

#[cfg(unix)]
#[test]
fn a_lock_that_is_a_symbolic_link_is_refused() {
    let folder = tempdir().unwrap();
    let target = folder.path().join("000000000001.segment");
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, folder.path().join("LOCK")).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("is not a plain file"), "{error}");
    assert_eq!(fs::read(&target).unwrap(), b"precious");
}

#[test]
fn a_reader_changes_nothing_and_may_change_nothing() {
    let folder = tempdir().unwrap();
    store_with(folder.path(), b"there");
    fs::remove_file(folder.path().join("LOCK")).unwrap();
    let disk = Disk::open(folder.path(), Access::Read, false).unwrap();
    let segment = disk.open(SegmentId(1)).unwrap();
    let denied = |result: std::io::Result<()>| {
        assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    };
    denied(disk.create(SegmentId(2)).map(drop));
    denied(disk.remove(SegmentId(1)));
    denied(segment.append(&[b"!"]));
    denied(segment.truncate(1));
    segment.sync().unwrap();
    segment.freeze().unwrap();
    assert_eq!(segment.read_at(0, 5).unwrap(), "there");
    drop((segment, disk));
    assert_eq!(names(folder.path()), ["000000000001.segment"]);
    assert_eq!(fs::read(folder.path().join("000000000001.segment")).unwrap(), b"there");
}

#[test]
fn a_second_writer_in_the_same_process_is_refused_until_the_first_is_dropped() {
    let folder = tempdir().unwrap();
    let first = Disk::options().program("bitcask first").open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    let FolderError::Locked { by, .. } = &error else { panic!("{error}") };
    let expected = format!("process {} (bitcask first), for ", std::process::id());
    assert!(by.starts_with(&expected), "{by}");
    drop(first);
    drop(open(folder.path()).unwrap());
}

/// The time of a clock that is right, in its unit.
#[test]
fn the_time_is_the_systems() {
    let folder = tempdir().unwrap();
    let disk = open(folder.path()).unwrap();
    let system = || std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let before = system();
    let now = u128::from(disk.now_ms());
    assert!((before..=system()).contains(&now), "{now} is not the time");
}
