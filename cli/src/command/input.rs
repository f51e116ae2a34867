//! Keys and values that come from an argument, a file or standard input.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::encoding::Encoding;
use super::failure::Failure;

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

/// A key or a value: an argument in its encoding, or the exact bytes of a file.
///
/// `bytes_max` keeps a file that is too large out of memory; what comes back is then one byte longer, and the
/// store refuses it.
pub(crate) fn argument_or_file(
    argument: Option<&OsStr>,
    encoding: Encoding,
    file: Option<&Path>,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, Failure> {
    match (argument, file) {
        (Some(argument), _) => encoding.argument(argument).map(Some),
        (None, Some(file)) => read(file, bytes_max).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let failed = |e: io::Error| Failure::file("reading", name(path), &e);
    let source: Box<dyn Read> = match is_standard(path) {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(path).map_err(failed)?),
    };
    let mut bytes = Vec::new();
    source.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The longest key and the longest value, in bytes.
pub(crate) const KEY_BYTES_MAX: u64 = u16::MAX as u64;
pub(crate) const VALUE_BYTES_MAX: u64 = u32::MAX as u64;
