//! [`Batch`]: several writes that count all together or not at all.

use crate::error::{Error, Result};
use crate::format::seal::key_hash;
use crate::format::{KEY_LEN_MAX, VALUE_LEN_MAX, len64};

/// Several puts and deletes, in order. Written by [`Store::write`](crate::Store::write): after a crash all of them
/// are there or none. Of several writes of one key the last one counts.
///
/// Keys and values are copied into one buffer, so a batch can be filled, written, [cleared](Batch::clear) and filled again
/// without allocating.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    operations: Vec<Place>,
}

/// Where an operation's key and value stand in the buffer.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    key_len: usize,
    /// `None` for a delete.
    value_len: Option<usize>,
    expires_at_ms: Option<u64>,
}

/// One write, as the engine sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) key: &'a [u8],
    /// `None` deletes.
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) expires_at_ms: Option<u64>,
    /// Where the same batch has another operation on this key: a number that both have, counted from 0 on.
    pub(crate) repeated: Option<usize>,
}

impl<'a> Operation<'a> {
    pub(crate) fn put(key: &'a [u8], value: &'a [u8], expires_at_ms: Option<u64>) -> Operation<'a> {
        Operation { key, value: Some(value), expires_at_ms, repeated: None }
    }

    pub(crate) fn delete(key: &'a [u8]) -> Operation<'a> {
        Operation { key, value: None, expires_at_ms: None, repeated: None }
    }

    /// Refuses what the format cannot hold.
    pub(crate) fn check(&self) -> Result<()> {
        if self.key.is_empty() || KEY_LEN_MAX < self.key.len() {
            return Err(Error::KeyLen(self.key.len()));
        }
        match self.value {
            Some(value) if VALUE_LEN_MAX < len64(value.len()) => Err(Error::ValueLen(value.len())),
            _ => Ok(()),
        }
    }
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Adds a put.
    ///
    /// # Errors
    ///
    /// [`Error::KeyLen`], [`Error::ValueLen`]; the batch is as it was.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<&mut Batch> {
        self.add(Operation::put(key, value, None))
    }

    /// Adds a put that counts as deleted from `at_ms` on, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// As [`Batch::put`].
    pub fn put_expiring(&mut self, key: &[u8], value: &[u8], at_ms: u64) -> Result<&mut Batch> {
        self.add(Operation::put(key, value, Some(at_ms)))
    }

    /// Adds a delete. Nothing is written for a key that is not there.
    ///
    /// # Errors
    ///
    /// [`Error::KeyLen`]; the batch is as it was.
    pub fn delete(&mut self, key: &[u8]) -> Result<&mut Batch> {
        self.add(Operation::delete(key))
    }

    fn add(&mut self, operation: Operation<'_>) -> Result<&mut Batch> {
        operation.check()?;
        self.operations.push(Place {
            start: self.bytes.len(),
            key_len: operation.key.len(),
            value_len: operation.value.map(<[u8]>::len),
            expires_at_ms: operation.expires_at_ms,
        });
        self.bytes.extend_from_slice(operation.key);
        self.bytes.extend_from_slice(operation.value.unwrap_or_default());
        Ok(self)
    }

    /// Number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Removes all operations and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.operations.clear();
    }

    /// The operations with the hashes of their keys; those that share a key are told of it.
    pub(crate) fn operations(&self, store_id: &[u8; 16]) -> Vec<(Operation<'_>, u64)> {
        let mut operations: Vec<(Operation<'_>, u64)> = self
            .operations
            .iter()
            .filter_map(|place| self.operation(place))
            .map(|operation| (operation, key_hash(store_id, operation.key)))
            .collect();
        // An open-addressed table of places, half full at most, with the last operation on each key. 0 is no place.
        let mask = (operations.len() * 2).next_power_of_two() - 1;
        let mut table = vec![0_usize; mask + 1];
        let mut repeated = 0;
        for number in 0..operations.len() {
            let Some((operation, hash)) = operations.get(number).copied() else { break };
            let mut at = usize::try_from(hash & len64(mask)).unwrap_or(0);
            while let Some(place) = table.get_mut(at) {
                let earlier = place.checked_sub(1).and_then(|place| operations.get_mut(place));
                let Some((earlier, earlier_hash)) = earlier else {
                    *place = number + 1;
                    break;
                };
                if *earlier_hash != hash || earlier.key != operation.key {
                    at = (at + 1) & mask;
                    continue;
                }
                let name = earlier.repeated.unwrap_or_else(|| {
                    repeated += 1;
                    repeated - 1
                });
                earlier.repeated = Some(name);
                *place = number + 1;
                if let Some((operation, _)) = operations.get_mut(number) {
                    operation.repeated = Some(name);
                }
                break;
            }
        }
        operations
    }

    fn operation(&self, place: &Place) -> Option<Operation<'_>> {
        let (key, rest) = self.bytes.get(place.start..)?.split_at_checked(place.key_len)?;
        let value = match place.value_len {
            Some(len) => Some(rest.get(..len)?),
            None => None,
        };
        Some(Operation { key, value, expires_at_ms: place.expires_at_ms, repeated: None })
    }
}
