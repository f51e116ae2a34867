//! [`Cache`]: what was read or written of segments lately, in memory.
//!
//! A call to a file costs 1 to 4 µs in Chromium and 17 to 75 in Firefox, for 4 KiB as for 100 bytes. So short reads are
//! made in whole blocks, and in many at a time where they run forward, as a scan in the order of writing does; and what
//! is appended goes in too: it is what is read next, or superseded next.

use std::cell::Cell;
use std::io;

use bitcask_core::Bytes;

const BLOCK_LEN: usize = 4096;

/// Blocks that a block may be kept instead of: a block's number says which set it belongs to.
const WAYS: usize = 8;

/// With the ways and the length of a block: 4 MiB in all.
const SETS: usize = 128;

/// Reads and appends from this length on are made as they are, and nothing of them is kept: those of openings, merges
/// and large values.
pub(crate) const CACHED_LEN_MAX: usize = 64 * 1024;

/// Bytes of the first read ahead; each that follows is twice as long.
const AHEAD_MIN: usize = 64 * 1024;

const AHEAD_MAX: usize = 256 * 1024;

/// Blocks that a forward run of reads may leave out.
const GAP_MAX: u64 = 4;

/// The blocks of all segments of a storage. A segment only grows, so what is here of it stays right; whatever cuts one
/// says so.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// Set after set; made with the first block.
    blocks: Vec<Block>,
    /// Counts the looks at blocks: the block that was looked at longest ago goes first.
    moment: u32,
    /// The number of the last segment.
    segments: u32,
    /// Where bytes are read to; kept for its memory.
    reading: Vec<u8>,
}

#[derive(Debug, Default)]
struct Block {
    /// The segment's number; 0: nothing is here.
    segment: u32,
    number: u64,
    /// Where in the block the bytes begin.
    from: usize,
    bytes: Vec<u8>,
    moment: u32,
}

/// A segment, as the cache knows it.
#[derive(Debug)]
pub(crate) struct Cached {
    number: u32,
    /// The block behind the last read of the file.
    next: Cell<u64>,
    /// Bytes of the last read ahead.
    ahead: Cell<usize>,
}

impl Cache {
    /// Names a segment that was opened now.
    pub(crate) fn segment(&mut self) -> Cached {
        self.segments = self.segments.wrapping_add(1).max(1);
        Cached { number: self.segments, next: Cell::new(u64::MAX), ahead: Cell::new(0) }
    }

    /// The bytes of a segment from `offset` on, which end before `end`, the segment's length. `fill` reads the file.
    ///
    /// # Errors
    ///
    /// Those of `fill`, which may have been called for bytes around those that were asked for.
    pub(crate) fn read(
        &mut self,
        segment: &Cached,
        offset: u64,
        len: usize,
        end: u64,
        fill: &dyn Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<Bytes> {
        let mut found = Vec::new();
        while found.len() < len {
            let (at, wanted) = (offset + found.len() as u64, len - found.len());
            if let Some(part) = self.part(segment.number, at, wanted) {
                if part.len() == len {
                    return Ok(Bytes::copy_from_slice(part));
                }
                found.reserve_exact(wanted);
                found.extend_from_slice(part);
                continue;
            }
            found.reserve_exact(wanted);
            let (number, skip) = split(at);
            let start = at - skip as u64;
            let wanted_end = at + wanted as u64;
            let stop = wanted_end
                .next_multiple_of(BLOCK_LEN as u64)
                .max(start + segment.ahead_of(number) as u64)
                .min(end);
            let mut bytes = std::mem::take(&mut self.reading);
            bytes.resize(usize::try_from(stop - start).unwrap_or(0), 0);
            let filled = fill(start, &mut bytes);
            if filled.is_ok() {
                segment.next.set(stop.div_ceil(BLOCK_LEN as u64));
                for (number, block) in (number..).zip(bytes.chunks(BLOCK_LEN)) {
                    self.keep(segment.number, number, block);
                }
                found.extend(bytes.iter().skip(skip).take(wanted));
            }
            self.reading = bytes;
            filled?;
        }
        Ok(found.into())
    }

    /// Keeps what was appended to a segment at `offset`.
    pub(crate) fn appended(&mut self, segment: &Cached, offset: u64, bytes: &[u8]) {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (number, from) = split(at);
            let (part, after) = rest.split_at(rest.len().min(BLOCK_LEN - from));
            if let Some(block) = self.block(segment.number, number) {
                if block.from + block.bytes.len() != from {
                    block.from = from;
                    block.bytes.clear();
                }
                block.bytes.extend_from_slice(part);
            }
            at += part.len() as u64;
            rest = after;
        }
    }

