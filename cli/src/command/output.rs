//! Standard output: buffered, and failing with a [`Failure`] instead of a panic.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::Path;

use indicatif::HumanCount;
use serde::Serialize;

use super::failure::Failure;

/// Standard output of this process. What was written is only there after [`Output::flush`].
pub(crate) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(crate) fn new() -> Output {
        Output(BufWriter::with_capacity(1 << 16, io::stdout().lock()))
    }

    /// Whether a person reads it.
    pub(crate) fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write_all(bytes).map_err(Failure::Output)
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    /// One JSON document on one line.
    pub(crate) fn json(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.0, document).map_err(|e| Failure::Output(e.into()))?;
        self.bytes(b"\n")
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.0.flush().map_err(Failure::Output)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes a file so that it is complete or not there at all: what stood there before stays until the new
/// contents are durable. A device or a pipe is written to as it is.
pub(crate) fn write_file<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let failed = |e: io::Error| Failure::file("writing", path.display(), &e);
    let write = |out: &mut dyn Write| match write(out) {
        Err(Failure::Output(e)) => Err(failed(e)),
        done => done,
    };
    if path.metadata().is_ok_and(|m| !m.is_file()) {
        let mut file = BufWriter::new(File::options().write(true).open(path).map_err(failed)?);
        let done = write(&mut file)?;
        file.flush().map_err(failed)?;
        return Ok(done);
    }
    // A link is followed, so that it is its target that gets the new contents.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".bitcask-");
    permissions(&mut builder, path);
    let mut file = BufWriter::new(builder.tempfile_in(folder).map_err(failed)?);
    let done = write(&mut file)?;
    let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(done)
}

/// Those of the file that is replaced, else what the user's mask leaves of 0666, as for any new file.
#[cfg(unix)]
fn permissions(builder: &mut tempfile::Builder<'_, '_>, path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let permissions = path
        .metadata()
        .map_or_else(|_| std::fs::Permissions::from_mode(0o666), |m| m.permissions());
    builder.permissions(permissions);
}

#[cfg(not(unix))]
fn permissions(_builder: &mut tempfile::Builder<'_, '_>, _path: &Path) {}

/// A number with its noun: `1 key`, `4,509 keys`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", HumanCount(count)),
    }
}

/// A line on standard error; a standard error that takes nothing is nobody's loss.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "bitcask: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        write_file(&path, |w| w.write_all(b"one").map_err(Failure::Output)).unwrap();
        let failed = write_file(&path, |w| {
            w.write_all(b"half").map_err(Failure::Output)?;
            Err::<(), _>(Failure::usage("stop", ""))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
