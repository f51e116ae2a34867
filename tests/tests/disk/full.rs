//! A disk without room: errors that say so, and going on when there is room again.

use std::fs;
use std::path::Path;
use std::process::Command;

use bitcask::{Access, AutoMerge, Db, Disk, Go, MergePolicy};
use bitcask_core::{Segment, SegmentId, Storage};
use tempfile::tempdir;

use crate::child::{Role, command};
use crate::wait::wait_until;

pub(crate) const ROLES: &[Role] = &[("fill the disk", fill_the_disk), ("fill a db", fill_a_db)];

const ONE: SegmentId = SegmentId(1);

/// Appends until that fails, and goes on as the engine does. There must be room for less than 64 MiB.
fn fill_the_disk(folder: &Path) {
    let disk = Disk::open(folder, Access::Write, true).unwrap();
    let segment = disk.create(ONE).unwrap();
    let record = [7; 100_000];
    let error = loop {
        assert!(segment.len() < 64 << 20, "there was no end");
        let before = segment.len();
        if let Err(error) = segment.append(&[&record[..30], &record]) {
            segment.truncate(before).unwrap();
            break error;
        }
    };
    let source = std::io::Error::from(error.kind());
    let error = bitcask_core::Error::Io { doing: "appending to", segment: Some(ONE), source };
    assert!(error.is_full(), "{error}");

    // What was there is there; a cut makes room, and a smaller record fits.
    assert!(
        segment
            .read_at(0, usize::try_from(segment.len()).unwrap())
            .unwrap()
            .iter()
            .all(|b| *b == 7)
    );
    segment.truncate(1000).unwrap();
    segment.append(&[b"small"]).unwrap();
    segment.sync().unwrap();
    assert_eq!(segment.read_at(1000, 5).unwrap(), "small");
    segment.freeze().unwrap();
    drop((segment, disk));
    let disk = Disk::open(folder, Access::Write, true).unwrap();
    assert_eq!(disk.open(ONE).unwrap().len(), 1005);
    println!("filled");
}

fn plays_its_role(mut command: Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("filled"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Puts until there is no room; deletes, and as soon as there is room for a merge to begin, merging makes more. There must
/// be room for less than 64 MiB.
fn fill_a_db(folder: &Path) {
    let auto_merge = AutoMerge {
        policy: MergePolicy::full(),
        bytes_per_second: u64::MAX,
        ..AutoMerge::default()
    };
    let options = Db::options().segment_bytes(256 << 10).auto_merge(Some(auto_merge));
    let db = options.open(folder).unwrap();
    let ballast = folder.join("something else");
    fs::write(&ballast, [7; 300 << 10]).unwrap();
    let value = |number: u32| number.to_be_bytes().repeat(2500);
    let mut count = 0_u32;
    let error = loop {
        assert!(count < 6400, "there was no end");
        match db.put(&count.to_be_bytes(), &value(count)) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_full(), "{error}");
    assert!(error.advice().contains("make room"), "{}", error.advice());
    let check = |db: &Db, from: u32| {
        for number in from..count {
            let got = db.get(&number.to_be_bytes()).unwrap();
            assert_eq!(got.unwrap(), value(number), "{number} of {count}");
        }
    };
    check(&db, 0);
    assert!(db.get(&count.to_be_bytes()).unwrap().is_none(), "what failed is not there");

    // Deletes may still fit, and count when they do. A merge needs room for its output before it frees any.
    let before = db.stats().total_bytes;
    let mut deleted = 0;
    let half = count / 2;
    while deleted < half && db.delete(&deleted.to_be_bytes()).is_ok() {
        deleted += 1;
    }
    check(&db, deleted);
    // Somebody else makes a little room: the thread has not given up.
    fs::remove_file(&ballast).unwrap();
    for number in deleted..half {
        assert!(db.delete(&number.to_be_bytes()).unwrap());
    }
    wait_until("merging has made room", || db.stats().total_bytes < before * 3 / 4);
    wait_until("no trouble is left", || db.background_error().is_none());
    check(&db, half);
    db.put(b"after", &value(1)).unwrap();
    db.close().unwrap();
    drop(db);

    let db = options.clone().background(false).open(folder).unwrap();
    assert!(db.recovery().clean, "{:?}", db.recovery());
    check(&db, half);
    assert_eq!(db.len(), u64::from(count - half) + 1);
    assert!(db.verify(&mut |_| Go::On).unwrap().is_sound());

    // Full once more, and ended without a close.
    let mut more = 0_u32;
    while db.put(&[&b"more"[..], &more.to_be_bytes()].concat(), &value(more)).is_ok() {
        more += 1;
    }
    drop(db);
    let db = options.open(folder).unwrap();
    check(&db, half);
    assert_eq!(db.len(), u64::from(count - half) + 1 + u64::from(more));
    println!("filled");
}

/// A limit on the size of files, which any user may set: writes fail half-way and with "file too large".
#[cfg(unix)]
#[test]
fn f08_a_file_at_its_limit_is_an_error_and_no_loss() {
    let folder = tempdir().unwrap();
    // In blocks of 1024 bytes; no multiple of the growth step or of the record. The signal that comes
    // with the error is ignored, as programs with a limit of their own do.
    let limited = r#"trap "" XFSZ; ulimit -f 2345 && exec "$0" "$@""#;
    if !Command::new("bash").args(["-c", "ulimit -f 2345"]).status().is_ok_and(|s| s.success()) {
        println!("skipped: there is no bash that can set a limit");
        return;
    }
    plays_its_role(command(&["bash", "-c", limited], "fill the disk", folder.path()));
}

/// A small disk of its own, where the user may mount one: in a name space, without being administrator. `None`:
/// it may not.
#[cfg(target_os = "linux")]
fn on_a_small_disk(role: &str, folder: &Path) -> Option<Command> {
    let mounted = r#"mount -t tmpfs -o size=3m tmpfs "$BITCASK_TEST_FOLDER" && exec "$0" "$@""#;
    let unshare = ["unshare", "--user", "--map-root-user", "--mount"];
    let may_mount = Command::new(unshare[0])
        .args(&unshare[1..])
        .args(["mount", "-t", "tmpfs", "tmpfs"])
        .arg(folder)
        .output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        println!("skipped: no small disk can be mounted here (unshare --user --mount)");
        return None;
    }
    Some(command(&[&unshare[..], &["bash", "-c", mounted]].concat(), role, folder))
}

#[cfg(target_os = "linux")]
#[test]
fn f08_a_full_disk_is_an_error_and_no_loss() {
    let folder = tempdir().unwrap();
    if let Some(command) = on_a_small_disk("fill the disk", folder.path()) {
        plays_its_role(command);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn f08_f23_a_full_disk_under_a_db_loses_nothing_and_merging_makes_room() {
    let folder = tempdir().unwrap();
    if let Some(command) = on_a_small_disk("fill a db", folder.path()) {
        plays_its_role(command);
    }
}
