//! F18 with the real kernel: a disk that fails a sync, forgets, and says yes afterwards. The image of a file system lies on a smaller one that is
//! full, so that new blocks cannot be written; then there is room again, the store is opened again without a reboot, used, and the power goes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use crate::power::Image;
use crate::settings::Run;
use crate::store::{COMMAND, told, verify};

fn bitcask(words: &[&str], store: &Path, more: &[&str]) -> Output {
    Command::new(COMMAND).args(words).arg(store).args(more).output().unwrap()
}

/// Fills a file system to its last byte.
fn fill(folder: &Path) {
    for (number, block) in [1 << 16, 4096, 4096].into_iter().enumerate() {
        let mut file = File::create(folder.join(format!("ballast{number}"))).unwrap();
        let block = vec![7; block];
        while file.write_all(&block).is_ok() {}
    }
}

/// The journal of an image that was just made is not there yet, and without room for it the file system ends.
fn write_the_journal(mnt: &Path) {
    let folder = File::open(mnt).unwrap();
    for _ in 0..500 {
        let path = mnt.join("something");
        File::create(&path).unwrap();
        folder.sync_all().unwrap();
        fs::remove_file(path).unwrap();
    }
    // So are blocks beside what mkfs has written.
    let mut file = File::create(mnt.join("something")).unwrap();
    file.write_all(&vec![7; 16 << 20]).and_then(|()| file.sync_all()).unwrap();
}

fn lies(kind: &str, name: &'static str) {
    let mut run = Run::new(name, 1, 0.02);
    let mut judged = 0;
    while let Some(cycle) = run.next(String::new) {
        let Some(image) = Image::new(kind, Some("400m")) else { return };
        let about = run.about(cycle);
        let mut random = run.random(cycle);
        write_the_journal(&image.mnt());
        let store = image.mnt().join("store");
        let value = |name: &str, len: u64| {
            let path = image.host().with_file_name(name);
            fs::write(&path, vec![b'v'; len as usize]).unwrap();
            path.to_str().unwrap().to_owned()
        };
        // Ends at the end of a block and of all that the file system has written: what comes next needs new blocks only. (A write that a
        // loop device can do in part it calls done.)
        let base = value("base", (2 << 20) + 3956);
        let put = |key: &str, file: &str| {
            bitcask(&["put", "--durability", "always"], &store, &[key, "--value-file", file])
        };
        let output = put("base", &base);
        assert!(output.status.success(), "{about}: {}", told(&output));
        fill(&image.host());
        let lost = value("lost", 200_000 + random.below(600_000));
        let output = put("lost", &lost);
        for number in 0..3 {
            fs::remove_file(image.host().join(format!("ballast{number}"))).unwrap();
        }
        match output.status.code() {
            Some(4) => {}
            Some(0) => {
                println!(
                    "{about}: not judged, the loop device called a write done that it did in part"
                );
                continue;
            }
            code => panic!("{about}: {code:?}: {}", told(&output)),
        }
        // Nothing was rebooted: the bytes are in the cache, and called clean.
        let after = value("after", 10 + random.below(5000));
        let output = put("after", &after);
        assert!(output.status.success(), "{about}: {}", told(&output));
        let there = bitcask(&["get"], &store, &["lost"]);
        let count = bitcask(&["scan"], &store, &[]);
        image.shut_down();
        image.unmount();
        image.mount().unwrap();
        verify(&store).unwrap_or_else(|what| panic!("{about}: after the power cut: {what}"));
        let get = |key: &str, file: &str| {
            let got = bitcask(&["get"], &store, &[key]);
            assert!(
                got.status.success(),
                "{about}: {key} was acknowledged and is gone: {}",
                told(&got)
            );
            assert!(got.stdout == fs::read(file).unwrap(), "{about}: {key} has another value");
        };
        get("base", &base);
        get("after", &after);
        // It was not acknowledged. But it was read by the opening that acknowledged what follows it.
        assert_eq!(
            bitcask(&["get"], &store, &["lost"]).stdout,
            there.stdout,
            "{about}: what was shown has changed"
        );
        assert_eq!(bitcask(&["scan"], &store, &[]).stdout, count.stdout, "{about}");
        judged += 1;
    }
    run.end(&format!("{judged} failed syncs, forgotten by the system: nothing that was acknowledged afterwards was lost"));
}

#[test]
fn f18_a_sync_that_failed_and_then_says_yes_on_ext4() {
    lies("ext4", "failed syncs on ext4");
}

#[test]
fn f18_a_sync_that_failed_and_then_says_yes_on_xfs() {
    lies("xfs", "failed syncs on xfs");
}
