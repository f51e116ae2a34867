//! What a folder must be to hold a store, and what is said where it is not.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bitcask_core::SegmentId;

use super::Access;
use super::files::{self, Folder};
use super::lock::{self, Lock, Refused};

/// Why a folder was not opened. `Display` is one sentence without a full stop;
/// [`advice`](FolderError::advice) says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum FolderError {
    /// There is nothing of this name, and it was not to be created, or not even its parent is there.
    NotFound(PathBuf),
    /// It is a file.
    NotAFolder(PathBuf),
    /// The folder holds no store; where one was to be created, the folder is not empty.
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// Some of the names in it, in order.
        holds: Vec<String>,
    },
    /// Another handle, of this process or another, has the store open for writing.
    Locked {
        /// The folder.
        path: PathBuf,
        /// Who, as far as the lock file says.
        by: String,
    },
    /// The folder, or a file in it, may not be written by this user, or lies on a read-only disk.
    ReadOnly {
        /// The folder or file.
        path: PathBuf,
        /// What the platform said.
        source: io::Error,
    },
    /// The platform refused something else.
    Io {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the platform said.
        source: io::Error,
    },
}

impl FolderError {
    /// What a person can do about it, in one sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            FolderError::NotFound(_) => "check the path, or make the folder that is to hold it",
            FolderError::NotAFolder(_) => "give the folder of a store, not a file",
            FolderError::NotAStore { .. } => {
                "check the path; a new store needs an empty folder, or a name that is not taken"
            }
            FolderError::Locked { .. } => {
                "wait until it is done, or open the store for reading only, which needs no lock"
            }
            FolderError::ReadOnly { .. } => {
                "change the permissions, or open the store for reading only"
            }
            FolderError::Io { .. } => "look at the disk and the permissions, then try again",
        }
    }
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FolderError::NotFound(path) => write!(f, "there is nothing at {}", path.display()),
            FolderError::NotAFolder(path) => {
                write!(f, "{} is a file, and a store is a folder", path.display())
            }
            FolderError::NotAStore { path, holds } if holds.is_empty() => {
                write!(f, "{} is empty: there is no store in it", path.display())
            }
            FolderError::NotAStore { path, holds } => {
                write!(f, "{} is not a store: it holds {}", path.display(), holds.join(", "))
            }
            FolderError::Locked { path, by } => {
                write!(f, "{} is locked by {by}", path.display())
            }
            FolderError::ReadOnly { path, source } => {
                write!(f, "{} cannot be written: {source}", path.display())
            }
            FolderError::Io { doing, path, source } => {
                write!(f, "{doing} {} failed: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for FolderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FolderError::ReadOnly { source, .. } | FolderError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The name of a segment's file: at least 12 digits, so that names sort as ids do.
pub(super) fn name_of(id: SegmentId) -> String {
    format!("{:012}.segment", id.0)
}

/// The segment that a file is, by its name; there is only one name for each.
fn id_of(name: &str) -> Option<SegmentId> {
    let id = SegmentId(name.strip_suffix(".segment")?.parse().ok()?);
    (id.0 > 0 && name_of(id) == name).then_some(id)
}

/// The segments in a folder, by the names of its files, in any order.
pub(super) fn segments(path: &Path) -> io::Result<Vec<SegmentId>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(path)? {
        ids.extend(entry?.file_name().to_str().and_then(id_of));
    }
    Ok(ids)
}

/// Names in a folder that do not speak against making a store of it: our lock, and what a file system
/// that was just made has in its root.
const HARMLESS: [&str; 2] = [lock::NAME, "lost+found"];

/// How many names an error lists.
const NAMES_MAX: usize = 5;

/// The names of what is in a folder that is not a store, in order; the first few, and how many more.
fn holds(path: &Path) -> io::Result<Vec<String>> {
    let mut names = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().escape_debug().to_string()))
        .filter(|name| !matches!(name, Ok(name) if HARMLESS.contains(&name.as_str())))
        .collect::<io::Result<Vec<String>>>()?;
    names.sort();
    if names.len() > NAMES_MAX {
        let more = names.len() - (NAMES_MAX - 1);
        names.truncate(NAMES_MAX - 1);
        names.push(format!("{more} more"));
    }
    Ok(names)
}

