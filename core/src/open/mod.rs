//! Opening: from whatever files there are to a store, without believing or destroying anything too early.
//!
//! [`survey`] finds out which segments count, [`load`] fills the keydir from the sealed ones, [`tail`] decides what of the
//! rest is whole. Only then, and only in a store that may write, is anything changed: what is torn is cut, what was read
//! is made durable, what is ignored is removed. Each of these steps may be interrupted and done again.

mod gather;
mod load;
mod renew;
mod report;
mod survey;
mod tail;

use crate::sync::atomic::AtomicBool;
use crate::sync::{Arc, Mutex, OnceLock};
use std::collections::VecDeque;
use std::io;

use crate::append::create_segment;
use crate::catalog::{Catalog, Entry, SegmentState};
use crate::commit::Commit;
use crate::error::{Error, Result};
use crate::format::{HEADER_LEN, HeaderKind, len64};
use crate::keydir::Keydir;
use crate::merge::Merger;
use crate::options::{Index, Options, Recovery};
use crate::order::sort_by_numbers;
use crate::sealing::Sealing;
use crate::segment::{Segment, SegmentId, Storage};
use crate::snapshot::Snapshots;
use crate::stats::Counters;
use crate::store::Inner;
use crate::untold::Untold;
use crate::verify::{Problem, VerifyReport};
use crate::write::Writer;

pub use gather::Threads;
pub(crate) use gather::{Beside, Here, Spread};
pub(crate) use load::search_budget;
pub use report::{Cut, PassedOver, RecoveryReport};
pub(crate) use survey::{FoundSeal, Survey, Surveyed, walk_to_seal};
use tail::Tail;

/// The step from one session's sequence numbers to the next, after an unclean end.
const EPOCH: u64 = 1 << 32;

/// How often a reader looks again where a writer may have sealed segments while it looked.
const ATTEMPTS: u32 = 8;

/// How often where segments came or went while it looked, so that a writer is at work for certain.
const ATTEMPTS_BESIDE_WRITER: u32 = 1000;

/// Opens a store.
pub(crate) fn open<S: Storage>(
    storage: S,
    options: Options,
    spread: &dyn Spread<S::Segment>,
) -> Result<Inner<S>> {
    if options.writes() {
        return open_once(storage, &options, spread).map_err(|(_, error)| error);
    }
    let mut storage = storage;
    let mut attempt = 1;
    loop {
        let before = ids(&storage);
        match open_once(storage, &options, spread) {
            Ok(inner) => return Ok(inner),
            // A writer may have merged or rolled between two of our calls.
            Err((back, error)) if may_be_a_race(&error) => {
                let moved = ids(&back) != before;
                let attempts = if moved { ATTEMPTS_BESIDE_WRITER } else { ATTEMPTS };
                if attempts <= attempt {
                    return Err(error);
                }
                storage = back;
                attempt += 1;
            }
            Err((_, error)) => return Err(error),
        }
    }
}

/// The ids of what is there, in order; nothing where that cannot be said.
fn ids<S: Storage>(storage: &S) -> Vec<SegmentId> {
    let mut ids = storage.list().unwrap_or_default();
    sort_by_numbers(&mut ids, |id| [id.0, 0, 0]);
    ids
}

fn may_be_a_race(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => {
            matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
        }
        other => other.is_damage(),
    }
}

/// Gives the storage back with an error.
fn open_once<S: Storage>(
    storage: S,
    options: &Options,
    spread: &dyn Spread<S::Segment>,
) -> Result<Inner<S>, (S, Error)> {
    match read_store(&storage, options, spread) {
        Ok(read) => read.into_inner(storage, options),
        Err(error) => Err((storage, error)),
    }
}

/// What reading the files came to, before anything is changed.
struct ReadStore<G> {
    store_id: [u8; 16],
    is_new: bool,
    keydir: Keydir,
    catalog: Catalog<G>,
    /// The un-sealed log segments, in order.
    tail: Tail<G>,
    sequence: u64,
    next_id: u64,
    next_position: u64,
    /// What is ignored, and removed by a store that writes.
    ignored: Vec<SegmentId>,
    /// Merges of which an input is still there.
    retiring: Vec<SegmentId>,
    report: RecoveryReport,
}

