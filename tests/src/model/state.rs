//! What a store should hold.

use std::collections::VecDeque;
use std::fmt;

use bitcask_core::{Entry, Range};

/// The keys of all programs, in byte order: short and long, with shared beginnings, zeros and `0xff`.
pub const KEYS: [&[u8]; 12] = [
    b"\0",
    b"\0\0",
    b"a",
    b"ab",
    b"abc",
    b"ab\xff",
    b"b",
    b"k0123456789012345678901234567890123456789012345678901234567890",
    b"key",
    b"z",
    b"\xff",
    b"\xff\xff",
];

/// A value by its number and length; its bytes follow from both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Tells values of one length apart.
    pub id: u16,
    /// Bytes.
    pub len: u16,
}

impl Value {
    fn byte(self, at: usize) -> u8 {
        (usize::from(self.id).wrapping_mul(37) ^ at.wrapping_mul(11)) as u8
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        (0..usize::from(self.len)).map(|at| self.byte(at)).collect()
    }

    /// Whether these are the bytes.
    #[must_use]
    pub fn is(self, bytes: &[u8]) -> bool {
        bytes.len() == usize::from(self.len)
            && bytes.iter().enumerate().all(|(at, byte)| *byte == self.byte(at))
    }
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its value.
    pub value: Value,
    /// Its version; `None` where the write failed or was cut short, so that nobody was told.
    pub version: Option<u64>,
    /// From when on it counts as deleted.
    pub expires_at_ms: Option<u64>,
}

impl Item {
    /// The same, of whatever version.
    #[must_use]
    pub fn without_version(self) -> Item {
        Item { version: None, ..self }
    }

    fn is_visible(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_none_or(|at_ms| now_ms < at_ms)
    }

    /// Whether the store's answer is this item of this key.
    #[must_use]
    pub fn is(&self, key: u8, entry: &Entry) -> bool {
        entry.key == KEYS[usize::from(key)]
            && self.value.is(&entry.value)
            && self.expires_at_ms == entry.expires_at_ms
            && self.version.is_none_or(|version| version == entry.version)
    }
}

/// What a store should hold: items by the place of their key in [`KEYS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State(pub Items);

/// A map from places in [`KEYS`]. States are copied with every write, so it allocates nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Items([Option<Item>; KEYS.len()]);

impl Items {
    /// The item of a key.
    #[must_use]
    pub fn get(&self, key: &u8) -> Option<&Item> {
        self.0[usize::from(*key)].as_ref()
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &u8) -> Option<&mut Item> {
        self.0[usize::from(*key)].as_mut()
    }

    /// Puts an item in a key's place.
    pub fn insert(&mut self, key: u8, item: Item) {
        self.0[usize::from(key)] = Some(item);
    }

    /// Takes a key's item away.
    pub fn remove(&mut self, key: &u8) {
        self.0[usize::from(*key)] = None;
    }

    /// All items, in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u8, &Item)> {
        self.0.iter().enumerate().filter_map(|(key, item)| Some((key as u8, item.as_ref()?)))
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u8, &mut Item)> {
        self.0.iter_mut().enumerate().filter_map(|(key, item)| Some((key as u8, item.as_mut()?)))
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl State {
    /// What a key holds at this time.
    #[must_use]
    pub fn get(&self, key: u8, now_ms: u64) -> Option<Item> {
        self.0.get(&key).copied().filter(|item| item.is_visible(now_ms))
    }

    /// Whether any of its items has expired.
    #[must_use]
    pub fn has_expired(&self, now_ms: u64) -> bool {
        self.0.iter().any(|(_, item)| !item.is_visible(now_ms))
    }

    /// Whether a whole scan's entries are this state.
    #[must_use]
    pub fn is(&self, entries: &[Entry], now_ms: u64) -> bool {
        let mut left = entries.iter();
        let visible = self.0.iter().filter(|(_, item)| item.is_visible(now_ms));
        let all_there =
            visible.into_iter().all(|(key, item)| left.next().is_some_and(|e| item.is(key, e)));
        all_there && left.next().is_none()
    }

    /// The state that a scan shows: what a store that was just opened goes on from.
    #[must_use]
    pub fn take_versions(mut self, entries: &[Entry]) -> State {
        for entry in entries {
            let place = KEYS.iter().position(|key| *key == entry.key);
            if let Some(item) = place.and_then(|place| self.0.get_mut(&(place as u8))) {
                item.version = Some(entry.version);
            }
        }
        self
    }

    /// What a scan of this range should give.
    #[must_use]
    pub fn scan(&self, span: &Span) -> ExpectedScan {
        let mut items: VecDeque<(u8, Item)> = self
            .0
            .iter()
            .filter(|(key, _)| span.contains(KEYS[usize::from(*key)]))
            .map(|(key, item)| (key, *item))
            .collect();
        if span.reverse {
            items.make_contiguous().reverse();
        }
        ExpectedScan { items, left: span.limit.map_or(usize::MAX, usize::from) }
    }
}

/// What is left of a scan.
#[derive(Clone, Debug)]
pub struct ExpectedScan {
    items: VecDeque<(u8, Item)>,
    left: usize,
}

impl ExpectedScan {
    /// The next item, at this time.
    pub fn next(&mut self, now_ms: u64) -> Option<(u8, Item)> {
        while 0 < self.left {
            let (key, item) = self.items.pop_front()?;
            if item.is_visible(now_ms) {
                self.left -= 1;
                return Some((key, item));
            }
        }
        None
    }
}

/// A range of keys: bounds name places in [`KEYS`], and say whether the key itself is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// From here on.
    pub lower: Option<(u8, bool)>,
    /// Up to here.
    pub upper: Option<(u8, bool)>,
    /// The first so many bytes of this key.
    pub prefix: Option<(u8, u8)>,
    /// From the last to the first.
    pub reverse: bool,
    /// At most so many.
    pub limit: Option<u8>,
}

impl Span {
    /// As the engine takes it.
    #[must_use]
    pub fn range(&self) -> Range {
        let mut range = match self.prefix {
            Some(prefix) => Range::prefix(prefix_bytes(prefix)),
            None => Range::all(),
        };
        range = match self.lower {
            Some((key, true)) => range.gte(KEYS[usize::from(key)]),
            Some((key, false)) => range.gt(KEYS[usize::from(key)]),
            None => range,
        };
        range = match self.upper {
            Some((key, true)) => range.lte(KEYS[usize::from(key)]),
            Some((key, false)) => range.lt(KEYS[usize::from(key)]),
            None => range,
        };
        range = if self.reverse { range.reverse() } else { range };
        self.limit.map_or(range.clone(), |limit| range.limit(usize::from(limit)))
    }

    fn contains(&self, key: &[u8]) -> bool {
        let above = self.lower.is_none_or(|(bound, included)| {
            let bound = KEYS[usize::from(bound)];
            bound < key || (included && bound == key)
        });
        let below = self.upper.is_none_or(|(bound, included)| {
            let bound = KEYS[usize::from(bound)];
            key < bound || (included && bound == key)
        });
        above && below && self.prefix.is_none_or(|prefix| key.starts_with(prefix_bytes(prefix)))
    }
}

fn prefix_bytes((key, len): (u8, u8)) -> &'static [u8] {
    let key = KEYS[usize::from(key)];
    &key[..usize::from(len).min(key.len())]
}
