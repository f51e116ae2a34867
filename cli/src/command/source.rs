//! Where an import reads from: a file, or a pipe that cannot be read twice.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::failure::Failure;
use super::input::{is_standard, name};
use super::progress::Progress;

/// What is imported from.
pub(crate) struct Source {
    /// Bytes; `None` where nobody knows: a pipe.
    pub(crate) len: Option<u64>,
    reader: Box<dyn Read>,
    /// The same file, where reading can begin again.
    file: Option<File>,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Source, Failure> {
        if is_standard(path) {
            return Ok(Source { len: None, reader: Box::new(io::stdin()), file: None });
        }
        let open = || {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(match metadata.is_file() {
                true => Source::again(file)?,
                false => Source { len: None, reader: Box::new(file), file: None },
            })
        };
        open().map_err(|e| Failure::file("reading", name(path), &e))
    }

    /// A file, from its beginning.
    fn again(mut file: File) -> io::Result<Source> {
        file.rewind()?;
        let (len, reader) = (file.metadata()?.len(), Box::new(file.try_clone()?));
        Ok(Source { len: Some(len), reader, file: Some(file) })
    }

    /// Its bytes, once.
    pub(crate) fn read(self, progress: &Progress) -> impl Read {
        Counted { reader: self.reader, progress }
    }

    /// Has everything read once, and gives it again from its beginning: what is wrong is known before anything is written.
    /// What comes through a pipe is kept in a temporary file meanwhile. `instead` is an advice where that fails.
    pub(crate) fn checked(
        self,
        instead: &str,
        check: impl FnOnce(&Progress, &mut dyn Read) -> Result<(), Failure>,
    ) -> Result<Source, Failure> {
        let spool_failed = |e: io::Error| {
            Failure::io(
                format!("keeping standard input in a temporary file failed: {e}"),
                format!("set TMPDIR to a folder with room, or {instead}"),
            )
        };
        let progress = Progress::bytes("checking", self.len);
        let mut again = match self.file {
            Some(file) => file,
            None => tempfile::tempfile().map_err(spool_failed)?,
        };
        let spool = self.len.is_none().then_some(&mut again);
        let reader = Spooled { reader: self.reader, spool };
        check(&progress, &mut Counted { reader, progress: &progress })?;
        Source::again(again).map_err(spool_failed)
    }
}

/// Tells the progress bar how much was read.
struct Counted<'p, R> {
    reader: R,
    progress: &'p Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(buffer)?;
        self.progress.add(len as u64);
        Ok(len)
    }
}

/// Keeps what is read in a file, where there is one.
struct Spooled<'s, R> {
    reader: R,
    spool: Option<&'s mut File>,
}

impl<R: Read> Read for Spooled<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(buffer)?;
        if let (Some(spool), Some(read)) = (&mut self.spool, buffer.get(..len)) {
            spool.write_all(read).map_err(|e| {
                io::Error::new(e.kind(), format!("no room to keep it in a temporary file: {e}"))
            })?;
        }
        Ok(len)
    }
}