/// Finds, or makes, the folder of a store, and takes its lock if it is to be written.
pub(super) fn open(
    path: &Path,
    access: Access,
    create: bool,
    program: &str,
    count: &Arc<AtomicUsize>,
) -> Result<(Folder, Option<Lock>), FolderError> {
    let create = create && access == Access::Write;
    let made = find_or_make(path, create)?;
    let new = check_contents(path, create)?;
    let lock = match access {
        Access::Write => Some(take_lock(path, program, count)?),
        Access::Read => None,
    };
    if new {
        sync_parent(path, made, count)?;
    }
    let folder = Folder::open(path, count).map_err(failed("opening", path))?;
    Ok((folder, lock))
}

/// Whether the folder had to be made.
fn find_or_make(path: &Path, create: bool) -> Result<bool, FolderError> {
    match fs::metadata(path) {
        Ok(about) if about.is_dir() => Ok(false),
        Ok(_) => Err(FolderError::NotAFolder(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(FolderError::NotFound(path.to_owned()))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("looking at", path)(error))
        }
        Err(_) if !create => Err(FolderError::NotFound(path.to_owned())),
        Err(_) => match files::create_folder(path) {
            Ok(()) => Ok(true),
            // Somebody else made it at the same moment; the lock decides who goes on.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(FolderError::NotFound(path.parent().unwrap_or(path).to_owned()))
            }
            Err(error) => Err(not_writable("creating", path)(error)),
        },
    }
}

/// Whether the store is yet to be created here.
fn check_contents(path: &Path, create: bool) -> Result<bool, FolderError> {
    if !segments(path).map_err(failed("listing", path))?.is_empty() {
        return Ok(false);
    }
    let holds = holds(path).map_err(failed("listing", path))?;
    if create && holds.is_empty() {
        return Ok(true);
    }
    Err(FolderError::NotAStore { path: path.to_owned(), holds })
}

fn take_lock(path: &Path, program: &str, count: &Arc<AtomicUsize>) -> Result<Lock, FolderError> {
    files::check_writable(path).map_err(not_writable("looking at", path))?;
    Lock::take(path, program, count).map_err(|refused| match refused {
        Refused::Held(by) => FolderError::Locked { path: path.to_owned(), by },
        Refused::Io(error) => not_writable("locking", &path.join(lock::NAME))(error),
    })
}

/// Makes the folder itself durable, also where an earlier process made it and was ended before it had.
fn sync_parent(path: &Path, made: bool, count: &Arc<AtomicUsize>) -> Result<(), FolderError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    match Folder::open(parent, count).and_then(|parent| parent.sync()) {
        // A folder that was there may lie in one that this user cannot even list; its name is not ours.
        Err(error) if !made && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        result => result.map_err(failed("syncing", parent)),
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { doing, path, source }
}

/// As [`failed`], where what failed needed the right to write.
fn not_writable(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            FolderError::ReadOnly { path, source }
        }
        _ => FolderError::Io { doing, path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_one_name() {
        for (id, name) in [
            (1, "000000000001.segment"),
            (999_999_999_999, "999999999999.segment"),
            (1_000_000_000_000, "1000000000000.segment"),
            (u64::MAX, "18446744073709551615.segment"),
        ] {
            assert_eq!(name_of(SegmentId(id)), name);
            assert_eq!(id_of(name), Some(SegmentId(id)));
        }
    }

    #[test]
    fn other_names_belong_to_nobody() {
        for name in [
            "",
            ".segment",
            "1.segment",
            "000000000000.segment",
            "0000000000001.segment",
            "+00000000001.segment",
            "00000000001x.segment",
            "000000000001.Segment",
            "000000000001.segment~",
            "000000000001",
            "18446744073709551616.segment",
            "LOCK",
        ] {
            assert_eq!(id_of(name), None, "{name}");
        }
    }
}