fn read_store<S: Storage>(
    storage: &S,
    options: &Options,
    spread: &dyn Spread<S::Segment>,
) -> Result<ReadStore<S::Segment>> {
    let started_ms = storage.now_ms();
    let salvage = options.recovery == Recovery::Salvage;
    let survey = Survey::of(storage, salvage)?;
    if survey.is_empty() && !(options.writes() && options.create) {
        return Err(Error::NoStore);
    }
    if survey.needs_newer_writer.is_some() && options.writes() {
        let (segment, found) = survey.needs_newer_writer.unwrap_or((SegmentId(0), String::new()));
        return Err(Error::Version { segment, found });
    }
    let is_new = survey.is_empty();
    let store_id = survey.store_id.unwrap_or_else(|| new_store_id(storage));
    let keydir = Keydir::new(options.index, store_id, storage.random());
    let catalog = Catalog::new();
    let mut report = survey.report;
    let mut sequence = 0;
    let mut rest = VecDeque::from(survey.segments);
    let mut freezes_later = Vec::new();
    if options.writes() {
        let last_of_log =
            rest.iter().rfind(|s| s.seal.is_some() && s.header.kind == HeaderKind::Log);
        freezes_later.extend(last_of_log.map(|last| last.header.id));
        freezes_later.extend(&survey.retiring);
    }
    let loader = load::Loader::new(&keydir, &catalog, salvage, &freezes_later, spread);
    // The sealed ones, up to the first that is not.
    while rest.front().is_some_and(|first| first.seal.is_some()) {
        let Some(segment) = rest.pop_front() else { break };
        sequence = loader.sealed(segment, sequence, salvage, &mut report)?;
    }
    let tail = tail::read(&loader, rest.into(), sequence, salvage, &mut report)?;
    loader.finish()?;
    report.records = keydir.len();
    report.segments = catalog.in_order().len();
    report.took_ms = storage.now_ms().saturating_sub(started_ms);
    Ok(ReadStore {
        store_id,
        is_new,
        keydir,
        sequence: tail.sequence,
        catalog,
        tail,
        next_id: survey.highest_id.saturating_add(1),
        next_position: survey.positions.saturating_add(1),
        ignored: survey.ignored,
        retiring: survey.retiring,
        report,
    })
}

