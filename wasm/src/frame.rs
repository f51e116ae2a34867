//! Frames: many calls in one byte string, and their replies in another. Pure.
//!
//! All numbers are little-endian, nothing is aligned.
//!
//! ```text
//! request = op*
//! op      = u8 code · u8 flags · u16 key_len · u32 value_len
//!           [u64 expires_at_ms] [u64 version] [u32 snapshot] · key · value
//! replies = u32 consumed · reply*
//! reply   = u8 status · what belongs to it                     one per op, or per group of ops
//! ```

use bitcask_core::Bytes;

use crate::bytes::Reader;

/// What an op asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The value of a key.
    Get,
    /// The value, version and expiry of a key.
    Entry,
    /// Whether a key is there.
    Has,
    /// Writes a value; with a version only where that is the key's.
    Put,
    /// Deletes a key; with a version only where that is the key's.
    Delete,
    /// In a group: the key must have this version, or without one must be absent.
    Check,
    /// Sets or removes the expiry of a key, whose value stays.
    Expire,
    /// Everything before it is durable when the reply comes.
    Flush,
}

/// Bits of an op's flags.
mod flag {
    pub(super) const DURABILITY: u8 = 3;
    pub(super) const EXPIRES: u8 = 4;
    pub(super) const VERSION: u8 = 8;
    pub(super) const MORE: u8 = 16;
    pub(super) const SNAPSHOT: u8 = 32;
    pub(super) const KNOWN: u8 = DURABILITY | EXPIRES | VERSION | MORE | SNAPSHOT;
}

/// One op of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op<'a> {
    pub(crate) code: Code,
    /// 0 the store's, 1 none, 2 interval, 3 always.
    pub(crate) durability: u8,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) version: Option<u64>,
    pub(crate) snapshot: Option<u32>,
    /// The next op belongs to the same group.
    pub(crate) more: bool,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Bytes that the op takes in the frame.
    pub(crate) len: usize,
}

/// Reads a frame, or says what makes no sense in it: then none of it is done.
pub(crate) fn decode(frame: &[u8]) -> Result<Vec<Op<'_>>, &'static str> {
    let mut reader = Reader::new(frame);
    let mut ops = Vec::new();
    let mut in_group = false;
    while !reader.is_empty() {
        let op = op(&mut reader)?;
        if in_group && !groups(op.code) {
            return Err("an op of this kind cannot be in a group");
        }
        in_group = op.more;
        ops.push(op);
    }
    if in_group { Err("the frame ends within a group") } else { Ok(ops) }
}

fn op<'a>(reader: &mut Reader<'a>) -> Result<Op<'a>, &'static str> {
    const CUT: &str = "the frame ends within an op";
    let before = reader.len();
    let code = match reader.u8().ok_or(CUT)? {
        1 => Code::Get,
        2 => Code::Entry,
        3 => Code::Has,
        4 => Code::Put,
        5 => Code::Delete,
        6 => Code::Check,
        7 => Code::Expire,
        8 => Code::Flush,
        _ => return Err("there is no op of this number"),
    };
    let flags = reader.u8().ok_or(CUT)?;
    let optional = |bit: u8, allowed: bool| match flags & bit != 0 {
        true if !allowed => Err("a flag that this op does not have"),
        there => Ok(there),
    };
    let more = optional(flag::MORE, groups(code))?;
    let expires = optional(flag::EXPIRES, matches!(code, Code::Put | Code::Expire))?;
    let has_version = optional(flag::VERSION, groups(code))?;
    let in_snapshot =
        optional(flag::SNAPSHOT, matches!(code, Code::Get | Code::Entry | Code::Has))?;
    optional(!flag::KNOWN, false)?;
    let key_len = reader.u16().ok_or(CUT)?;
    let value_len = usize::try_from(reader.u32().ok_or(CUT)?).map_err(|_| CUT)?;
    let mut number = |there: bool| match there {
        true => reader.u64().map(Some).ok_or(CUT),
        false => Ok(None),
    };
    let (expires_at_ms, version) = (number(expires)?, number(has_version)?);
    let snapshot = if in_snapshot { Some(reader.u32().ok_or(CUT)?) } else { None };
    let key = reader.bytes(usize::from(key_len)).ok_or(CUT)?;
    let value = reader.bytes(value_len).ok_or(CUT)?;
    let durability = flags & flag::DURABILITY;
    let len = before - reader.len();
    Ok(Op { code, durability, expires_at_ms, version, snapshot, more, key, value, len })
}

