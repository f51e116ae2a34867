//! The change feed as bytes.

use bitcask_core::{Change, ChangeKind, Result, Storage, Store};

use crate::frame::low32;

const DELETE: u8 = 1;
const BATCH_GOES_ON: u8 = 2;
const EXPIRES: u8 = 4;

/// The changes behind a sequence number: `u8 complete · u8 done · u64 next · u32 count`, then each:
/// `u64 sequence · u8 flags · [u64 expires_at_ms] · u16 key_len · u32 value_len · key · value`. At least one, if there is
/// one. `next` is where the next page, or when this was the last one the next feed, goes on. Damage on the way makes it
/// incomplete.
///
/// # Errors
///
/// `Io`, `Closed`.
pub(crate) fn page<S: Storage>(
    store: &Store<S>,
    since: u64,
    keys_only: bool,
    entries: u32,
    bytes: usize,
) -> Result<Vec<u8>> {
    let mut changes = store.changes(since)?;
    if keys_only {
        changes = changes.keys_only();
    }
    let mut page = vec![0; 14];
    let mut count: u32 = 0;
    let mut next = since;
    let done = loop {
        if 0 < count && (entries <= count || bytes <= page.len()) {
            break false;
        }
        match changes.next() {
            None => break true,
            Some(Ok(change)) => {
                encode(&change, &mut page);
                next = change.sequence;
                count += 1;
            }
            Some(Err(error)) if error.is_damage() => {}
            Some(Err(error)) if count == 0 => return Err(error),
            Some(Err(_)) => break false,
        }
    };
    if done {
        next = changes.until();
    }
    let flags = [changes.is_complete().into(), done.into()];
    let head = flags.into_iter().chain(next.to_le_bytes()).chain(count.to_le_bytes());
    for (place, byte) in page.iter_mut().zip(head) {
        *place = byte;
    }
    Ok(page)
}

fn encode(change: &Change, page: &mut Vec<u8>) {
    let mut flags = if change.batch_goes_on { BATCH_GOES_ON } else { 0 };
    let mut expires = None;
    let mut value: &[u8] = &[];
    match &change.kind {
        ChangeKind::Put { value: put, expires_at_ms } => {
            value = put.as_deref().unwrap_or_default();
            expires = *expires_at_ms;
            flags |= if expires.is_some() { EXPIRES } else { 0 };
        }
        ChangeKind::Delete => flags |= DELETE,
    }
    page.extend_from_slice(&change.sequence.to_le_bytes());
    page.push(flags);
    if let Some(at_ms) = expires {
        page.extend_from_slice(&at_ms.to_le_bytes());
    }
    page.extend_from_slice(&u16::try_from(change.key.len()).unwrap_or(u16::MAX).to_le_bytes());
    page.extend_from_slice(&low32(value.len()).to_le_bytes());
    page.extend_from_slice(&change.key);
    page.extend_from_slice(value);
}
