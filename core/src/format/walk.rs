//! Walking a segment record by record, with both checksums of each.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::record::{HEAD_LEN_MAX, Head, Record, body_is_sound, head_is_sound};
use super::{len_in_memory, len64};
use crate::segment::Segment;

/// Bytes that are read at a time: large, because on OPFS calls cost more than bytes.
const BLOCK_LEN: u64 = 1 << 20;

/// So much of a block that was read before is worth looking at, before another one is read: more than a head can be.
const MUCH_LEN: u64 = 1 << 17;

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WalkEnd {
    /// At the end of the bytes, exactly.
    End,
    /// Everything from here on is zero: growth.
    Zeros,
    /// A record would run past the end.
    Short,
    /// The head checksum is wrong, or what it covers makes no sense.
    Head,
    /// The head is right, the body checksum wrong.
    Body,
}

impl WalkEnd {
    /// What a person is told.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            WalkEnd::End => "the records end here",
            WalkEnd::Zeros => "zeros stand where a record should",
            WalkEnd::Short => "a record runs past the end of the segment",
            WalkEnd::Head => "the checksum of a record's head is wrong",
            WalkEnd::Body => "the checksum of a record's body is wrong",
        }
    }
}

/// How much of each record is checked and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Heads and keys only; values are skipped and come as empty.
    Heads,
    /// Everything.
    Whole,
}

/// A place in a segment from which records are read one after another.
pub(crate) struct Walk<'a, S> {
    segment: &'a S,
    seed: u32,
    depth: Depth,
    /// Where the next record starts.
    offset: u64,
    /// Where the bytes end.
    end: u64,
    block: Block,
}

/// Bytes of a segment that were read, and where they begin.
#[derive(Default)]
pub(crate) struct Block {
    bytes: Bytes,
    offset: u64,
}

/// A record's offset, head and key.
pub(crate) type Walked<'a> = (u64, Head, &'a [u8]);

impl<'a, S: Segment> Walk<'a, S> {
    /// Walks `offset..end` of a segment; `end` is at most its length.
    pub(crate) fn new(segment: &'a S, seed: u32, offset: u64, end: u64, depth: Depth) -> Self {
        Walk { segment, seed, depth, offset, end, block: Block::default() }
    }

    /// Goes on with what an earlier walk of the same segment has read.
    pub(crate) fn with_block(self, block: Block) -> Self {
        Walk { block, ..self }
    }

    /// What was read last, for a later walk.
    pub(crate) fn into_block(self) -> Block {
        self.block
    }

    /// Where the next record starts, or where the walk ended.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on at another place.
    pub(crate) fn seek(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// The next record and its offset, or why there is none.
    pub(crate) fn next(&mut self) -> io::Result<Result<(u64, Record), WalkEnd>> {
        let offset = self.offset;
        let record = self.at(offset)?;
        if let Ok(record) = &record {
            self.offset = offset.saturating_add(record.head.record_len());
        }
        Ok(record.map(|record| (offset, record)))
    }

    /// As [`Walk::next`], but only the head and the key, which are looked at and not held.
    pub(crate) fn next_head(&mut self) -> io::Result<Result<Walked<'_>, WalkEnd>> {
        let offset = self.offset;
        let head = match self.head_at(offset)? {
            Ok(head) => head,
            Err(why) => return Ok(Err(why)),
        };
        self.offset = offset.saturating_add(head.record_len());
        let key_at = offset.saturating_add(len64(head.fields_len()));
        let key = self.view(key_at, u64::from(head.key_len))?;
        Ok(Ok((offset, head, key)))
    }

    /// The record at `offset`, wherever the walk stands.
    fn at(&mut self, offset: u64) -> io::Result<Result<Record, WalkEnd>> {
        let head = match self.head_at(offset)? {
            Ok(head) => head,
            Err(why) => return Ok(Err(why)),
        };
        let len = match self.depth {
            Depth::Heads => len64(head.head_len()),
            Depth::Whole => head.record_len(),
        };
        Ok(Ok(Record::from_parts(head, self.bytes(offset, len)?)))
    }

    /// The head of the record at `offset`, after all that the walk checks was found right.
    fn head_at(&mut self, offset: u64) -> io::Result<Result<Head, WalkEnd>> {
        let (seed, left) = (self.seed, self.end.saturating_sub(offset));
        if left == 0 {
            return Ok(Err(WalkEnd::End));
        }
        let bytes = self.view(offset, left.min(len64(HEAD_LEN_MAX)))?;
        let Some(head) = Head::decode_unchecked(bytes) else {
            return self.why_no_head(offset).map(Err);
        };
        if len64(head.head_len()) > left {
            return Ok(Err(WalkEnd::Short));
        }
        if !head_is_sound(seed, offset, &head, bytes) {
            return Ok(Err(WalkEnd::Head));
        }
        if head.record_len() > left {
            return Ok(Err(WalkEnd::Short));
        }
        if self.depth == Depth::Whole
            && !body_is_sound(seed, offset, self.view(offset, head.record_len())?)
        {
            return Ok(Err(WalkEnd::Body));
        }
        Ok(Ok(head))
    }

