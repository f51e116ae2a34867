//! Growth, mapping, and how many files are open.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use bitcask::{Access, Disk};
use bitcask_core::{Segment, SegmentId, Storage};
use tempfile::tempdir;

const ONE: SegmentId = SegmentId(1);

fn file_len(folder: &Path) -> u64 {
    fs::metadata(folder.join("000000000001.segment")).unwrap().len()
}

#[test]
fn the_file_grows_by_steps_and_a_freeze_gives_them_back() {
    let folder = tempdir().unwrap();
    let disk = Disk::options().growth_bytes(1000).open(folder.path()).unwrap();
    let segment = disk.create(ONE).unwrap();
    assert_eq!(file_len(folder.path()), 0);
    for (append, grown) in [(1, 1000), (999, 1000), (1, 2000), (2999, 4000), (1, 5000)] {
        segment.append(&[&vec![7; append]]).unwrap();
        assert_eq!(file_len(folder.path()), grown);
    }
    assert_eq!(segment.len(), 4001);
    segment.freeze().unwrap();
    assert_eq!(file_len(folder.path()), 4001);
}

#[test]
fn growth_can_be_turned_off() {
    let folder = tempdir().unwrap();
    let disk = Disk::options().growth_bytes(0).open(folder.path()).unwrap();
    let segment = disk.create(ONE).unwrap();
    segment.append(&[b"12345"]).unwrap();
    assert_eq!(file_len(folder.path()), 5);
}

/// The promise of a freeze is kept by refusing what would break it, mapped or not.
#[test]
fn a_frozen_segment_takes_no_change() {
    for map in [true, false] {
        let folder = tempdir().unwrap();
        let disk = Disk::options().map(map).open(folder.path()).unwrap();
        let segment = disk.create(ONE).unwrap();
        segment.append(&[b"for good"]).unwrap();
        segment.freeze().unwrap();
        assert!(segment.append(&[b"!"]).is_err());
        assert!(segment.truncate(3).is_err());
        assert_eq!(segment.read_at(0, 8).unwrap(), "for good");
        assert_eq!(file_len(folder.path()), 8);
    }
}

