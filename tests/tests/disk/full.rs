//! A disk without room: errors that say so, and going on when there is room again.

use std::path::Path;
use std::process::Command;

use bitcask::{Access, Disk};
use bitcask_core::{Segment, SegmentId, Storage};
use tempfile::tempdir;

use crate::child::{Role, command};

pub(crate) const ROLES: &[Role] = &[("fill the disk", fill_the_disk)];

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

/// A small disk of its own, where the user may mount one: in a name space, without being administrator.
#[cfg(target_os = "linux")]
#[test]
fn f08_a_full_disk_is_an_error_and_no_loss() {
    let folder = tempdir().unwrap();
    let mounted = r#"mount -t tmpfs -o size=3m tmpfs "$BITCASK_TEST_FOLDER" && exec "$0" "$@""#;
    let unshare = ["unshare", "--user", "--map-root-user", "--mount"];
    let may_mount = Command::new(unshare[0])
        .args(&unshare[1..])
        .args(["mount", "-t", "tmpfs", "tmpfs"])
        .arg(folder.path())
        .output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        println!("skipped: no small disk can be mounted here (unshare --user --mount)");
        return;
    }
    let before = [&unshare[..], &["bash", "-c", mounted]].concat();
    plays_its_role(command(&before, "fill the disk", folder.path()));
}
