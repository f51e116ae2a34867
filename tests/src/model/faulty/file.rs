//! One file: what reads see, what is durable, and what a power cut leaves.

use std::borrow::Cow;
use std::ops::Range;

use crate::model::random::Random;

/// Bytes of a segment's header.
pub(super) const HEADER_LEN: usize = 72;

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// What reads see.
    pub(super) live: Vec<u8>,
    /// What was synced last.
    pub(super) durable: Vec<u8>,
    /// Up to here `durable` is what a power cut leaves.
    pub(super) stable: usize,
    /// What was cut off since the last sync, in its old place.
    pub(super) ghost: Vec<u8>,
    /// What a failed sync gave up: reads see it, and no later sync writes it.
    pub(super) lost: Vec<Range<usize>>,
    /// What was given up and is written once more: the next sync makes it durable.
    pub(super) again: Vec<Range<usize>>,
    /// A slot whose header was overwritten with zeros, which are not durable.
    pub(super) forgotten: bool,
    /// Zeros at the end that nobody wrote: the file was made longer.
    pub(super) grown: usize,
    /// Nothing is written any more, and nothing grows.
    pub(super) frozen: bool,
}

impl File {
    /// A file that holds these bytes, durably.
    pub(super) fn of(bytes: Vec<u8>) -> File {
        File { durable: bytes.clone(), stable: bytes.len(), live: bytes, ..File::default() }
    }

    pub(super) fn sync(&mut self) {
        if std::mem::take(&mut self.forgotten) {
            let len = HEADER_LEN.min(self.durable.len());
            self.durable[..len].fill(0);
        }
        if self.lost.is_empty() && self.again.is_empty() {
            self.durable.truncate(self.stable);
            self.durable.extend_from_slice(&self.live[self.stable..]);
        } else {
            let before = std::mem::replace(&mut self.durable, self.live.clone());
            for place in self.lost.iter().cloned().flatten() {
                self.durable[place] = before.get(place).copied().unwrap_or(0);
            }
            self.again.clear();
        }
        self.stable = self.live.len();
        self.grown = 0;
        self.ghost.clear();
    }

    /// The kernel calls the pages clean that it could not write.
    pub(super) fn give_up(&mut self) {
        self.lost.append(&mut self.again);
        if self.stable < self.live.len() {
            self.lost.push(self.stable..self.live.len());
        }
    }

    /// Writes what is there already once more.
    pub(super) fn rewrite(&mut self, range: &Range<usize>) {
        let mut left = Vec::new();
        for lost in self.lost.drain(..) {
            let (start, end) = (lost.start.max(range.start), lost.end.min(range.end));
            if end <= start {
                left.push(lost);
                continue;
            }
            self.again.push(start..end);
            left.extend((lost.start < start).then_some(lost.start..start));
            left.extend((end < lost.end).then_some(end..lost.end));
        }
        self.lost = left;
    }

    /// Makes the file longer, ahead of what is written.
    pub(super) fn grow(&mut self, len: usize) {
        self.live.resize(self.live.len() + len, 0);
        self.grown += len;
    }

    /// Writes zeros over the header.
    pub(super) fn forget(&mut self) {
        let len = HEADER_LEN.min(self.live.len());
        self.live[..len].fill(0);
        self.forgotten = true;
    }

    pub(super) fn truncate(&mut self, len: usize) {
        let end = self.live.len() - self.grown;
        if self.ghost.len() < end {
            self.ghost.resize(end, 0);
        }
        if len < end {
            self.ghost[len..end].copy_from_slice(&self.live[len..end]);
        }
        self.grown = self.grown.saturating_sub(self.live.len() - len);
        self.live.truncate(len);
        self.stable = self.stable.min(len);
        for ranges in [&mut self.lost, &mut self.again] {
            ranges.iter_mut().for_each(|range| range.end = range.end.min(len));
            ranges.retain(|range| range.start < range.end);
        }
    }