    /// Tells growth and a cut from a head that is wrong.
    fn why_no_head(&mut self, offset: u64) -> io::Result<WalkEnd> {
        let left = self.end.saturating_sub(offset);
        let bytes = self.view(offset, left.min(len64(HEAD_LEN_MAX)))?;
        let cut_short = bytes.len() < super::record::FIXED_LEN;
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(if cut_short { WalkEnd::Short } else { WalkEnd::Head });
        }
        let mut at = offset;
        while at < self.end {
            let block = self.some_bytes(at)?;
            if block.iter().any(|byte| *byte != 0) {
                return Ok(WalkEnd::Head);
            }
            at = at.saturating_add(len64(block.len()));
        }
        Ok(WalkEnd::Zeros)
    }

    /// `len` bytes from `offset`, held.
    fn bytes(&mut self, offset: u64, len: u64) -> io::Result<Bytes> {
        let range = self.fill(offset, len)?;
        Ok(self.block.bytes.slice(range))
    }

    /// `len` bytes from `offset`, looked at.
    fn view(&mut self, offset: u64, len: u64) -> io::Result<&[u8]> {
        let range = self.fill(offset, len)?;
        Ok(self.block.bytes.get(range).unwrap_or_default())
    }

    /// Where in the block these bytes are, after it was read anew where they are not. The caller has checked the range against
    /// the end, so nothing is allocated beyond the segment's length.
    fn fill(&mut self, offset: u64, len: u64) -> io::Result<Range<usize>> {
        if let Some(range) = self.in_block(offset, len) {
            return Ok(range);
        }
        let wanted = len.max(BLOCK_LEN).min(self.end.saturating_sub(offset));
        let wanted = len_in_memory(wanted).ok_or(io::ErrorKind::OutOfMemory)?;
        self.block = Block { bytes: self.segment.read_at(offset, wanted)?, offset };
        self.in_block(offset, len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The bytes from `offset` on: what is left of the block if that is much, else another block. (A search that goes on
    /// behind each record that it found would read a block for each, were it to begin with a whole one.)
    fn some_bytes(&mut self, offset: u64) -> io::Result<Bytes> {
        let left = self.end.saturating_sub(offset);
        let in_block = self.block.offset.saturating_add(len64(self.block.bytes.len()));
        let there = match self.block.offset <= offset {
            true => in_block.saturating_sub(offset),
            false => 0,
        };
        let len = if there < left.min(MUCH_LEN) { left.min(BLOCK_LEN) } else { there.min(left) };
        self.bytes(offset, len)
    }

    fn in_block(&self, offset: u64, len: u64) -> Option<Range<usize>> {
        let start = len_in_memory(offset.checked_sub(self.block.offset)?)?;
        let end = start.checked_add(len_in_memory(len)?)?;
        (end <= self.block.bytes.len()).then_some(start..end)
    }

    /// Searches from `offset` on, byte by byte, for the next record that is right in everything, and
    /// goes there. `Ok(None)` where there is none.
    ///
    /// A hostile file can make each byte look like the start of a long head: the work is bounded by
    /// `budget` bytes of checksums, beyond which the answer is `Err(Exhausted)`.
    pub(crate) fn find_from(
        &mut self,
        offset: u64,
        budget: &mut u64,
    ) -> io::Result<Result<Option<u64>, Exhausted>> {
        let mut from = offset;
        while from < self.end {
            let block = self.some_bytes(from)?;
            let len = len64(block.len());
            for (place, pair) in block.windows(2).skip(KIND_AT).enumerate() {
                // Kind and flags: nearly every byte that starts no record is told by these two.
                if !matches!(pair, [1..=4, 0..=7]) {
                    continue;
                }
                let at = from.saturating_add(len64(place));
                if self.is_record(at, budget)? {
                    self.offset = at;
                    return Ok(Ok(Some(at)));
                }
                if *budget == 0 {
                    return Ok(Err(Exhausted));
                }
            }
            // The next block begins where a record's kind was not yet seen in this one.
            let seen = len.saturating_sub(len64(KIND_AT)).saturating_sub(1);
            from = from.saturating_add(seen.max(1));
        }
        Ok(Ok(None))
    }

    /// Whether a record stands at `offset`; takes what finding out costs from the budget.
    fn is_record(&mut self, offset: u64, budget: &mut u64) -> io::Result<bool> {
        let left = self.end.saturating_sub(offset);
        let start = self.bytes(offset, left.min(FIELDS_LEN_MAX))?;
        let Some(head) = Head::decode_unchecked(&start) else { return Ok(false) };
        *budget = budget.saturating_sub(len64(head.head_len()));
        match self.at(offset)? {
            Ok(_) => Ok(true),
            Err(WalkEnd::Body) => {
                *budget = budget.saturating_sub(head.record_len());
                Ok(false)
            }
            Err(_) => Ok(false),
        }
    }
}

/// Where a record's kind stands, and after it its flags.
const KIND_AT: usize = 8;

/// The longest fixed part with both optional fields.
const FIELDS_LEN_MAX: u64 = 40;

/// A search was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;
