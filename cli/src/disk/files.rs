//! Opening files and folders: private to the user, never through a symbolic link, counted.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An open file that is counted for as long as it is open.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    count: Arc<AtomicUsize>,
}

impl OpenFile {
    pub(super) fn new(file: File, count: &Arc<AtomicUsize>) -> OpenFile {
        count.fetch_add(1, Ordering::Relaxed);
        OpenFile { file, count: Arc::clone(count) }
    }
}

impl Deref for OpenFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Options under which a file is created for its user alone and a symbolic link is not followed.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    options
}

/// Opens a file that exists, if it is a plain file and no symbolic link, device or folder.
pub(super) fn open_plain(path: &Path, options: &OpenOptions) -> io::Result<File> {
    // Asked before opening as well, since opening a pipe waits for the other end.
    if fs::symlink_metadata(path)?.is_file() {
        let file = options.open(path)?;
        if file.metadata()?.is_file() {
            return Ok(file);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{} is not a plain file (symbolic links are not followed)", path.display()),
    ))
}

/// Makes a folder for its user alone.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Whether files may be made in a folder; else why not.
pub(super) fn check_writable(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// A folder, held open to sync the names in it.
#[derive(Debug)]
pub(super) struct Folder {
    #[cfg(unix)]
    file: OpenFile,
}

impl Folder {
    #[cfg(unix)]
    pub(super) fn open(path: &Path, count: &Arc<AtomicUsize>) -> io::Result<Folder> {
        Ok(Folder { file: OpenFile::new(File::open(path)?, count) })
    }

    /// Elsewhere a folder cannot be opened and synced as a file: NTFS writes names to its journal by itself.
    #[cfg(not(unix))]
    pub(super) fn open(_path: &Path, _count: &Arc<AtomicUsize>) -> io::Result<Folder> {
        Ok(Folder {})
    }

    /// Returns once the names that were made or removed in the folder survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        self.file.sync_all()?;
        Ok(())
    }
}

/// Fills `into` from `offset`, or fails; does not move a cursor that others share.
#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

/// Fills `into` from `offset` as far as the file goes, and with zeros from there on, or fails.
pub(super) fn read_at_or_zeros(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    let left = file.metadata()?.len().saturating_sub(offset);
    let there = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
    let (there, beyond) = into.split_at_mut(there);
    beyond.fill(0);
    match read_exact_at(file, there, offset) {
        // Cut just now: the next look at its length finds it.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            read_at_or_zeros(file, there, offset)
        }
        read => read,
    }
}

/// Writes all of `bytes` at `offset`, or fails. A short count is gone on from, never taken for a success.
#[cfg(unix)]
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// The largest piece that a system caches a file in, and a multiple of all smaller ones: Linux's huge page.
const CACHED_LEN_MAX: u64 = 2 << 20;

/// Writes the bytes of a place once more, there, so that the next sync writes them out: an earlier one may have failed, and the
/// system may call them clean since.
///
/// Before it does, the system is made to forget what it has cached of them. ext4 would else write the bytes of a file's new blocks
/// and leave the blocks marked as never written, because a failed sync has left its cache saying that they are: after a power
/// cut they read as zeros, though the second sync said yes (Linux 6.18; measured, as is that this helps).
pub(super) fn rewrite_at(file: &File, place: Range<u64>) -> io::Result<()> {
    // What is dirty would not be forgotten.
    file.sync_data()?;
    let mut bytes = Vec::new();
    let mut from = place.start;
    while from < place.end {
        // One piece of the cache at a time, whole, or it would be kept: nothing is forgotten that was not read.
        let window = from - from % CACHED_LEN_MAX;
        let until = place.end.min(window.saturating_add(CACHED_LEN_MAX));
        bytes.resize(usize::try_from(until - from).unwrap_or_default(), 0);
        read_exact_at(file, &mut bytes, from)?;
        forget_cached(file, window)?;
        write_all_at(file, &bytes, from)?;
        from = until;
    }
    Ok(())
}

/// Makes the system forget what it has cached of a file's window, as far as it is written out and nobody has it mapped.
fn forget_cached(file: &File, window: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Advice, fadvise};
        fadvise(file, window, std::num::NonZeroU64::new(CACHED_LEN_MAX), Advice::DontNeed)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, window);
    Ok(())
}

/// As on Unix. The call moves the file's cursor, which nobody uses.
#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut into: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !into.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, into, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                into = into.get_mut(count..).unwrap_or_default();
                offset += count as u64;
            }
        }
    }
    Ok(())
}

/// As on Unix.
#[cfg(windows)]
pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => {
                bytes = bytes.get(count..).unwrap_or_default();
                offset += count as u64;
            }
        }
    }
    Ok(())
}
