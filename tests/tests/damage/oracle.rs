//! What a damaged store must answer: worked out from the undamaged one and from FORMAT.md, sections 5 and 6.

use std::ops::Range;

use bitcask_core::{DumpKind, Go, Memory, SegmentId, dump};

use crate::stores::{Image, State};

/// A record of the undamaged store.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) bytes: Range<u64>,
    /// End of the part that the head checksum covers.
    pub(crate) head_end: u64,
    pub(crate) batch: bool,
    pub(crate) synced: Option<u64>,
    /// `None`: a mark.
    pub(crate) key: Option<Vec<u8>>,
    /// `None`: a tombstone, or a mark.
    pub(crate) value: Option<(Vec<u8>, Option<u64>)>,
}

/// A segment of the undamaged store.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) id: SegmentId,
    pub(crate) is_merge: bool,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) records: Vec<Record>,
    pub(crate) seal: Option<Range<u64>>,
    /// The seal's hints hold keys.
    pub(crate) has_keys: bool,
}

/// All segments, in the order of their positions, the merged before what they were merged into.
pub(crate) fn layouts(image: &Image) -> Vec<Layout> {
    let memory = Memory::from_image(image, 0);
    let mut all: Vec<Layout> = image.keys().map(|id| layout(&memory, *id)).collect();
    all.sort_by_key(|layout| (layout.first, layout.id));
    all
}

fn layout(memory: &Memory, id: SegmentId) -> Layout {
    let (is_merge, records, seal) = (false, Vec::new(), None);
    let mut found = Layout { id, is_merge, first: 0, last: 0, records, seal, has_keys: false };
    let mut each = |item: bitcask_core::DumpItem| {
        let bytes = item.offset..item.offset + item.len;
        let mark = |synced| Record {
            bytes: bytes.clone(),
            head_end: bytes.end,
            batch: false,
            synced,
            key: None,
            value: None,
        };
        match item.kind {
            DumpKind::Header { is_merge, first_position, last_position, .. } => {
                (found.is_merge, found.first, found.last) =
                    (is_merge, first_position, last_position);
            }
            DumpKind::Put { key, value, batch, expires_at_ms, synced, .. } => {
                found.records.push(Record {
                    head_end: bytes.end - value.len() as u64,
                    batch,
                    key: Some(key.to_vec()),
                    value: Some((value.to_vec(), expires_at_ms)),
                    ..mark(synced)
                });
            }
            DumpKind::Tombstone { key, batch, synced, .. } => {
                let key = Some(key.to_vec());
                found.records.push(Record { batch, key, ..mark(synced) });
            }
            DumpKind::Mark { synced, .. } => found.records.push(mark(Some(synced))),
            DumpKind::Seal { hashed, .. } => {
                (found.seal, found.has_keys) = (Some(bytes), !hashed);
            }
            DumpKind::Hint { .. } | DumpKind::Slack => {}
            other => panic!("segment {id}: {other:?}"),
        }
        Go::On
    };
    dump(memory, id, &mut each).unwrap();
    found
}

impl Layout {
    pub(crate) fn is_retired(&self, all: &[Layout]) -> bool {
        all.iter().any(|y| {
            y.is_merge
                && y.seal.is_some()
                && y.first <= self.first
                && self.last <= y.last
                && self.id < y.id
        })
    }

    fn is_header_only(&self) -> bool {
        self.records.is_empty() && self.seal.is_none()
    }
}

/// Some bytes of one segment were changed, or are gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Damage {
    pub(crate) segment: SegmentId,
    pub(crate) from: u64,
    /// One behind the last byte that was changed; where the file was cut, its old end.
    pub(crate) until: u64,
    pub(crate) is_cut: bool,
}

impl Damage {
    fn hits(&self, bytes: &Range<u64>) -> bool {
        self.from < bytes.end && bytes.start < self.until
    }
}

/// What must become of it.
#[derive(Debug)]
pub(crate) enum Expect {
    /// It opens, and holds this.
    State(State),
    /// It does not open.
    Refused,
    /// The damage stands behind a seal. Every other record reads right. It may be refused where opening reads
    /// the damaged head.
    Reads { head_is_damaged: bool },
}

pub(crate) struct Oracle {
    /// Those that count.
    pub(crate) counting: Vec<Layout>,
    retired: Vec<Layout>,
}

impl Oracle {
    pub(crate) fn of(image: &Image) -> Oracle {
        let all = layouts(image);
        let (retired, counting) =
            all.iter().cloned().partition(|layout: &Layout| layout.is_retired(&all));
        Oracle { counting, retired }
    }