/// A cut of what was lent would end the process: it is refused. Also beyond what the first mapping reaches to.
#[test]
fn what_was_settled_is_mapped_and_never_cut() {
    let folder = tempdir().unwrap();
    let disk = Disk::options().open(folder.path()).unwrap();
    let segment = disk.create(ONE).unwrap();
    let part: Vec<u8> = (0_u32..1 << 20).flat_map(u32::to_le_bytes).collect();
    let len = part.len() as u64;
    for number in 1..=33 {
        segment.append(&[&part]).unwrap();
        assert!(segment.peek(0, 4).is_none() || 1 < number, "nothing was settled yet");
        segment.settle(segment.len());
        assert_eq!(segment.truncate(number * len - 1).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(segment.read_at((number - 1) * len, part.len()).unwrap() == part);
        if cfg!(all(target_os = "linux", target_pointer_width = "64")) {
            assert!(segment.peek((number - 1) * len, part.len()) == Some(&part), "{number}");
        }
    }
    assert!(segment.peek(32 * len - 1, 2).is_none_or(|bytes| bytes == [0, 0]));
    segment.append(&[b"more"]).unwrap();
    segment.truncate(33 * len).unwrap();
    segment.freeze().unwrap();
    assert!(segment.read_at(32 * len, part.len()).unwrap() == part);
    assert_eq!(segment.read_at(0, 5).unwrap(), [0, 0, 0, 0, 1][..]);
    // One who reads beside a writer, which may cut, maps nothing before it is frozen.
    let reader = Disk::open(folder.path(), Access::Read, false).unwrap().open(ONE).unwrap();
    reader.settle(len);
    assert!(reader.peek(0, 1).is_none());
}

/// What a process that was killed leaves: the length is the file's, and its end reads as zeros.
#[test]
fn growth_that_was_left_reads_as_zeros_to_a_reader_beside_the_writer() {
    let folder = tempdir().unwrap();
    let disk = Disk::options().growth_bytes(64).open(folder.path()).unwrap();
    let segment = disk.create(ONE).unwrap();
    segment.append(&[b"content"]).unwrap();
    let reader = Disk::open(folder.path(), Access::Read, false).unwrap();
    let seen = reader.open(ONE).unwrap();
    assert_eq!(seen.len(), 64);
    assert_eq!(seen.read_at(0, 64).unwrap(), [&b"content"[..], &[0; 57]].concat());
    // What ends in zeros may still be cut by the writer, so it is not mapped: a read behind a cut would be the end of
    // the process. The zeros that were there are read still.
    seen.freeze().unwrap();
    segment.freeze().unwrap();
    assert_eq!(file_len(folder.path()), 7);
    assert_eq!(seen.read_at(0, 64).unwrap(), [&b"content"[..], &[0; 57]].concat());
    assert_eq!(seen.read_at(20, 44).unwrap(), [0; 44].as_slice());
    assert!(seen.read_at(0, 65).is_err());
}

#[test]
fn growth_is_given_back_when_the_writer_lets_go() {
    let folder = tempdir().unwrap();
    let disk = Disk::open(folder.path(), Access::Write, true).unwrap();
    let segment = disk.create(ONE).unwrap();
    segment.append(&[b"content"]).unwrap();
    assert_eq!(file_len(folder.path()), 1 << 20);
    drop(segment);
    assert_eq!(file_len(folder.path()), 7);
}

/// By then the file may be another process's, which has written to it.
#[test]
fn a_segment_that_outlives_its_disk_leaves_the_file_alone() {
    let folder = tempdir().unwrap();
    let open = || Disk::options().growth_bytes(100).open(folder.path()).unwrap();
    let first = open();
    let old = first.create(ONE).unwrap();
    old.append(&[b"first"]).unwrap();
    drop(first);

    let second = open();
    let new = second.open(ONE).unwrap();
    new.truncate(5).unwrap();
    new.append(&[b" and second"]).unwrap();
    assert!(old.append(&[b"late"]).is_err());
    assert!(old.truncate(0).is_err());
    assert_eq!(old.read_at(0, 5).unwrap(), "first");
    drop(old);
    assert_eq!(file_len(folder.path()), 100);
    assert_eq!(new.read_at(0, 16).unwrap(), "first and second");
}

#[test]
fn f24_frozen_segments_hold_no_open_file() {
    let folder = tempdir().unwrap();
    let disk = Disk::open(folder.path(), Access::Write, true).unwrap();
    let before = disk.open_files();
    let mut segments = Vec::new();
    for id in 1..=20 {
        let segment = disk.create(SegmentId(id)).unwrap();
        segment.append(&[&[7; 5000]]).unwrap();
        segments.push(segment);
    }
    assert_eq!(disk.open_files(), before + 20);
    assert_eq!(open_in(folder.path()), known(disk.open_files()));
    for segment in &segments {
        segment.freeze().unwrap();
    }
    assert_eq!(disk.open_files(), before);
    assert_eq!(open_in(folder.path()), known(before));
    assert_eq!(mapped_in(folder.path()), known(20));
    let held = segments[0].read_at(10, 10).unwrap();
    // A removed segment takes its mapping along when the last of its bytes is let go.
    for id in 1..=20 {
        disk.remove(SegmentId(id)).unwrap();
    }
    drop(segments);
    assert_eq!(mapped_in(folder.path()), known(1));
    drop(held);
    assert_eq!(mapped_in(folder.path()), known(0));
    drop(disk);
    assert_eq!(open_in(folder.path()), known(0));
}

/// How many files in a folder this process has open, as the system counts (Linux does).
fn open_in(folder: &Path) -> Option<usize> {
    let links = fs::read_dir("/proc/self/fd").ok()?;
    let targets = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
    Some(targets.filter(|target| target.starts_with(folder)).count())
}

/// How many mappings of files in a folder this process has, as the system counts.
fn mapped_in(folder: &Path) -> Option<usize> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    Some(maps.lines().filter(|line| line.contains(folder.to_str().unwrap())).count())
}

/// `count` where the system can be asked.
fn known(count: usize) -> Option<usize> {
    cfg!(target_os = "linux").then_some(count)
}

#[test]
fn a_mapped_read_lends_and_an_unmapped_one_copies() {
    let folder = tempdir().unwrap();
    let disk = Disk::open(folder.path(), Access::Write, true).unwrap();
    let segment = disk.create(ONE).unwrap();
    segment.append(&[&[7; 5000]]).unwrap();
    let place = |offset| segment.read_at(offset, 100).unwrap().as_ptr();
    let copied = segment.read_at(0, 100).unwrap();
    assert_ne!(copied.as_ptr(), place(0));
    segment.freeze().unwrap();
    assert_eq!(place(0), place(0));
    assert_eq!(place(0).wrapping_add(7), place(7));
}
