//! Mapping a segment into memory: the only `unsafe` of the project.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::slice;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};

/// How far the first mapping of a segment that still grows reaches, and the second, where that is not enough: space for
/// addresses, not memory. A segment is 64 MiB unless asked for otherwise, and 8 GiB with its seal at most.
const NEAR_LEN: usize = 128 << 20;
const FAR_LEN: usize = 1 << 33;

/// Whether a file may be mapped further than it is long, and what is written to it afterwards shows in the mapping: so it
/// is on Linux; POSIX leaves it open.
const MAPS_AHEAD: bool = cfg!(all(target_os = "linux", target_pointer_width = "64"));

/// Values of a segment that still grows are copied up to this length: that costs less than an owner for each.
const COPIED_LEN_MAX: usize = 512;

/// From this length on what is to be read is announced to the system, which then fetches it in one piece.
const ANNOUNCED_LEN_MIN: usize = 16 << 10;

/// Counters of what is lent of one segment, so that threads that read the same one do not share a cache line.
const OWNERS: usize = 8;

/// The beginning of a file that never changes any more, in memory.
///
/// The bytes before the mark, and no others, are ever looked at. Whoever moves the mark promises that they are written, and that
/// no one changes or cuts them for as long as this lives.
#[derive(Debug, Default)]
pub(super) struct Settled {
    mark: AtomicU64,
    near: OnceLock<Arc<MmapRaw>>,
    far: OnceLock<Arc<MmapRaw>>,
    /// All of it, lent from by slicing, once nothing is added any more.
    whole: OnceLock<[Bytes; OWNERS]>,
}

impl Settled {
    /// How far the bytes are settled.
    pub(super) fn mark(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
    }

    /// The bytes before `mark` are settled; says whether they are mapped. Without the file it changes nothing where they are not. Where
    /// the platform has no room for the mapping, or does not map ahead, they go on being read through the file.
    pub(super) fn grow(&self, mark: u64, file: Option<&File>) -> bool {
        if self.mapping(mark).is_none() {
            let Some(file) = file.filter(|_| MAPS_AHEAD) else { return false };
            let (mapping, len) = match self.near.get() {
                Some(_) => (&self.far, FAR_LEN),
                None => (&self.near, NEAR_LEN),
            };
            match MmapOptions::new().len(len).map_raw_read_only(file) {
                Ok(mapped) => _ = mapping.get_or_init(|| Arc::new(mapped)),
                Err(_) => return false,
            }
        }
        self.mark.fetch_max(mark, Ordering::Release);
        true
    }

    /// All `len` bytes of the file are settled, and nothing will be added.
    pub(super) fn close(&self, file: &File, len: usize) -> io::Result<()> {
        if len == 0 {
            // An empty file cannot be mapped.
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mapping = match self.mapping(len as u64) {
            Some(mapping) => Arc::clone(mapping),
            None => {
                let mapped = Arc::new(MmapOptions::new().len(len).map_raw_read_only(file)?);
                let place = if self.near.get().is_none() { &self.near } else { &self.far };
                Arc::clone(place.get_or_init(|| mapped))
            }
        };
        fetch_no_more_than_asked(&mapping);
        self.mark.store(len as u64, Ordering::Release);
        self.whole.get_or_init(|| {
            std::array::from_fn(|_| {
                Bytes::from_owner(Lent { mapping: Arc::clone(&mapping), range: 0..len })
            })
        });
        Ok(())
    }

    /// The mapping that reaches to `end`.
    fn mapping(&self, end: u64) -> Option<&Arc<MmapRaw>> {
        let near = self.near.get().filter(|mapping| end <= mapping.len() as u64);
        near.or_else(|| self.far.get().filter(|mapping| end <= mapping.len() as u64))
    }

    /// The mapping and the range in it, if these bytes are settled and mapped.
    fn find(&self, offset: u64, len: usize) -> Option<(&Arc<MmapRaw>, Range<usize>)> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= self.mark())?;
        let start = usize::try_from(offset).ok()?;
        Some((self.mapping(end)?, start..start.checked_add(len)?))
    }

    /// The bytes, for as long as this lives.
    pub(super) fn peek(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let (mapping, range) = self.find(offset, len)?;
        Some(look(mapping, &range))
    }

    /// The bytes, for as long as anybody holds them; the file may be closed and removed.
    pub(super) fn lend(&self, offset: u64, len: usize) -> Option<Bytes> {
        let (mapping, range) = self.find(offset, len)?;
        if ANNOUNCED_LEN_MIN <= len {
            announce(mapping, &range);
        }
        Some(match self.whole.get().and_then(|owners| owners.get(owner_of_this_thread())) {
            Some(whole) => whole.slice(range),
            None if len <= COPIED_LEN_MAX => Bytes::copy_from_slice(look(mapping, &range)),
            None => Bytes::from_owner(Lent { mapping: Arc::clone(mapping), range }),
        })
    }
}

/// A get touches one place, and the next one another. Where that must come from the disk, the system would fetch its surroundings too, megabytes
/// of them on some devices. Advice: where it is not taken, reads cost more.
fn fetch_no_more_than_asked(mapping: &MmapRaw) {
    #[cfg(unix)]
    let _ = mapping.advise(memmap2::Advice::Random);
    #[cfg(not(unix))]
    let _ = mapping;
}

/// What is walked, and a long value, is read as a whole.
fn announce(mapping: &MmapRaw, range: &Range<usize>) {
    #[cfg(unix)]
    let _ = mapping.advise_range(memmap2::Advice::WillNeed, range.start, range.len());
    #[cfg(not(unix))]
    let _ = (mapping, range);
}

/// Threads take turns with the counters.
fn owner_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWNER: usize = NEXT.fetch_add(1, Ordering::Relaxed) % OWNERS;
    }
    OWNER.with(|owner| *owner)
}

/// Bytes that somebody holds. Aligned, so that each counter of what is lent has a cache line for itself.
#[derive(Debug)]
#[repr(align(128))]
struct Lent {
    mapping: Arc<MmapRaw>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        look(&self.mapping, &self.range)
    }
}

/// Bytes of a mapping; [`Settled::find`] or [`Settled::close`] has said that they are settled and mapped.
#[expect(unsafe_code, reason = "mapping a file has no safe form; see the comment below")]
fn look<'a>(mapping: &'a MmapRaw, range: &Range<usize>) -> &'a [u8] {
    // SAFETY: the range lies within the mapping (`find` and `close` look at its length), and these bytes of the file are there
    // and do not change while anybody looks:
    // - They are written: the mark is moved only up to what was appended and can be read back.
    // - They do not change: in this process an append goes behind them, a cut before the mark is refused, and a frozen
    //   segment refuses both; other processes have no right to write without the store's lock, and whoever holds it
    //   leaves sealed segments as they are, but for cutting the zeros behind the seal and, when it opens the store,
    //   writing a seal in its place with the bytes that it has.
    // - That cut does not reach them: who holds the lock cuts before mapping, and who reads without the lock
    //   maps only files that do not end in zeros.
    // - A mapping that reaches further than the file is never looked at there. Removing a file leaves its mappings whole.
    //   No file is ever used again for another segment.
    // What is left is a program that changes or cuts the files from outside, against the promise of
    // FORMAT.md, or a disk that fails to read a page: the first may return other bytes (which the
    // checksums notice, and nothing here needs bytes to be valid text), both may end the process with SIGBUS.
    // Whoever must survive that (`verify` of a damaged disk) opens the folder without mapping.
    unsafe { slice::from_raw_parts(mapping.as_ptr().add(range.start), range.len()) }
}
