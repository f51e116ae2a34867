//! A message from JavaScript.

use bitcask_core::Bytes;

use crate::check::bounded;
use crate::frames::{Code, Op, Reply, decode, encode};

/// What is decoded is encoded again, from the comment in `wasm/src/frame.rs`, and must be the bytes that it came from.
pub fn run(bytes: &[u8]) {
    let ops = bounded("a frame", bytes.len() as u64, || decode(bytes));
    let Ok(ops) = ops else { return };
    let mut again = Vec::new();
    for op in &ops {
        let before = again.len();
        encode_op(op, &mut again);
        assert_eq!(again.len() - before, op.len);
    }
    assert!(again == bytes, "{ops:?}");
    check_replies(bytes, &ops);
}

fn encode_op(op: &Op<'_>, out: &mut Vec<u8>) {
    let code = match op.code {
        Code::Get => 1,
        Code::Entry => 2,
        Code::Has => 3,
        Code::Put => 4,
        Code::Delete => 5,
        Code::Check => 6,
        Code::Expire => 7,
        Code::Flush => 8,
    };
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    out.push(code);
    out.push(
        op.durability
            | bit(op.expires_at_ms.is_some(), 4)
            | bit(op.version.is_some(), 8)
            | bit(op.more, 16)
            | bit(op.snapshot.is_some(), 32),
    );
    out.extend((op.key.len() as u16).to_le_bytes());
    out.extend((op.value.len() as u32).to_le_bytes());
    out.extend(op.expires_at_ms.into_iter().chain(op.version).flat_map(u64::to_le_bytes));
    out.extend(op.snapshot.into_iter().flat_map(u32::to_le_bytes));
    out.extend(op.key);
    out.extend(op.value);
}

/// A reply for each op, made of its parts, has the length that it is said to have: else a page reads beyond it.
fn check_replies(bytes: &[u8], ops: &[Op<'_>]) {
    let value = |op: &Op<'_>| Bytes::copy_from_slice(op.value);
    let replies: Vec<Reply> = ops
        .iter()
        .map(|op| match op.code {
            Code::Get => Reply::Value(value(op)),
            Code::Entry => {
                let (version, expires_at_ms) =
                    (op.version.unwrap_or(1), op.expires_at_ms.unwrap_or(2));
                Reply::Entry { version, expires_at_ms, value: value(op) }
            }
            Code::Has => {
                if op.key.is_empty() {
                    Reply::True
                } else {
                    Reply::False
                }
            }
            Code::Put => Reply::Wrote(op.version.unwrap_or(3)),
            Code::Delete => Reply::Differs(4),
            Code::Check => Reply::None,
            Code::Expire => Reply::Error(String::from_utf8_lossy(op.key).into_owned()),
            Code::Flush => Reply::Done,
        })
        .collect();
    let encoded = encode(bytes.len(), &replies).unwrap();
    assert_eq!(encoded.get(..4), Some(&(bytes.len() as u32).to_le_bytes()[..]));
    assert_eq!(
        skip(&encoded[4..], replies.len()),
        Some(&[][..]),
        "the replies do not end where they should"
    );
}

/// What is left behind so many replies, read as JavaScript reads them.
fn skip(mut bytes: &[u8], replies: usize) -> Option<&[u8]> {
    for _ in 0..replies {
        let (status, rest) = bytes.split_first()?;
        let with_len =
            |rest: &[u8]| Some(4 + u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize);
        let len = match status {
            0 | 2 | 7 | 8 => 0,
            1 | 6 => with_len(rest)?,
            3 => 16 + with_len(rest.get(16..)?)?,
            4 => 8,
            5 => 4,
            _ => return None,
        };
        bytes = rest.get(len..)?;
    }
    Some(bytes)
}
