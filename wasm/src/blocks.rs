//! [`Blocks`]: parts of segments that were read lately, kept in memory.
//!
//! A call to a file costs 2 µs in Chromium and 20 to 60 in Firefox, for 8 KiB as for 100 bytes. So short reads are made
//! in whole blocks: a scan in the order of writing makes one call for some fifty records, and a put that replaces a
//! record, which reads that one's head, mostly none.

use std::collections::BTreeMap;
use std::io;

use bitcask_core::Bytes;

const BLOCK_LEN: usize = 8 * 1024;

/// What all blocks take: 4 MiB.
const BLOCKS_MAX: usize = 512;

/// Longer reads are made as they are: those of openings, merges and verifications, which must see the file.
pub(crate) const READ_LEN_MAX: usize = BLOCK_LEN / 2;

/// A segment's number and a block's within it.
type Place = (u64, u64);

/// The blocks of all segments of a storage. A segment only grows, so what was read of it stays right; whatever cuts
/// or closes one forgets its blocks.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    places: BTreeMap<Place, usize>,
    blocks: Vec<Block>,
    /// Which block is looked at first when one has to go.
    hand: usize,
    segments: u64,
}

#[derive(Debug)]
struct Block {
    place: Place,
    /// As far as the segment went when it was read.
    bytes: Vec<u8>,
    /// Whether it was asked for again since the hand was here.
    asked: bool,
}

impl Blocks {
    /// A number for a segment that was opened now: no other has or had it.
    pub(crate) fn segment(&mut self) -> u64 {
        self.segments += 1;
        self.segments
    }

    /// The bytes of a segment from `offset` on. `read` fills a buffer from an offset of the file; it is called for
    /// blocks that are not there, up to `end`, the segment's length.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub(crate) fn read(
        &mut self,
        segment: u64,
        offset: u64,
        len: usize,
        end: u64,
        read: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<Bytes> {
        let mut found = Vec::with_capacity(len);
        while found.len() < len {
            let at = offset + found.len() as u64;
            let (number, from) = split(at);
            let to = BLOCK_LEN.min(from + len - found.len());
            let start = at - from as u64;
            let block = self.block((segment, number), to, |bytes| {
                bytes.resize(BLOCK_LEN.min(usize::try_from(end - start).unwrap_or(BLOCK_LEN)), 0);
                read(start, bytes)
            })?;
            found.extend_from_slice(block.get(from..to).ok_or(io::ErrorKind::UnexpectedEof)?);
        }
        Ok(found.into())
    }

    /// Forgets a segment.
    pub(crate) fn forget(&mut self, segment: u64) {
        while let Some((place, at)) =
            self.places.range((segment, 0)..=(segment, u64::MAX)).next().map(|(k, v)| (*k, *v))
        {
            self.places.remove(&place);
            self.blocks.swap_remove(at);
            if let Some(moved) = self.blocks.get(at) {
                self.places.insert(moved.place, at);
            }
        }
    }

