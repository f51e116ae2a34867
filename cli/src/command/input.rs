//! Keys and values that come from an argument, a file or standard input.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use bitcask::{KEY_LEN_MAX, VALUE_LEN_MAX};

use super::encoding::Encoding;
use super::failure::Failure;
use super::store::Error;

/// Stands for standard input or output where a file is asked for.
pub(crate) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// A file as it is called in messages.
pub(crate) fn name(path: &Path) -> String {
    match is_standard(path) {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    }
}

/// What bytes are to be, and with it how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Key,
    Value,
}

impl Role {
    fn bytes_max(self) -> u64 {
        match self {
            Role::Key => KEY_LEN_MAX as u64,
            Role::Value => VALUE_LEN_MAX,
        }
    }

    /// What no store takes is refused before one is opened, or even made.
    pub(crate) fn check(self, len: u64) -> Result<(), Failure> {
        let is_empty_key = self == Role::Key && len == 0;
        if !is_empty_key && len <= self.bytes_max() {
            return Ok(());
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Err(Failure::Store(match self {
            Role::Key => Error::KeyLen(len),
            Role::Value => Error::ValueLen(len),
        }))
    }

    fn check_file(self, about: Metadata) -> Result<(), Failure> {
        // A file of no length may be one that the system makes up as it is read.
        if about.is_file() && about.len() > 0 { self.check(about.len()) } else { Ok(()) }
    }
}

/// A key or a value: an argument in its encoding, or the exact bytes of a file.
pub(crate) fn argument_or_file(
    argument: Option<&OsStr>,
    encoding: Encoding,
    file: Option<&Path>,
    role: Role,
) -> Result<Option<Vec<u8>>, Failure> {
    let bytes = match (argument, file) {
        (Some(argument), _) => encoding.argument(argument)?,
        (None, Some(file)) => read(file, role)?,
        (None, None) => return Ok(None),
    };
    role.check(bytes.len() as u64)?;
    Ok(Some(bytes))
}

/// A file that is too large is refused before it is read, a pipe as soon as it is known.
fn read(path: &Path, role: Role) -> Result<Vec<u8>, Failure> {
    let failed = |e: io::Error| Failure::file("reading", name(path), &e);
    let source: Box<dyn Read> = match is_standard(path) {
        true => Box::new(io::stdin().lock()),
        false => {
            let file = File::open(path).map_err(failed)?;
            role.check_file(file.metadata().map_err(failed)?)?;
            Box::new(file)
        }
    };
    let mut bytes = Vec::new();
    source.take(role.bytes_max().saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