    /// Whether this is a merge's output whose inputs are there too, so that nothing needs it.
    pub(crate) fn is_dispensable(&self, segment: &Layout) -> bool {
        segment.is_merge && !self.retired.is_empty()
    }

    /// What the whole store holds.
    pub(crate) fn state(&self) -> State {
        replay(self.counting.iter().flat_map(|layout| &layout.records))
    }

    pub(crate) fn expect(&self, damage: &Damage) -> Expect {
        if self.retired.iter().any(|layout| layout.id == damage.segment) {
            return Expect::State(self.state());
        }
        let at = self.counting.iter().position(|l| l.id == damage.segment).unwrap();
        let (segment, later) = (&self.counting[at], &self.counting[at + 1..]);
        let inputs_are_back = self.is_dispensable(segment);
        if damage.from < 72 && !inputs_are_back {
            return match segment.is_header_only() && later.is_empty() {
                true => Expect::State(self.state()),
                false => Expect::Refused,
            };
        }
        if damage.from >= 72 && segment.seal.as_ref().is_some_and(|seal| !damage.hits(seal)) {
            let head_is_damaged = segment
                .records
                .iter()
                .any(|record| damage.hits(&(record.bytes.start..record.head_end)));
            return Expect::Reads { head_is_damaged };
        }
        if segment.is_merge {
            // An output that was never committed; its inputs are gone, unless they came back.
            return match inputs_are_back {
                true => Expect::State(self.state()),
                false => Expect::Refused,
            };
        }
        self.expect_tail(segment, later, damage, at)
    }

    /// The table of section 6.
    fn expect_tail(
        &self,
        segment: &Layout,
        later: &[Layout],
        damage: &Damage,
        at: usize,
    ) -> Expect {
        let intact = |record: &&Record| !damage.hits(&record.bytes);
        let first_hit = segment.records.iter().find(|record| !intact(record));
        let bad = match (first_hit, &segment.seal) {
            (Some(record), _) => record.bytes.start,
            (None, Some(seal)) => seal.start,
            (None, None) => panic!("{damage:?} hits nothing"),
        };
        let vouched = segment.records.iter().filter(intact).filter_map(|record| record.synced);
        let vouched_by_later = later.iter().any(|later| {
            later.seal.is_some() || later.records.iter().any(|record| record.synced.is_some())
        });
        if vouched_by_later || vouched.max().is_some_and(|synced| bad < synced) {
            return Expect::Refused;
        }
        let ends_cleanly = damage.is_cut && damage.from == bad;
        let lost = segment.records.iter().filter(|record| bad <= record.bytes.start);
        if ends_cleanly && lost.clone().all(|record| record.key.is_none()) {
            return Expect::State(self.state());
        }
        let before = self.counting[..at].iter().flat_map(|layout| &layout.records);
        let kept: Vec<&Record> =
            segment.records.iter().take_while(|record| record.bytes.end <= bad).collect();
        // A batch that lost its end is lost whole.
        let whole = kept.iter().rposition(|record| !record.batch).map_or(0, |last| last + 1);
        Expect::State(replay(before.chain(kept[..whole].iter().copied())))
    }

    /// The keys whose newest record is not intact.
    pub(crate) fn keys_lost(&self, damage: &Damage) -> Vec<Vec<u8>> {
        let mut lost = State::new();
        for layout in &self.counting {
            for record in &layout.records {
                let Some(key) = &record.key else { continue };
                // A damaged tombstone that opening believes, by its hint, still deletes.
                match layout.id == damage.segment
                    && damage.hits(&record.bytes)
                    && record.value.is_some()
                {
                    true => drop(lost.insert(key.clone(), (Vec::new(), None))),
                    false => drop(lost.remove(key)),
                }
            }
        }
        lost.into_keys().collect()
    }

    /// What all records make that are intact, and whose segment's header is.
    pub(crate) fn salvaged(&self, damage: &Damage) -> State {
        replay(self.counting.iter().flat_map(|layout| {
            let here = layout.id == damage.segment;
            let readable = !here || 72 <= damage.from;
            layout
                .records
                .iter()
                .filter(move |record| readable && !(here && damage.hits(&record.bytes)))
        }))
    }
}

pub(crate) fn replay<'a>(records: impl Iterator<Item = &'a Record>) -> State {
    let mut state = State::new();
    for record in records {
        match (&record.key, &record.value) {
            (Some(key), Some(value)) => drop(state.insert(key.clone(), value.clone())),
            (Some(key), None) => drop(state.remove(key)),
            (None, _) => {}
        }
    }
    state
}
