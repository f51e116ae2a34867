//! Filling the keydir: from hints, or record by record.

use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::catalog::{Catalog, Entry, SegmentState};
use crate::error::{Error, Result};
use crate::format::seal::{HintForm, HintKey, Seal, Tally};
use crate::format::walk::{Depth, Walk};
use crate::format::{HEADER_LEN, Head, Kind, len64};
use crate::keydir::{Key, Keydir, Loaded, Location};
use crate::open::add_to_catalog;
use crate::open::gather::{Gathered, Spread};
use crate::open::report::{PassedOver, RecoveryReport};
use crate::open::survey::{FoundSeal, Surveyed};
use crate::read::record_at;
use crate::segment::{Segment, SegmentId};
use crate::write::low32;

/// What loading needs. Segments are loaded in the order of their positions, and so in that of the sequence numbers: what comes
/// later supersedes.
pub(crate) struct Loader<'a, G> {
    pub(super) keydir: &'a Keydir,
    pub(super) catalog: &'a Catalog<G>,
    /// Damaged records are passed over instead of failing.
    pub(super) salvage: bool,
    /// Sealed segments that change once more before they never do.
    pub(super) freezes_later: &'a [SegmentId],
    /// What waits to be loaded in the order of shards; `None` where records are loaded one by one.
    gathered: Option<Mutex<Gathered>>,
    spread: &'a dyn Spread<G>,
}