/// Whether ops of this kind may be in a group.
fn groups(code: Code) -> bool {
    matches!(code, Code::Put | Code::Delete | Code::Check)
}

/// What an op, or a group of them, came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Done, and nothing more to say.
    Done,
    Value(Bytes),
    /// The value of a key that expires, some time or other.
    Expiring(Bytes),
    /// There is no such key.
    None,
    Entry {
        version: u64,
        expires_at_ms: u64,
        value: Bytes,
    },
    /// Written: the sequence number of the last record.
    Wrote(u64),
    /// The version was another one: the op's place in its group.
    Differs(u32),
    /// The fields of an error as JSON.
    Error(String),
    /// Nothing was done, since no segment is ready to go on in. Such a reply is not sent: it is where the replies end.
    Busy,
    True,
    False,
}

impl Reply {
    fn len(&self) -> usize {
        1 + match self {
            Reply::Done | Reply::None | Reply::True | Reply::False | Reply::Busy => 0,
            Reply::Value(value) | Reply::Expiring(value) => 4 + value.len(),
            Reply::Entry { value, .. } => 20 + value.len(),
            Reply::Wrote(_) => 8,
            Reply::Differs(_) => 4,
            Reply::Error(json) => 4 + json.len(),
        }
    }

    fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Reply::Done | Reply::Busy => into.push(0),
            Reply::Value(value) => {
                into.push(1);
                with_len(value, into);
            }
            Reply::None => into.push(2),
            Reply::Entry { version, expires_at_ms, value } => {
                into.push(3);
                into.extend_from_slice(&version.to_le_bytes());
                into.extend_from_slice(&expires_at_ms.to_le_bytes());
                with_len(value, into);
            }
            Reply::Wrote(version) => {
                into.push(4);
                into.extend_from_slice(&version.to_le_bytes());
            }
            Reply::Differs(index) => {
                into.push(5);
                into.extend_from_slice(&index.to_le_bytes());
            }
            Reply::Error(json) => {
                into.push(6);
                with_len(json.as_bytes(), into);
            }
            Reply::True => into.push(7),
            Reply::False => into.push(8),
            Reply::Expiring(value) => {
                into.push(9);
                with_len(value, into);
            }
        }
    }
}

/// The bytes of the replies to as many bytes of a frame as were consumed. Refused where they do not fit into this
/// platform's memory.
pub(crate) fn encode(consumed: usize, replies: &[Reply]) -> Result<Vec<u8>, &'static str> {
    let prefix = low32(consumed).to_le_bytes();
    encode_behind(&prefix, replies)
}

/// The bytes of one reply.
pub(crate) fn encode_one(reply: Reply) -> Result<Vec<u8>, &'static str> {
    encode_behind(&[], &[reply])
}

fn encode_behind(prefix: &[u8], replies: &[Reply]) -> Result<Vec<u8>, &'static str> {
    const TOO_MUCH: &str = "the replies are larger than memory: ask for less at a time";
    let len = replies
        .iter()
        .try_fold(prefix.len(), |sum, reply| sum.checked_add(reply.len()))
        .ok_or(TOO_MUCH)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| TOO_MUCH)?;
    bytes.extend_from_slice(prefix);
    replies.iter().for_each(|reply| reply.encode(&mut bytes));
    Ok(bytes)
}

/// A length as the formats of this crate have it. Values have at most 4 GiB − 1 bytes, and errors fewer.
pub(crate) fn low32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn with_len(bytes: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(&low32(bytes.len()).to_le_bytes());
    into.extend_from_slice(bytes);
}
