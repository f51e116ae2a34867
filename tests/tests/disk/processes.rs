//! Two processes and one folder.

use std::fs;
use std::path::Path;

use bitcask::{Access, Disk, FolderError};
use bitcask_core::{Segment, SegmentId, Storage};
use tempfile::tempdir;

use crate::child::{Actor, Role, command, say, wait_for_parent};

const ONE: SegmentId = SegmentId(1);

pub(crate) const ROLES: &[Role] =
    &[("hold the store", hold_the_store), ("try to write", try_to_write)];

/// Opens the store for writing, appends, and holds it until the parent lets go.
fn hold_the_store(folder: &Path) {
    let disk = Disk::options().program("bitcask import").open(folder).unwrap();
    let segment = disk.create(ONE).unwrap();
    segment.append(&[b"written by the child"]).unwrap();
    say("held");
    wait_for_parent();
}

/// Says what comes of opening the store for writing.
fn try_to_write(folder: &Path) {
    match Disk::open(folder, Access::Write, true) {
        Ok(_) => say("opened"),
        Err(FolderError::ReadOnly { .. }) => say("read only"),
        Err(error) => say(&error.to_string()),
    }
}

fn start_holder(folder: &Path) -> Actor {
    let mut holder = Actor::start("hold the store", folder);
    assert_eq!(holder.hear(), "held");
    holder
}

#[test]
fn a_second_writer_is_told_who_is_first() {
    let folder = tempdir().unwrap();
    let holder = start_holder(folder.path());
    let error = Disk::open(folder.path(), Access::Write, true).unwrap_err();
    let said = error.to_string();
    let expected = format!(
        "{} is locked by process {} (bitcask import), for ",
        folder.path().display(),
        holder.id()
    );
    assert!(said.starts_with(&expected), "{said}");
    assert!(holder.finish().success());
    drop(Disk::open(folder.path(), Access::Write, true).unwrap());
}

#[test]
fn f09_the_lock_is_gone_with_its_process_whatever_the_file_says() {
    let folder = tempdir().unwrap();
    let holder = start_holder(folder.path());
    holder.kill();
    // The text of the dead holder is still there, and says nothing.
    let text = fs::read_to_string(folder.path().join("LOCK")).unwrap();
    assert!(text.contains("bitcask import"), "{text}");
    let disk = Disk::open(folder.path(), Access::Write, true).unwrap();
    let segment = disk.open(ONE).unwrap();
    assert_eq!(segment.read_at(0, 20).unwrap(), "written by the child");
    drop((segment, disk));
    // Nor does one that names a process that lives: this one.
    fs::write(folder.path().join("LOCK"), format!("process {}", std::process::id())).unwrap();
    drop(Disk::open(folder.path(), Access::Write, true).unwrap());
}

#[test]
fn f09_a_lock_file_of_any_content_is_no_obstacle() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("LOCK");
    for text in [&b""[..], b"\xff\xfe\x00garbage", &[b'x'; 100_000]] {
        fs::write(&path, text).unwrap();
        let disk = Disk::open(folder.path(), Access::Write, true).unwrap();
        // While it is held, what is said stays short and fit for a terminal.
        fs::write(&path, text).unwrap();
        let said = Disk::open(folder.path(), Access::Write, true).unwrap_err().to_string();
        assert!(said.len() < 400 && !said.contains(|c: char| c.is_control()), "{said:?}");
        drop(disk);
    }
}

#[test]
fn readers_work_beside_the_writer() {
    let folder = tempdir().unwrap();
    let holder = start_holder(folder.path());
    let readers: Vec<Disk> =
        (0..3).map(|_| Disk::open(folder.path(), Access::Read, false).unwrap()).collect();
    for reader in &readers {
        assert_eq!(reader.list().unwrap(), [ONE]);
        let segment = reader.open(ONE).unwrap();
        assert_eq!(segment.read_at(0, 20).unwrap(), "written by the child");
    }
    // Readers are in nobody's way.
    assert!(holder.finish().success());
    drop(Disk::open(folder.path(), Access::Write, true).unwrap());
}

#[test]
fn f10_a_store_opens_right_after_it_was_dropped() {
    let folder = tempdir().unwrap();
    for round in 0..200 {
        let disk = Disk::open(folder.path(), Access::Write, true);
        let disk = disk.unwrap_or_else(|error| panic!("round {round}: {error}"));
        if round == 0 {
            drop(disk.create(ONE).unwrap());
        }
        let held = disk.open(ONE).unwrap();
        drop(disk);
        // A segment that is still held does not hold the lock.
        drop(Disk::open(folder.path(), Access::Write, false).unwrap());
        drop(held);
    }
}

/// As a user without the rights, since an administrator may write anywhere.
#[cfg(unix)]
#[test]
fn a_folder_without_the_right_to_write_is_read_only() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let parent = tempdir().unwrap();
    let path = parent.path().join("store");
    drop(Disk::open(&path, Access::Write, true).unwrap().create(ONE).unwrap());
    let allow = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();

    let attempt = |folder: &Path| {
        let mut command = command(&[], "try to write", folder);
        if is_administrator() {
            command.uid(65_534).gid(65_534);
        }
        match command.output() {
            Ok(output) => Some(String::from_utf8(output.stdout).unwrap()),
            Err(error) => {
                println!("skipped: this program cannot be run as another user: {error}");
                None
            }
        }
    };
    allow(0o555);
    let Some(said) = attempt(&path) else { return };
    assert!(said.contains("read only"), "{said}");
    // Nor can a store be made in a folder where nothing may be.
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let said = attempt(&parent.path().join("another")).unwrap();
    assert!(said.contains("read only"), "{said}");
    allow(0o755);
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(unix)]
fn is_administrator() -> bool {
    use std::os::unix::fs::MetadataExt;
    // A file takes the user of the process that makes it.
    tempfile::tempfile().unwrap().metadata().unwrap().uid() == 0
}