impl<'a, G: Segment> Loader<'a, G> {
    pub(super) fn new(
        keydir: &'a Keydir,
        catalog: &'a Catalog<G>,
        salvage: bool,
        freezes_later: &'a [SegmentId],
        spread: &'a dyn Spread<G>,
    ) -> Loader<'a, G> {
        // In a salvage a segment may turn out to be damaged when some of it was read.
        let gathers = 1 < keydir.shards() && !salvage;
        let gathered = gathers.then(|| Mutex::new(Gathered::new(keydir.shards())));
        Loader { keydir, catalog, salvage, freezes_later, gathered, spread }
    }

    /// Loads what still waits, and gives back memory that was not needed.
    pub(super) fn finish(&self) -> Result<()> {
        if let Some(mut gathered) = self.gathered() {
            gathered.load(self, self.spread)?;
            (0..self.keydir.shards()).for_each(|shard| self.keydir.fit(shard));
        }
        Ok(())
    }

    fn gathered(&self) -> Option<MutexGuard<'_, Gathered>> {
        self.gathered
            .as_ref()
            .map(|gathered| gathered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loads records of one shard, in the order of the log.
    pub(super) fn shard(&self, shard: usize, records: &[Loaded]) -> Result<()> {
        let mut rest = records;
        loop {
            let (new, others) = rest.split_at(self.keydir.load(shard, rest).min(rest.len()));
            for of_one in new.chunk_by(|one, next| one.at().slot == next.at().slot) {
                let bytes = of_one.iter().map(Loaded::len).sum();
                if let Some(first) = of_one.first()
                    && let Some(entry) = self.catalog.get(first.at().slot)
                {
                    entry.records_live(len64(of_one.len()), bytes);
                }
            }
            let Some((record, after)) = others.split_first() else { return Ok(()) };
            let Some(entry) = self.catalog.get(record.at().slot) else { return Ok(()) };
            self.apply(&entry, (None, record.hash(shard)), record)?;
            rest = after;
        }
    }

    /// Loads a record, now or together with others.
    fn take(
        &self,
        gathered: &mut Option<MutexGuard<'_, Gathered>>,
        entry: &Arc<Entry<G>>,
        key: HintKey<'_>,
        (tombstone, offset, len): (bool, u64, u64),
    ) -> Result<()> {
        let at = Location { slot: entry.slot, offset: low32(offset) };
        let (known, hash) = match key {
            HintKey::Key(key) => (Some(key), self.keydir.key(key).hash),
            HintKey::Hash(hash) => (None, self.keydir.hashed(&[], hash).hash),
        };
        let record = Loaded::new(hash, at, len, tombstone);
        let Some(gathered) = gathered else { return self.apply(entry, (known, hash), &record) };
        gathered.push(self.keydir.shard_of(hash), record);
        if gathered.is_full() {
            gathered.load(self, self.spread)?;
        }
        Ok(())
    }

    /// Loads a sealed segment; returns the highest sequence number so far.
    pub(super) fn sealed(
        &self,
        mut surveyed: Surveyed<G>,
        sequence_before: u64,
        salvage: bool,
        report: &mut RecoveryReport,
    ) -> Result<u64> {
        let Some(found) = surveyed.seal.take() else { return Ok(sequence_before) };
        let id = surveyed.header.id;
        let entry = add_to_catalog(self.catalog, surveyed, SegmentState::Sealed)?;
        entry.set_end(found.end);
        entry.set_synced(found.end);
        entry.set_sequence(found.sequence);
        // A crash can leave growth behind the seal: a store that writes cuts it first. And it may have to write the seal again.
        if entry.segment.len() == found.end && !self.freezes_later.contains(&id) {
            entry.segment.freeze().map_err(|source| Error::io("freezing", id, source))?;
        }
        match self.hints(&entry, &found, sequence_before, report) {
            Ok(()) => {}
            Err(error) if salvage && error.is_damage() => {
                entry.set_state(SegmentState::Quarantined);
                let served = self.salvage(&entry)?;
                report.passed_over.push(PassedOver { error, served });
            }
            Err(error) => return Err(error),
        }
        Ok(sequence_before.max(found.sequence))
    }

    fn hints(
        &self,
        entry: &Arc<Entry<G>>,
        found: &FoundSeal,
        sequence_before: u64,
        report: &mut RecoveryReport,
    ) -> Result<()> {
        let damaged = |what: &str| Error::damaged(entry.id(), found.offset, what);
        let record = record_at(entry, found.offset, Depth::Whole)?;
        let seal = Seal::decode(&record.value, found.offset)
            .ok_or_else(|| damaged("the seal makes no sense"))?;
        if found.sequence < seal.maximum {
            return Err(damaged("the seal's number is below that of a record"));
        }
        if 0 < seal.records && seal.minimum <= sequence_before {
            return Err(damaged("sequence numbers overlap those of an earlier segment"));
        }
        let tally = if seal.form == HintForm::Keys || self.keydir.takes_hashes() {
            report.from_hints += 1;
            let mut gathered = self.gathered();
            gathered.iter_mut().for_each(|gathered| gathered.reserve(seal.hints_at_most()));
            seal.for_each_hint(|hint| {
                let record = (hint.tombstone, hint.offset, hint.len);
                self.take(&mut gathered, entry, hint.key, record)
            })?
        } else {
            report.walked += 1;
            self.heads(entry, found.offset)?;
            Some(entry.tally())
        };
        let mut tally = tally.ok_or_else(|| damaged("the hints make no sense"))?;
        if seal.form == HintForm::Hashes {
            // Hashes do not tell how long the keys are, only that they are long: the form stays what it is.
            tally.key_bytes = tally.key_bytes.max(tally.record_bytes);
        }
        if (tally.records, tally.minimum, tally.maximum)
            != (seal.records, seal.minimum, seal.maximum)
        {
            return Err(damaged("the seal does not agree with the records"));
        }
        entry.set_tally(tally);
        Ok(())
    }

    /// Loads a sealed segment whose hints hold no keys from the heads of its records.
    pub(super) fn heads(&self, entry: &Arc<Entry<G>>, end: u64) -> Result<()> {
        let id = entry.id();
        let start = len64(HEADER_LEN);
        let mut walk = Walk::new(&entry.segment, entry.header.seed, start, end, Depth::Heads);
        let mut tally = Tally::default();
        let mut gathered = self.gathered();
        while walk.offset() < end {
            match walk.next_head().map_err(|source| Error::io("reading", id, source))? {
                Ok((offset, head, key)) => {
                    tally.add(&head);
                    self.record(&mut gathered, entry, offset, &head, key)?;
                }
                Err(why) => return Err(Error::damaged(id, walk.offset(), why.describe())),
            }
        }
        entry.set_tally(tally);
        Ok(())
    }

    /// Loads one record; marks and seals change nothing.
    fn record(
        &self,
        gathered: &mut Option<MutexGuard<'_, Gathered>>,
        entry: &Arc<Entry<G>>,
        offset: u64,
        head: &Head,
        key: &[u8],
    ) -> Result<()> {
        let tombstone = match head.kind {
            Kind::Put => false,
            Kind::Tombstone => true,
            Kind::Mark | Kind::Seal => return Ok(()),
        };
        let what = (tombstone, offset, head.record_len());
        self.take(gathered, entry, HintKey::Key(key), what)
    }

    /// Supersedes what the keydir has for the key, and keeps the accounts. Where only the key's hash is known, the key
    /// is read from the log, and only if another record has the same hash.
    fn apply(
        &self,
        entry: &Arc<Entry<G>>,
        (known, hash): (Option<&[u8]>, u64),
        loaded: &Loaded,
    ) -> Result<()> {
        let (at, offset) = (loaded.at(), u64::from(loaded.at().offset));
        let key = Key { bytes: known.unwrap_or_default(), hash };
        if !loaded.tombstone && self.keydir.insert_new(key, at) {
            entry.records_live(1, loaded.len());
            return Ok(());
        }
        let candidates = self.keydir.candidates(key);
        let mut read: Option<Bytes> = None;
        let mut old = None;
        for candidate in candidates.iter() {
            let Some(there) = self.catalog.get(candidate.slot) else { continue };
            if known.is_none() && read.is_none() {
                match record_at(entry, offset, Depth::Heads) {
                    // Else hints that all say one hash would cost a look at each other one.
                    Ok(record) if !self.keydir.key(&record.key).meets(key) => {
                        let what = "the hints are not those of the records";
                        return Err(Error::damaged(entry.id(), offset, what));
                    }
                    Ok(record) => read = Some(record.key),
                    // What stands there instead stays.
                    Err(error) if self.salvage && error.is_damage() => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            match record_at(&there, u64::from(candidate.offset), Depth::Heads) {
                Ok(record) if record.key == read.as_deref().unwrap_or(key.bytes) => {
                    old = Some((candidate, there, record.head.record_len()));
                    break;
                }
                Ok(_) => {}
                // It is of the same key, or of one with the same hash that cannot be read anyway.
                Err(error) if self.salvage && error.is_damage() => {
                    there.set_state(SegmentState::Quarantined);
                    old = Some((candidate, there, 0));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if !loaded.tombstone {
            entry.records_live(1, loaded.len());
        }
        match (&old, loaded.tombstone) {
            (Some((from, ..)), false) => drop(self.keydir.replace(key, *from, at)),
            (Some((from, ..)), true) => drop(self.keydir.remove(key, *from)),
            (None, false) => self.keydir.insert(key, at),
            (None, true) => {}
        }
        if let Some((from, there, len)) = old {
            there.record_dies(u64::from(from.offset), len);
        }
        Ok(())
    }

    /// Serves every record of a damaged segment whose checksums are right; returns how many.
    pub(super) fn salvage(&self, entry: &Arc<Entry<G>>) -> Result<u64> {
        let id = entry.id();
        let failed = |source| Error::io("reading", id, source);
        let end = entry.segment.len();
        entry.set_end(end);
        let start = len64(HEADER_LEN);
        let mut walk = Walk::new(&entry.segment, entry.header.seed, start, end, Depth::Whole);
        let mut budget = search_budget(end);
        let mut tally = Tally::default();
        loop {
            match walk.next().map_err(failed)? {
                Ok((offset, record)) => {
                    tally.add(&record.head);
                    self.record(&mut None, entry, offset, &record.head, &record.key)?;
                }
                Err(_) => {
                    let from = walk.offset().saturating_add(1);
                    match walk.find_from(from, &mut budget).map_err(failed)? {
                        Ok(Some(_)) => {}
                        _ => break,
                    }
                }
            }
        }
        entry.set_tally(tally);
        entry.set_sequence(entry.sequence().max(tally.maximum));
        Ok(tally.records)
    }
}

/// How many bytes of checksums a search may cost in a segment of this length.
pub(crate) fn search_budget(len: u64) -> u64 {
    len.saturating_mul(16).saturating_add(1 << 24)
}
