//! Ranges and scans as bytes.

use bitcask_core::{Bytes, Keys, Range, Result, Scan, Storage};

use crate::bytes::Reader;
use crate::frame::low32;

/// Which part of the entries a scan is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Entries,
    Keys,
    Values,
}

/// Reads a range:
/// `u8 flags · u32 limit · [u16 len, lower] · [u16 len, upper] · [u16 len, prefix]`.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Range, Part)> {
    let mut reader = Reader::new(bytes);
    let flags = reader.u8()?;
    let limit = reader.u32()?;
    let is = |bit: u8| flags & bit != 0;
    let mut range = Range::all();
    if is(1) {
        let lower = reader.short()?;
        range = if is(2) { range.gt(lower) } else { range.gte(lower) };
    }
    if is(4) {
        let upper = reader.short()?;
        range = if is(8) { range.lt(upper) } else { range.lte(upper) };
    }
    if is(16) {
        range = range.and_prefix(reader.short()?);
    }
    if is(32) {
        range = range.reverse();
    }
    if limit != u32::MAX {
        range = range.limit(usize::try_from(limit).ok()?);
    }
    let part = match (is(64), is(128)) {
        (false, false) => Part::Entries,
        (true, false) => Part::Keys,
        (false, true) => Part::Values,
        (true, true) => return None,
    };
    reader.is_empty().then_some((range, part))
}

/// A scan under way.
pub(crate) struct Cursor<S: Storage> {
    entries: Entries<S>,
    /// What was taken from the scan and not handed out yet.
    next: Option<Result<(Bytes, Bytes)>>,
}

/// What is scanned: keys and values, one of which may be nothing.
enum Entries<S: Storage> {
    Whole(Scan<S>),
    Keys(Keys<S>),
    Values(Scan<S>),
}

impl<S: Storage> Iterator for Entries<S> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Result<(Bytes, Bytes)>> {
        match self {
            Entries::Whole(scan) => Some(scan.next()?.map(|entry| (entry.key, entry.value))),
            Entries::Keys(keys) => Some(keys.next()?.map(|key| (key.into(), Bytes::new()))),
            Entries::Values(scan) => Some(scan.next()?.map(|entry| (Bytes::new(), entry.value))),
        }
    }
}

impl<S: Storage> Cursor<S> {
    pub(crate) fn new(scan: Scan<S>, part: Part) -> Cursor<S> {
        let entries = match part {
            Part::Values => Entries::Values(scan),
            Part::Entries | Part::Keys => Entries::Whole(scan),
        };
        Cursor { entries, next: None }
    }

    pub(crate) fn of_keys(keys: Keys<S>) -> Cursor<S> {
        Cursor { entries: Entries::Keys(keys), next: None }
    }

    /// The next entries: `u32 count · u8 done`, then each: `u16 key_len · u32 value_len · key · value`. At least
    /// one, if there is one; says whether these were the last.
    ///
    /// # Errors
    ///
    /// A record that cannot be read gives an error in its place; the next call goes on behind it.
    pub(crate) fn page(&mut self, entries: u32, bytes: usize) -> Result<(Vec<u8>, bool)> {
        let mut page = vec![0; 5];
        let mut count: u32 = 0;
        let done = loop {
            let Some(next) = self.next.take().or_else(|| self.entries.next()) else { break true };
            let (key, value) = match next {
                Ok(entry) => entry,
                Err(error) if count == 0 => return Err(error),
                Err(error) => {
                    self.next = Some(Err(error));
                    break false;
                }
            };
            let len = page.len().saturating_add(6 + key.len()).saturating_add(value.len());
            if 0 < count && (entries <= count || bytes < len) {
                self.next = Some(Ok((key, value)));
                break false;
            }
            page.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
            page.extend_from_slice(&low32(value.len()).to_le_bytes());
            page.extend_from_slice(&key);
            page.extend_from_slice(&value);
            count += 1;
        };
        for (place, byte) in
            page.iter_mut().zip(count.to_le_bytes().into_iter().chain([done.into()]))
        {
            *place = byte;
        }
        Ok((page, done))
    }
}
