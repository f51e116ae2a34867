//! One writer at a time: the operating system's lock on the file `LOCK`.
//!
//! The system gives the lock back when the process ends, however it ends. What the file says is for people.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, SystemTime};

use super::files::{self, OpenFile};

/// Never removed: a second process could then lock a new file of this name beside a holder of the old one.
pub(super) const NAME: &str = "LOCK";

/// The lock, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: OpenFile,
}

/// Why there is no lock.
pub(super) enum Refused {
    /// Another handle has it; in words, by whom.
    Held(String),
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Io(error)
    }
}

impl Lock {
    /// Takes the lock of a folder without waiting. `program` is what others are told about the holder.
    pub(super) fn take(
        folder: &Path,
        program: &str,
        count: &Arc<AtomicUsize>,
    ) -> Result<Lock, Refused> {
        let path = folder.join(NAME);
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Refused::Held(holder(file))),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        if !same_file(&file, &path)? {
            // Somebody removed or replaced it meanwhile, and another may hold what has its name now.
            return Err(Refused::Held("a process that has replaced the lock file".into()));
        }
        // For people only, so that a full disk must not be in the way of opening.
        _ = say(&file, program);
        Ok(Lock { file: OpenFile::new(file, count) })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        _ = self.file.set_len(0);
        // Said aloud, since closing is not enough while a child process that another thread is just
        // starting still has a copy of the open file.
        _ = self.file.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = files::private();
    options.write(true);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files::open_plain(path, &options)
        }
        result => result,
    }
}

fn say(mut file: &File, program: &str) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "process {} ({program})", std::process::id())
}

/// Who holds the lock on this file, in words: what its text says, and since when.
fn holder(file: File) -> String {
    let since = file.metadata().and_then(|about| about.modified()).ok();
    let mut text = String::new();
    // A damaged or foreign text is not worth an error.
    _ = file.take(200).read_to_string(&mut text);
    let line: String =
        text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let who = if line.is_empty() { "another process".to_owned() } else { line };
    match since.and_then(|since| SystemTime::now().duration_since(since).ok()) {
        Some(age) => format!("{who}, for {}", in_words(age)),
        None => who,
    }
}

fn in_words(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((held.dev(), held.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere an open file cannot be removed or replaced.
#[cfg(not(unix))]
fn same_file(_file: &File, path: &Path) -> io::Result<bool> {
    fs::exists(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_said_in_the_unit_that_fits() {
        let said = |seconds| in_words(Duration::from_secs(seconds));
        assert_eq!(said(0), "0 s");
        assert_eq!(said(119), "119 s");
        assert_eq!(said(120), "2 min");
        assert_eq!(said(7199), "119 min");
        assert_eq!(said(7200), "2 h");
        assert_eq!(said(172_800), "2 days");
    }
}
