//! Entries that a scan lends: what is in memory is looked at where it is, and neither counted nor copied.

use crate::catalog::Slots;
use crate::error::Result;
use crate::format::Head;
use crate::keydir::Location;
use crate::read::in_place;
use crate::scan::Scan;
use crate::segment::{Segment, Storage};
use crate::snapshot::Snapshot;
use crate::store::Entry;

/// A key, its value, and what else is known of it, for as long as the scan that lends it stands still: see [`Scan::lend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// The sequence number of the write: what [`Store::replace_if`](crate::Store::replace_if) compares.
    pub version: u64,
    /// From when on the key counts as deleted, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
}

impl EntryRef<'_> {
    /// A copy, to be kept.
    #[must_use]
    pub fn to_entry(&self) -> Entry {
        let EntryRef { key, value, version, expires_at_ms } = *self;
        let (key, value) = (key.to_vec().into(), value.to_vec().into());
        Entry { key, value, version, expires_at_ms }
    }
}

impl Entry {
    pub(crate) fn lent(&self) -> EntryRef<'_> {
        let Entry { key, value, version, expires_at_ms } = self;
        EntryRef { key, value, version: *version, expires_at_ms: *expires_at_ms }
    }
}

impl<S: Storage> Scan<S> {
    /// The next entry, as [`Iterator::next`] gives it, but lent until the next step: nothing is counted or copied where the
    /// binding has the log in memory, which takes a fraction of the time where values are small.
    ///
    /// ```
    /// # use bitcask_core::{Memory, Options, Range, Store};
    /// # let store = Store::open(Memory::new(1), Options::default())?;
    /// # store.put(b"user:1", b"Ada")?;
    /// let mut bytes = 0;
    /// let mut scan = store.scan(Range::prefix("user:"));
    /// while let Some(entry) = scan.lend() {
    ///     bytes += entry?.value.len();
    /// }
    /// # assert_eq!(bytes, 3);
    /// # Ok::<(), bitcask_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the iterator, in their places.
    pub fn lend(&mut self) -> Option<Result<EntryRef<'_>>> {
        loop {
            let number = match self.next_number()? {
                Ok(number) => number,
                Err(error) => return Some(Err(error)),
            };
            let (key, at) = self.key_at(number)?;
            if let Some(at) = at
                && let Some(head) = self.snapshot().head_in_place(self.slots(), key, at)
            {
                self.took_one();
                return self.in_place(number, at, &head).map(Ok);
            }
            match self.entry_at(number) {
                Ok(None) => {}
                Ok(Some(entry)) => {
                    self.took_one();
                    return Some(Ok(self.keep(entry).lent()));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// What stands at a place where this head was just found sound.
    fn in_place(&self, number: usize, at: Location, head: &Head) -> Option<EntryRef<'_>> {
        let (key, _) = self.key_at(number)?;
        let entry = self.slots().get(usize::from(at.slot))?.as_ref()?;
        let offset = u64::from(at.offset).checked_add(u64::try_from(head.head_len()).ok()?)?;
        let value = entry.segment.peek(offset, usize::try_from(head.value_len).ok()?)?;
        let Head { sequence: version, expires_at_ms, .. } = *head;
        Some(EntryRef { key, value, version, expires_at_ms })
    }
}

impl<S: Storage> Snapshot<S> {
    /// The head of the record at a place that a scan found, if it is in memory, sound, and an entry of this snapshot. Whatever
    /// else it is, the whole way finds out.
    fn head_in_place(&self, slots: &Slots<S::Segment>, key: &[u8], at: Location) -> Option<Head> {
        let entry = slots.get(usize::from(at.slot))?.as_ref()?;
        let head = in_place(entry, u64::from(at.offset), key)?;
        (head.sequence <= self.sequence() && !self.inner().is_expired(&head)).then_some(head)
    }
}