    /// The bytes of a block, of which so many are needed.
    fn block(
        &mut self,
        place: Place,
        needed: usize,
        fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<&[u8]> {
        let found = self.places.get(&place).copied();
        let at = found.unwrap_or_else(|| self.room(place));
        let block = self.blocks.get_mut(at).ok_or(io::ErrorKind::NotFound)?;
        block.asked = found.is_some();
        if block.bytes.len() < needed
            && let Err(error) = fill(&mut block.bytes)
        {
            block.bytes.clear();
            return Err(error);
        }
        Ok(&block.bytes)
    }

    /// Where a new block goes: with all places taken, that of one that nobody asked for in a whole round of the hand.
    fn room(&mut self, place: Place) -> usize {
        let new = Block { place, bytes: Vec::new(), asked: false };
        if self.blocks.len() < BLOCKS_MAX {
            self.places.insert(place, self.blocks.len());
            self.blocks.push(new);
            return self.blocks.len() - 1;
        }
        loop {
            let at = self.hand % self.blocks.len();
            self.hand = at + 1;
            let Some(block) = self.blocks.get_mut(at) else { continue };
            if std::mem::take(&mut block.asked) {
                continue;
            }
            self.places.remove(&block.place);
            block.place = place;
            block.bytes.clear();
            self.places.insert(place, at);
            return at;
        }
    }
}

/// The number of the block in which an offset is, and where in it.
fn split(offset: u64) -> (u64, usize) {
    let len = BLOCK_LEN as u64;
    (offset / len, usize::try_from(offset % len).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io;

    use super::{BLOCK_LEN, BLOCKS_MAX, Blocks};

    const LEN: u64 = BLOCK_LEN as u64;

    /// A file in which each byte tells where it stands, and how often it was read.
    #[derive(Default)]
    struct File(Cell<u32>);

    impl File {
        fn byte(at: u64) -> u8 {
            u8::try_from(at % 251).unwrap_or(0)
        }

        fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
            self.0.set(self.0.get() + 1);
            for (at, byte) in (offset..).zip(bytes) {
                *byte = File::byte(at);
            }
            Ok(())
        }

        /// Reads through the blocks; says how many calls of the file it took.
        fn check(
            &self,
            blocks: &mut Blocks,
            segment: u64,
            offset: u64,
            len: usize,
            end: u64,
        ) -> u32 {
            let before = self.0.get();
            let read = |offset, bytes: &mut [u8]| self.read(offset, bytes);
            let found = blocks.read(segment, offset, len, end, read).unwrap();
            let expected: Vec<u8> = (offset..).take(len).map(File::byte).collect();
            assert_eq!(found, expected, "{len} bytes at {offset} of {end}");
            self.0.get() - before
        }
    }

    #[test]
    fn a_block_is_read_once() {
        let (file, mut blocks) = (File::default(), Blocks::default());
        let one = blocks.segment();
        assert_eq!(file.check(&mut blocks, one, 10, 100, 3 * LEN), 1);
        assert_eq!(file.check(&mut blocks, one, 4000, 500, 3 * LEN), 0);
        assert_eq!(file.check(&mut blocks, one, LEN - 1, 2, 3 * LEN), 1, "the next block");
        assert_eq!(file.check(&mut blocks, one, LEN - 1, 2, 3 * LEN), 0);
        let other = blocks.segment();
        assert_eq!(file.check(&mut blocks, other, 10, 100, 3 * LEN), 1, "of another segment");
        assert_eq!(file.check(&mut blocks, one, 2 * LEN - 50, 100 + BLOCK_LEN, 4 * LEN), 2);
    }

    #[test]
    fn a_segment_grows() {
        let (file, mut blocks) = (File::default(), Blocks::default());
        let one = blocks.segment();
        assert_eq!(file.check(&mut blocks, one, 0, 100, 100), 1);
        assert_eq!(file.check(&mut blocks, one, 0, 100, 5000), 0, "what was there is there");
        assert_eq!(file.check(&mut blocks, one, 90, 20, 5000), 1, "what was not is read");
        assert_eq!(file.check(&mut blocks, one, 4990, 10, 5000), 0);
    }

    #[test]
    fn what_was_forgotten_is_read_again() {
        let (file, mut blocks) = (File::default(), Blocks::default());
        let (one, other) = (blocks.segment(), blocks.segment());
        for number in 0..5 {
            file.check(&mut blocks, one, number * LEN, 10, 9 * LEN);
            file.check(&mut blocks, other, number * LEN, 10, 9 * LEN);
        }
        blocks.forget(one);
        blocks.forget(one);
        for number in 0..5 {
            assert_eq!(file.check(&mut blocks, other, number * LEN, 10, 9 * LEN), 0);
            assert_eq!(file.check(&mut blocks, one, number * LEN, 10, 9 * LEN), 1);
        }
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let (file, mut blocks) = (File::default(), Blocks::default());
        let one = blocks.segment();
        for number in 0..3 * BLOCKS_MAX as u64 {
            file.check(&mut blocks, one, number * LEN, 10, u64::MAX);
            let first = file.check(&mut blocks, one, 0, 10, u64::MAX);
            assert!(number == 0 || first == 0, "the first block was dropped at {number}");
        }
        assert_eq!((blocks.blocks.len(), blocks.places.len()), (BLOCKS_MAX, BLOCKS_MAX));
        for (at, block) in blocks.blocks.iter().enumerate() {
            assert_eq!(blocks.places.get(&block.place), Some(&at));
        }
    }

    #[test]
    fn a_read_that_failed_is_not_kept() {
        let (file, mut blocks) = (File::default(), Blocks::default());
        let one = blocks.segment();
        let fail = |_, _: &mut [u8]| Err(io::ErrorKind::Other.into());
        assert!(blocks.read(one, 0, 10, LEN, fail).is_err());
        assert_eq!(file.check(&mut blocks, one, 0, 10, LEN), 1);
    }
}
