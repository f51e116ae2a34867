//! Power that goes, on real file systems: ext4 and xfs in an image on a loop device, shut down under load (`FS_IOC_SHUTDOWN`), mounted again.
//!
//! Only what was acknowledged *before* the shutdown counts: a sync that is under way may say yes to a file system that is gone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bitcask::{Durability, Index};
use tempfile::{TempDir, tempdir, tempdir_in};

use crate::child::{Actor, Heard, Work};
use crate::oracle::Thread;
use crate::settings::Run;
use crate::store::{content, verify};

/// An image with a file system, mounted.
pub(crate) struct Image {
    parent: TempDir,
    /// Where the image lies is a small file system of its own.
    is_limited: bool,
}

impl Image {
    /// `None`, and why is printed, where this user or system cannot. `limit`: so much may the image come to hold.
    pub(crate) fn new(kind: &str, limit: Option<&str>) -> Option<Image> {
        // In memory, where that is possible: syncs cost nothing, so many more cycles.
        let parent = tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap();
        for name in ["host", "mnt"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        let image = Image { parent, is_limited: limit.is_some() };
        image
            .make(kind, limit)
            .map_err(|why| println!("skipped: no {kind} in an image: {why}"))
            .ok()?;
        Some(image)
    }

    fn make(&self, kind: &str, limit: Option<&str>) -> Result<(), String> {
        if let Some(limit) = limit {
            let size = format!("size={limit}");
            run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", self.host().to_str().unwrap()])?;
        }
        let file = self.file();
        std::fs::File::create(&file)
            .and_then(|file| file.set_len(320 << 20))
            .map_err(|error| error.to_string())?;
        let file = file.to_str().unwrap();
        match kind {
            "ext4" => run(
                "mkfs.ext4",
                &[
                    "-q",
                    "-F",
                    "-b",
                    "4096",
                    "-J",
                    "size=4",
                    "-m",
                    "0",
                    "-E",
                    "lazy_itable_init=0",
                    file,
                ],
            )?,
            _ => run("mkfs.xfs", &["-q", "-K", file])?,
        }
        self.mount()
    }

    pub(crate) fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop", self.file().to_str().unwrap(), self.mnt().to_str().unwrap()])
    }

    /// The power goes: nothing more reaches the image.
    pub(crate) fn shut_down(&self) {
        // `_IOR('X', 125, u32)`, with EXT4_GOING_FLAGS_NOLOGFLUSH: what is only in the journal's memory is lost too.
        let script = "import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
        run("python3", &["-c", script, self.mnt().to_str().unwrap()]).unwrap();
    }

    pub(crate) fn unmount(&self) {
        // Whoever was killed lets go in a moment.
        for _ in 0..100 {
            if run("umount", &[self.mnt().to_str().unwrap()]).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the image is still in use");
    }

    pub(crate) fn host(&self) -> PathBuf {
        self.parent.path().join("host")
    }

    pub(crate) fn mnt(&self) -> PathBuf {
        self.parent.path().join("mnt")
    }

    fn file(&self) -> PathBuf {
        self.host().join("image")
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("--lazy").arg(self.mnt()).output();
        if self.is_limited {
            _ = Command::new("umount").arg("--lazy").arg(self.host()).output();
        }
    }
}

fn run(program: &str, words: &[&str]) -> Result<(), String> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(words).env("PATH", path).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

fn power_cuts(kind: &str, name: &'static str) {
    let mut run = Run::new(name, 6, 0.08);
    let Some(image) = Image::new(kind, None) else { return };
    let folder = image.mnt().join("store");
    let mut threads: Vec<Thread> = (0..3).map(Thread::new).collect();
    let (mut acknowledged, mut lost) = (0, 0);
    while let Some(cycle) =
        run.next(|| format!("{acknowledged} operations acknowledged as durable"))
    {
        let mut random = run.random(cycle);
        let work = Work {
            seed: run.seed,
            durability: *random.pick(&[
                Durability::None,
                Durability::Interval,
                Durability::Always,
                Durability::Always,
            ]),
            index: *random.pick(&[Index::Hash, Index::Ordered]),
            background: random.below(4) != 0,
            operations: u64::MAX,
            goes_on: false,
            aborts: false,
        };
        let mut child = Actor::start(&[], &folder, &work, &threads);
        let mut heard = Heard::default();
        for _ in 0..10 + random.below(if cycle % 5 == 0 { 3000 } else { 400 }) {
            assert!(child.hear(&mut threads, &mut heard), "{}: it ended", run.about(cycle));
        }
        // From here on, what is still on the pipe was said before the shutdown or after it: it does not count.
        let due: Vec<u64> = threads
            .iter()
            .map(|thread| match work.durability {
                Durability::Always => thread.acknowledged,
                _ => thread.durable.max(thread.first),
            })
            .collect();
        image.shut_down();
        // Some go on for a while on what is gone.
        std::thread::sleep(Duration::from_micros(random.below(4000)));
        child.kill(&mut threads, &mut heard);
        drop(child);
        image.unmount();
        let about = format!("{}, {work:?}", run.about(cycle));
        image.mount().unwrap_or_else(|error| panic!("{about}: {error}"));
        let check = || -> Result<(), String> {
            verify_torn(&folder)?;
            let found = content(&folder, random.below(2) == 0, work.index)?;
            for (thread, due) in threads.iter_mut().zip(due) {
                acknowledged += due - thread.first;
                lost += thread.acknowledged - due;
                thread.settle(run.seed, &found, due)?;
            }
            // Opened for writing, and nothing is different then.
            match content(&folder, false, work.index)? == found {
                true => verify(&folder),
                false => Err("opening it for writing changes what it holds".into()),
            }
        };
        check()
            .unwrap_or_else(|what| panic!("{about}: {what}\nlast refused: {}", heard.last_failure));
    }
    image.unmount();
    run.end(&format!("{acknowledged} operations acknowledged as durable, none lost; {lost} others were free to be lost"));
}

/// A torn tail is no damage.
fn verify_torn(folder: &Path) -> Result<(), String> {
    verify(folder)
}

#[test]
fn f07_f17_f19_a_power_cut_on_ext4_loses_nothing_that_was_synced() {
    power_cuts("ext4", "power cuts on ext4");
}

#[test]
fn f07_f17_f19_a_power_cut_on_xfs_loses_nothing_that_was_synced() {
    power_cuts("xfs", "power cuts on xfs");
}
