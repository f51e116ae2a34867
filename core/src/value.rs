//! Values in parts, for those that are too large to be held whole.

use bytes::Bytes;

use crate::catalog::Entry;
use crate::error::{Error, Result};
use crate::format::record::{checksum_init, head_is_sound};
use crate::format::walk::Depth;
use crate::format::{Head, crc32, len64, u32_at};
use crate::read::{Found, read};
use crate::segment::Storage;
use crate::snapshot::Snapshot;
use crate::store::{Inner, Store};
use crate::sync::Arc;

/// A value that is read from the log in parts, from its beginning to its end: see [`Store::value`].
///
/// **Checked.** The key and the length are checked before the first part is read, the value by the last part: where it is not
/// what was written, that part is not given out, but an error. So whoever has all parts has the value; whoever uses parts
/// before must be ready to throw them away.
///
/// It is the value as it was when it was asked for, whatever is written or merged meanwhile. It holds its segment, also when a merge
/// removes that: do not keep it for long.
pub struct Value<S: Storage> {
    entry: Arc<Entry<S::Segment>>,
    /// Where the record stands.
    offset: u64,
    /// Where the next part stands, and where the value ends.
    next: u64,
    end: u64,
    len: u64,
    /// Of all that was read so far, and what it must come to.
    checksum: u32,
    expected: u32,
    // Last, as in `Inner`: having the storage is having the store's lock.
    _inner: Arc<Inner<S>>,
}

impl<S: Storage> Store<S> {
    /// The value of a key, to be read in parts; `None` where the key is not there.
    ///
    /// # Errors
    ///
    /// As [`Store::get`].
    pub fn value(&self, key: &[u8]) -> Result<Option<Value<S>>> {
        let inner = self.inner();
        Value::of(inner, key, || {
            let found = inner.find(key, Depth::Heads)?;
            Ok(found.filter(|found| !inner.is_expired(&found.head)))
        })
    }
}

impl<S: Storage> Snapshot<S> {
    /// The value that the key had, to be read in parts.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::get`].
    pub fn value(&self, key: &[u8]) -> Result<Option<Value<S>>> {
        Value::of(self.inner(), key, || self.found(key, Depth::Heads))
    }
}

impl<S: Storage> Value<S> {
    /// Takes hold of the segment of what is found. Where a merge moved the record meanwhile, it is found elsewhere.
    fn of(
        inner: &Arc<Inner<S>>,
        key: &[u8],
        find: impl Fn() -> Result<Option<Found>>,
    ) -> Result<Option<Value<S>>> {
        let mut before = None;
        loop {
            let Some(found) = find()? else { return Ok(None) };
            let stays = before == Some(found.at);
            match Value::at(inner, key, &found) {
                // What was found there just now was read right.
                Ok(None) if stays && let Some(entry) = inner.catalog.get(found.at.slot) => {
                    let what = "a record is another one each time that it is read";
                    return Err(Error::damaged(entry.id(), found.at.offset.into(), what));
                }
                Ok(None) => {}
                Err(_) if !stays => {}
                opened => return opened,
            }
            before = Some(found.at);
        }
    }

    /// The value of a record, if it stands there still.
    fn at(inner: &Arc<Inner<S>>, key: &[u8], found: &Found) -> Result<Option<Value<S>>> {
        let Some(entry) = inner.catalog.get(found.at.slot) else { return Ok(None) };
        let (offset, head) = (u64::from(found.at.offset), found.head);
        let bytes = read(&entry, offset, len64(head.head_len()))?;
        let seed = entry.header.seed;
        let is_it = Head::decode_unchecked(&bytes) == Some(head)
            && bytes.get(head.fields_len()..) == Some(key)
            && head_is_sound(seed, offset, &head, &bytes);
        let (Some(covered), Some(expected)) = (bytes.get(4..), u32_at(&bytes, 0)) else {
            return Ok(None);
        };
        if !is_it {
            return Ok(None);
        }
        let (next, len) = (offset + len64(bytes.len()), u64::from(head.value_len));
        let value = Value {
            offset,
            next,
            end: next + len,
            len,
            checksum: crc32(checksum_init(seed, offset), covered),
            expected,
            entry,
            _inner: Arc::clone(inner),
        };
        if len == 0 && value.checksum != value.expected {
            return Err(value.damaged());
        }
        Ok(Some(value))
    }

    /// Bytes of the whole value.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the value is the empty one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next part, of at most so many bytes (and one at least); `None` at the end.
    ///
    /// # Errors
    ///
    /// `Damaged`: the value is not what was written, nor was any part of it that came before to be believed. `Io`.
    pub fn next_part(&mut self, bytes_max: usize) -> Result<Option<Bytes>> {
        let left = self.end - self.next;
        if left == 0 {
            return Ok(None);
        }
        let part = read(&self.entry, self.next, left.min(len64(bytes_max.max(1))))?;
        let (next, checksum) = (self.next + len64(part.len()), crc32(self.checksum, &part));
        // A part that fails is read again by the next call, and fails again.
        if next == self.end && checksum != self.expected {
            return Err(self.damaged());
        }
        (self.next, self.checksum) = (next, checksum);
        Ok(Some(part))
    }

    fn damaged(&self) -> Error {
        Error::damaged(self.entry.id(), self.offset, "the checksum of the record is wrong")
    }
}
