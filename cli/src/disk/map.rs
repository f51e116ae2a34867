//! Mapping a segment into memory: the only `unsafe` of the project.

use std::fs::File;
use std::io;

use bytes::Bytes;
use memmap2::MmapOptions;

/// The first `len` bytes of `file`, as long as anybody holds them; the file may be closed and removed.
///
/// Only for a segment that never changes again. Fails where the platform has no room for another mapping; the
/// caller then goes on reading through the file.
#[expect(unsafe_code, reason = "mapping a file has no safe form; see the comment below")]
pub(super) fn map(file: &File, len: usize) -> io::Result<Bytes> {
    // SAFETY: a mapping is a `&[u8]`, so its bytes must not change while it is there, and its pages must
    // be backed by the file. This is called by `freeze` alone, for sealed segments, and:
    // - The bytes do not change: in this process a frozen segment refuses appends and cuts; other
    //   processes have no right to write without the store's lock, and whoever holds it leaves sealed
    //   segments as they are, but for cutting the zeros behind the seal.
    // - That cut does not reach into the mapping: who holds the lock cuts before mapping, and who
    //   reads without the lock maps only files that do not end in zeros.
    // - Removing a file leaves its mappings whole. No file is ever used again for another segment.
    // What is left is a program that changes or cuts the files from outside, against the promise of
    // FORMAT.md, or a disk that fails to read a page: the first may return other bytes (which the
    // checksums notice, and nothing here needs bytes to be valid text), both may end the process with SIGBUS.
    // Whoever must survive that (`verify` of a damaged disk) opens the folder without mapping.
    let mapping = unsafe { MmapOptions::new().len(len).map(file)? };
    Ok(Bytes::from_owner(mapping))
}