    /// Whether reads see bytes that a power cut would take though a sync has succeeded since.
    pub(super) fn has_lost(&self) -> bool {
        self.lost.iter().any(|range| range.start < self.stable)
    }

    fn is_durable(&self) -> bool {
        self.stable == self.live.len() && self.stable == self.durable.len() && self.ghost.is_empty()
    }

    /// One of the images that the fault model allows.
    pub(super) fn after_a_cut(&self, chance: &mut Random, stale: &[u8]) -> Vec<u8> {
        let mut left = self.after_a_cut_with_its_header(chance, stale);
        if self.forgotten {
            let zeros = [0, chance.index(HEADER_LEN + 1), HEADER_LEN][chance.index(3)];
            let len = zeros.min(left.len());
            left[..len].fill(0);
        }
        left
    }

    fn after_a_cut_with_its_header(&self, chance: &mut Random, stale: &[u8]) -> Vec<u8> {
        if self.is_durable() {
            return self.durable.clone();
        }
        let written = self.written();
        let beyond = written.len() - self.stable;
        match chance.below(10) {
            0 => self.durable.clone(),
            1 => written.into_owned(),
            2 | 3 => written[..self.stable + chance.index(beyond + 1)].to_vec(),
            4 => {
                let zeros_from = self.stable + chance.index(beyond + 1);
                let mut left = written[..zeros_from].to_vec();
                left.resize(written.len() + chance.index(100), 0);
                left
            }
            5 if !self.ghost.is_empty() => {
                // The truncation never reached the disk, what was written since did.
                let mut left = written.into_owned();
                left.extend_from_slice(self.ghost.get(left.len()..).unwrap_or_default());
                left
            }
            _ => self.mixed(&written, chance, stale),
        }
    }

    /// What would be there if all that is still to be written were.
    pub(super) fn written(&self) -> Cow<'_, [u8]> {
        if self.lost.is_empty() && self.again.is_empty() {
            return Cow::Borrowed(&self.live);
        }
        let mut written = self.durable[..self.stable].to_vec();
        written.extend_from_slice(&self.live[self.stable..]);
        for place in self.lost.iter().cloned().flatten().filter(|place| self.stable <= *place) {
            written[place] = self.durable.get(place).copied().unwrap_or(0);
        }
        Cow::Owned(written)
    }

    /// Sector by sector.
    fn mixed(&self, written: &[u8], chance: &mut Random, stale: &[u8]) -> Vec<u8> {
        let sector = [32, 64, 512][chance.index(3)];
        let appended = written.len() - self.grown;
        let longest = appended.max(self.durable.len()).max(self.ghost.len());
        let len = match chance.below(4) {
            0 => self.stable + chance.index(longest - self.stable + 1),
            1 => longest + chance.index(100),
            2 => written.len(),
            _ => longest,
        };
        // Half of the time all but one sector are as written.
        let sectors = (longest / sector) + 1;
        let first = self.stable / sector;
        let odd_one = chance.one_in(2).then(|| first + chance.index(sectors - first));
        let at = |bytes: &[u8], place: usize| bytes.get(place).copied().unwrap_or(0);
        let mut left = written[..self.stable.min(len)].to_vec();
        let mut choice = (usize::MAX, 0);
        for place in left.len()..len {
            if choice.0 != place / sector {
                let is_odd = odd_one.is_none_or(|odd| odd == place / sector);
                choice = (place / sector, if is_odd { chance.below(8) } else { 0 });
            }
            left.push(match choice.1 {
                // Nothing was ever written here.
                0..=5 | 7.. if longest <= place => 0,
                // A removed segment's header is overwritten before its place is used again.
                6 if place < HEADER_LEN => 0,
                0 | 1 => at(written, place),
                2 | 3 => at(&self.durable, place),
                4 => 0,
                5 => at(&self.ghost, place),
                6 => at(stale, place),
                // Nothing was written here since the last sync.
                _ if appended <= place => at(&self.durable, place),
                _ => chance.bits() as u8,
            });
        }
        left
    }
}