/// Reads the store as a strict opening does, and notes what such an opening would say.
pub(crate) fn check_tail<S: Storage>(storage: &S, report: &mut VerifyReport) -> Result<()> {
    let options = Options::default().read_only(true).index(Index::Hash);
    match read_store(storage, &options, &Here) {
        Ok(read) => report.torn = read.report.cuts,
        Err(error) if error.is_damage() => {
            let sentence = error.to_string();
            if !report.problems.iter().any(|problem| problem.error.to_string() == sentence) {
                report.problems.push(Problem { error, sound_behind: 0 });
            }
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

fn new_store_id<S: Storage>(storage: &S) -> [u8; 16] {
    let (low, high) = (storage.random(), storage.random());
    (u128::from(low) | u128::from(high) << 64).to_le_bytes()
}

impl<G: Segment> ReadStore<G> {
    /// Makes the store, and where it may write, puts the files in order.
    fn into_inner<S: Storage<Segment = G>>(
        mut self,
        storage: S,
        options: &Options,
    ) -> Result<Inner<S>, (S, Error)> {
        let sealing = Sealing::new();
        let mut writer = Writer {
            active: None,
            successors: VecDeque::new(),
            sequence: self.sequence,
            next_id: self.next_id,
            next_position: self.next_position,
            jump_to: None,
            said_synced: 0,
            buffer: Vec::new(),
            heads: Vec::new(),
        };
        if options.writes() {
            match self.put_in_order(&storage, &mut writer, &sealing) {
                Ok(()) => {}
                Err(error) => return Err((storage, error)),
            }
        }
        let inner = Inner {
            keydir: self.keydir,
            catalog: self.catalog,
            writer: Mutex::new(writer),
            sealing,
            commit: Commit::default(),
            snapshots: Snapshots::default(),
            merger: Mutex::new(Merger::new()),
            counters: Counters::default(),
            options: options.clone(),
            store_id: self.store_id,
            recovery: self.report,
            poison: OnceLock::new(),
            untold: Untold::default(),
            closed: AtomicBool::new(false),
            storage,
        };
        // Earlier segments of the tail are sealed now that they are durable; a full disk may put it off.
        let sealed = if options.writes() { inner.seal_pending() } else { Ok(0) };
        match sealed {
            Err(error) if !error.is_full() => Err((inner.storage, error)),
            _ => Ok(inner),
        }
    }

    /// Cuts, syncs, removes, and finds the active segment.
    fn put_in_order<S: Storage<Segment = G>>(
        &mut self,
        storage: &S,
        writer: &mut Writer<G>,
        sealing: &Sealing<G>,
    ) -> Result<()> {
        self.renew_last_seals()?;
        self.tail.cut()?;
        self.cut_growth()?;
        for id in std::mem::take(&mut self.ignored) {
            match storage.remove(id) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("removing", id, source));
                }
                _ => self.report.removed.push(id),
            }
        }
        let mut entries = VecDeque::from(self.tail.entries.clone());
        // The last one with a record goes on being written; what is before it is rolled, what is behind it waits.
        let holds_records = |entry: &Arc<Entry<G>>| len64(HEADER_LEN) < entry.end();
        let last = entries.iter().rposition(holds_records).unwrap_or(0);
        for _ in 0..last {
            if let Some(rolled) = entries.pop_front() {
                sealing.push(rolled);
            }
        }
        writer.active = entries.pop_front();
        writer.successors = entries;
        if writer.active.is_none() {
            writer.active = Some(self.create_log(storage, writer)?);
        }
        if writer.successors.is_empty() && self.is_new {
            let successor = self.create_log(storage, writer)?;
            writer.successors.push_back(successor);
        }
        if !self.is_new {
            writer.jump_to = Some(epoch_before(writer.sequence)?);
        }
        Ok(())
    }

    /// A seal that a process wrote before it was killed, or failed to sync, may be in the cache only. Each of the log is durable before
    /// the next is written, so only the last may not be, and not even that where a record behind it vouches for it; and that of a merge
    /// was before its first input went. What is done from here on needs them.
    fn renew_last_seals(&self) -> Result<()> {
        let entries = self.catalog.in_order();
        let sealed = || entries.iter().filter(|entry| entry.state() == SegmentState::Sealed);
        let last_of_log = sealed().rfind(|entry| !entry.is_merge() && !self.tail.vouches);
        let retiring = sealed().filter(|entry| self.retiring.contains(&entry.id()));
        last_of_log.into_iter().chain(retiring).try_for_each(|entry| renew::seal(entry))?;
        // Those that waited for this.
        for entry in sealed().filter(|entry| entry.segment.len() == entry.end()) {
            entry.segment.freeze().map_err(|source| Error::io("freezing", entry.id(), source))?;
        }
        Ok(())
    }

    /// Cuts what a crash left behind seals.
    fn cut_growth(&self) -> Result<()> {
        for entry in self.catalog.in_order() {
            if entry.state() != SegmentState::Sealed || entry.segment.len() <= entry.end() {
                continue;
            }
            let segment = &entry.segment;
            segment
                .truncate(entry.end())
                .and_then(|()| segment.sync())
                .and_then(|()| segment.freeze())
                .map_err(|source| Error::io("cutting", entry.id(), source))?;
        }
        Ok(())
    }

    fn create_log<S: Storage<Segment = G>>(
        &self,
        storage: &S,
        writer: &mut Writer<G>,
    ) -> Result<Arc<Entry<G>>> {
        let position = writer.next_position;
        let id = writer.take_id()?;
        writer.next_position = position.saturating_add(1);
        let span = (HeaderKind::Log, position, position);
        create_segment(storage, &self.catalog, self.store_id, id, span)
    }
}

/// The number before the first of the epoch behind the one that the next number would be in: where the log ends in the
/// mark that begins a session, numbers of that session may have been handed out and lost.
fn epoch_before(sequence: u64) -> Result<u64> {
    (sequence.saturating_add(1) / EPOCH)
        .checked_add(1)
        .and_then(|epoch| epoch.checked_mul(EPOCH))
        .map(|first| first.saturating_sub(1))
        .ok_or(Error::Limit("sequence numbers"))
}

/// Puts a segment that was read into the catalog.
fn add_to_catalog<G: Segment>(
    catalog: &Catalog<G>,
    surveyed: Surveyed<G>,
    state: SegmentState,
) -> Result<Arc<Entry<G>>> {
    let Surveyed { segment, header, .. } = surveyed;
    catalog.add(|slot| Entry::new(segment, header, slot, state))
}