    /// Forgets what is behind `len` of a segment.
    pub(crate) fn truncate(&mut self, segment: &Cached, len: u64) {
        segment.next.set(u64::MAX);
        let (number, end) = split(len);
        for block in self.blocks.iter_mut().filter(|block| block.segment == segment.number) {
            if number < block.number || number == block.number && end <= block.from {
                *block = Block::default();
            } else if number == block.number {
                block.bytes.truncate(end - block.from);
            }
        }
    }

    /// Forgets everything: from here on it is the files that are read.
    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
        self.reading = Vec::new();
    }

    /// What is here of a segment from `offset` on, at most so many bytes; never nothing.
    fn part(&mut self, segment: u32, offset: u64, len: usize) -> Option<&[u8]> {
        let (number, at) = split(offset);
        self.moment = self.moment.wrapping_add(1);
        let moment = self.moment;
        let mut set = self.blocks.get_mut(set_of(segment, number))?.iter_mut();
        let block = set.find(|block| block.segment == segment && block.number == number)?;
        block.moment = moment;
        let rest = block.bytes.get(at.checked_sub(block.from)?..)?;
        let part = rest.get(..len).unwrap_or(rest);
        (!part.is_empty()).then_some(part)
    }

    /// The block of this number, an empty one where there is none.
    fn block(&mut self, segment: u32, number: u64) -> Option<&mut Block> {
        if self.blocks.is_empty() {
            self.blocks.resize_with(SETS * WAYS, Block::default);
        }
        self.moment = self.moment.wrapping_add(1);
        let moment = self.moment;
        let set = self.blocks.get_mut(set_of(segment, number))?;
        let is_it = |block: &Block| block.segment == segment && block.number == number;
        let block = set.iter_mut().max_by_key(|block| match block {
            block if is_it(block) => (2, 0),
            block if block.segment == 0 => (1, 0),
            block => (0, moment.wrapping_sub(block.moment)),
        })?;
        if !is_it(block) {
            (block.segment, block.number, block.from) = (segment, number, 0);
            block.bytes.clear();
            block.bytes.reserve_exact(BLOCK_LEN);
        }
        block.moment = moment;
        Some(block)
    }

    /// Keeps a block as it was read from its beginning.
    fn keep(&mut self, segment: u32, number: u64, bytes: &[u8]) {
        if let Some(block) = self.block(segment, number) {
            block.from = 0;
            block.bytes.clear();
            block.bytes.extend_from_slice(bytes);
        }
    }
}

impl Cached {
    /// How many bytes to read for a block that is not there: more where reads run forward.
    fn ahead_of(&self, number: u64) -> usize {
        let is_forward = number.checked_sub(self.next.get()).is_some_and(|gap| gap <= GAP_MAX);
        let ahead = if is_forward { (2 * self.ahead.get()).clamp(AHEAD_MIN, AHEAD_MAX) } else { 0 };
        self.ahead.set(ahead);
        ahead
    }
}

/// The number of the block in which an offset is, and where in it.
fn split(offset: u64) -> (u64, usize) {
    let len = BLOCK_LEN as u64;
    (offset / len, usize::try_from(offset % len).unwrap_or(0))
}

/// Where the set of a block is. Blocks that follow one another are in sets that do.
fn set_of(segment: u32, number: u64) -> std::ops::Range<usize> {
    let spread = number.wrapping_add(u64::from(segment).wrapping_mul(37));
    let set = usize::try_from(spread % SETS as u64).unwrap_or(0);
    set * WAYS..(set + 1) * WAYS
}

#[cfg(test)]
mod tests;
