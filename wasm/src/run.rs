//! Runs the ops of a frame on a store: writes that follow one another become one append, and one sync serves all.

use std::collections::HashMap;
use std::ops::Range;

use bitcask_core::{Batch, Bytes, Durability, Entry, Error, Result, Storage, Store, WriteOptions};

use crate::fault::Fault;
use crate::frame::{self, Code, Op, Reply};
use crate::held::Held;
use crate::place::{Place, write_where_room_is};

/// Writes that wait are appended when they come to this many bytes, so that a large frame takes bounded memory.
const PENDING_BYTES_MAX: usize = 1 << 20;

/// The durability of a write that says `always`.
const ALWAYS: u8 = 3;

/// What a frame is run on.
pub(crate) struct On<'a> {
    pub(crate) store: &'a Store<Place>,
    pub(crate) held: &'a Held,
    /// Whether a write that does not say it itself is acknowledged after a sync.
    pub(crate) always: bool,
}

/// Runs a frame and returns its replies. What fails is told by the reply of its op. Where no segment is ready for a
/// write, the replies end before it, no later write was done, and whoever has prepared one runs the rest of the frame.
///
/// # Errors
///
/// Where the frame makes no sense; then nothing was done.
pub(crate) fn run(on: &On<'_>, frame: &[u8]) -> std::result::Result<Vec<u8>, Fault> {
    let ops = frame::decode(frame).map_err(Fault::invalid)?;
    let mut run = Run {
        on,
        replies: Vec::with_capacity(ops.len()),
        pending: Pending::default(),
        asked: Vec::new(),
        busy: false,
    };
    let mut rest = ops.as_slice();
    let mut lens = Vec::new();
    while !rest.is_empty() && !run.busy {
        let len = rest.iter().take_while(|op| op.more).count() + 1;
        let (group, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        rest = after;
        lens.push(group.iter().map(|op| op.len).sum::<usize>());
        run.one(group);
    }
    let mut replies = run.finish();
    // Reads behind it that were answered are answered again, when the writes before them are done.
    let done = replies.iter().position(|reply| *reply == Reply::Busy).unwrap_or(replies.len());
    replies.truncate(done);
    frame::encode(lens.iter().take(done).sum(), &replies).map_err(Fault::invalid)
}

struct Run<'a> {
    on: &'a On<'a>,
    replies: Vec<Reply>,
    pending: Pending<'a>,
    /// The replies that wait for the sync at the end.
    asked: Vec<usize>,
    /// Whether nothing more of this frame is done, since no segment is ready.
    busy: bool,
}

/// Writes that were accepted and not appended yet.
#[derive(Default)]
struct Pending<'a> {
    writes: Vec<Write<'a>>,
    waiting: Vec<Waiting>,
    bytes: usize,
    /// Until when a key will be there, for the first `indexed` writes: made only when somebody asks.
    keys: HashMap<&'a [u8], Option<u64>>,
    indexed: usize,
}

struct Write<'a> {
    key: &'a [u8],
    value: Value<'a>,
    expires_at_ms: Option<u64>,
}

enum Value<'a> {
    Lent(&'a [u8]),
    Read(Bytes),
    /// A delete.
    None,
}

/// An op or group whose writes are pending.
struct Waiting {
    reply: usize,
    writes: Range<usize>,
    says: Says,
    always: bool,
}

/// What a write answers when it is done.
#[derive(Clone, Copy)]
enum Says {
    Version,
    True,
}

impl<'a> Run<'a> {
    /// One op, or one group.
    fn one(&mut self, group: &[Op<'a>]) {
        let at = self.replies.len();
        // Takes the place; a write's is filled in when it was appended.
        self.replies.push(Reply::Done);
        if let [op] = group {
            let read = match op.code {
                Code::Get | Code::Entry | Code::Has => Some(self.read(op)),
                Code::Flush => {
                    self.flush();
                    self.asked.push(at);
                    None
                }
                Code::Expire => self.expire(at, op).transpose(),
                Code::Put | Code::Delete | Code::Check => self.write(at, group).transpose(),
            };
            self.settle(at, read);
        } else {
            let refused = self.write(at, group).transpose();
            self.settle(at, refused);
        }
    }

    /// Puts a reply in its place, if it is known already.
    fn settle(&mut self, at: usize, reply: Option<Result<Reply>>) {
        let reply = match reply {
            _ if self.busy => Reply::Busy,
            None => return,
            Some(Ok(reply)) => reply,
            Some(Err(error)) => Reply::Error(Fault::from(error).json()),
        };
        self.reply(at, reply);
    }

    fn reply(&mut self, at: usize, reply: Reply) {
        if let Some(place) = self.replies.get_mut(at) {
            *place = reply;
        }
    }

    fn read(&mut self, op: &Op<'a>) -> Result<Reply> {
        let Some(id) = op.snapshot else {
            self.flush_if_pending(op.key);
            let store = self.on.store;
            return match op.code {
                Code::Has => Ok(truth(store.contains(op.key)?)),
                code => Ok(found(code, store.get_entry(op.key)?)),
            };
        };
        match self.on.held.snapshot(id) {
            Ok(snapshot) => Ok(found(op.code, snapshot.get_entry(op.key)?)),
            Err(fault) => Ok(Reply::Error(fault.json())),
        }
    }

    /// Makes a group's writes pending, or says why not.
    fn write(&mut self, at: usize, group: &[Op<'a>]) -> Result<Option<Reply>> {
        let len = group.iter().map(|op| op.key.len() + op.value.len()).sum();
        self.make_room(len);
        for (index, op) in group.iter().enumerate() {
            if op.key.is_empty() {
                return Err(Error::KeyLen(0));
            }
            if op.code != Code::Check && op.version.is_none() {
                continue;
            }
            self.flush_if_pending(op.key);
            let version = self.on.store.get_entry(op.key)?.map(|entry| entry.version);
            if version != op.version {
                return Ok(Some(Reply::Differs(frame::low32(index))));
            }
        }
        if self.busy {
            return Ok(None);
        }
        let start = self.pending.writes.len();
        for op in group {
            if let Err(error) = self.add(op) {
                self.pending.forget_from(start);
                return Err(error);
            }
        }
        if let [Op { code: Code::Delete, .. }] = group {
            if start == self.pending.writes.len() {
                return Ok(Some(Reply::False));
            }
            self.wait(at, start, len, Says::True, group);
        } else {
            self.wait(at, start, len, Says::Version, group);
        }
        Ok(None)
    }

    fn add(&mut self, op: &Op<'a>) -> Result<()> {
        let value = match op.code {
            Code::Put => Value::Lent(op.value),
            Code::Delete if self.is_there(op.key)? => Value::None,
            // A check; a delete of what is not there, which writes nothing.
            _ => return Ok(()),
        };
        let expires_at_ms = op.expires_at_ms;
        self.pending.writes.push(Write { key: op.key, value, expires_at_ms });
        Ok(())
    }

    /// Whether a key is there when all that is pending was written.
    fn is_there(&mut self, key: &[u8]) -> Result<bool> {
        match self.pending.key(key) {
            Some(expiry) => {
                Ok(expiry.is_some_and(|at_ms| self.on.store.storage().now_ms() < at_ms))
            }
            None => self.on.store.contains(key),
        }
    }

    /// Writes a value again, with another expiry.
    fn expire(&mut self, at: usize, op: &Op<'a>) -> Result<Option<Reply>> {
        self.flush_if_pending(op.key);
        if self.busy {
            return Ok(None);
        }
        let Some(entry) = self.on.store.get_entry(op.key)? else {
            return Ok(Some(Reply::False));
        };
        if entry.expires_at_ms == op.expires_at_ms {
            return Ok(Some(Reply::True));
        }
        let len = op.key.len() + entry.value.len();
        self.make_room(len);
        let start = self.pending.writes.len();
        let (value, expires_at_ms) = (Value::Read(entry.value), op.expires_at_ms);
        self.pending.writes.push(Write { key: op.key, value, expires_at_ms });
        self.wait(at, start, len, Says::True, std::slice::from_ref(op));
        Ok(None)
    }

    fn wait(&mut self, reply: usize, start: usize, len: usize, says: Says, group: &[Op<'a>]) {
        let durability = group.iter().map(|op| op.durability);
        let always = durability.max().is_some_and(|most| {
            most == ALWAYS || self.on.always && group.iter().any(|op| op.durability == 0)
        });
        let writes = start..self.pending.writes.len();
        self.pending.bytes += len;
        self.pending.waiting.push(Waiting { reply, writes, says, always });
    }

    fn make_room(&mut self, len: usize) {
        if PENDING_BYTES_MAX < self.pending.bytes.saturating_add(len) {
            self.flush();
        }
    }

    fn flush_if_pending(&mut self, key: &[u8]) {
        if self.pending.key(key).is_some() {
            self.flush();
        }
    }

    /// Appends what is pending: as one batch, or where that is refused for want of room or for one damaged
    /// record, one by one, so that what can be done is done.
    fn flush(&mut self) {
        let Pending { writes, waiting, .. } = std::mem::take(&mut self.pending);
        if waiting.is_empty() {
            return;
        }
        match append(self.on.store, &writes) {
            Ok(last) => {
                for waiting in waiting {
                    // Each of the writes became one record.
                    let behind = frame::low32(writes.len() - waiting.writes.end);
                    self.done(&waiting, last.map(|last| last.saturating_sub(behind.into())));
                }
            }
            Err(error) if 1 < waiting.len() && (error.is_full() || error.is_damage()) => {
                for waiting in waiting {
                    if self.busy {
                        self.reply(waiting.reply, Reply::Busy);
                        continue;
                    }
                    let own = writes.get(waiting.writes.clone()).unwrap_or_default();
                    match append(self.on.store, own) {
                        Ok(last) => self.done(&waiting, last),
                        Err(error) => self.failed(&waiting, &error),
                    }
                }
            }
            Err(error) => waiting.iter().for_each(|waiting| self.failed(waiting, &error)),
        }
    }

    fn done(&mut self, waiting: &Waiting, last: Option<u64>) {
        let reply = match (waiting.says, last) {
            (Says::Version, Some(last)) => Reply::Wrote(last),
            (Says::Version, None) => Reply::Wrote(self.on.store.sequence()),
            (Says::True, last) => truth(last.is_some()),
        };
        self.reply(waiting.reply, reply);
        if waiting.always {
            self.asked.push(waiting.reply);
        }
    }

    fn failed(&mut self, waiting: &Waiting, error: &Error) {
        let fault = Fault::from(error);
        self.busy |= fault.code == "BUSY";
        let reply = if self.busy { Reply::Busy } else { Reply::Error(fault.json()) };
        self.reply(waiting.reply, reply);
    }

    /// Appends what is left, and syncs where somebody asked for it.
    fn finish(mut self) -> Vec<Reply> {
        self.flush();
        if !self.asked.is_empty()
            && let Err(error) = self.on.store.storage().urgently(|| self.on.store.sync())
        {
            let json = Fault::from(error).json();
            for at in std::mem::take(&mut self.asked) {
                self.reply(at, Reply::Error(json.clone()));
            }
        }
        self.replies
    }
}

impl<'a> Pending<'a> {
    /// Until when a key will be there, and `None` where it will not; nothing where nothing pending touches it.
    fn key(&mut self, key: &[u8]) -> Option<Option<u64>> {
        for write in self.writes.iter().skip(self.indexed) {
            let until = write.expires_at_ms.unwrap_or(u64::MAX);
            self.keys.insert(write.key, write.value.bytes().map(|_| until));
        }
        self.indexed = self.writes.len();
        self.keys.get(key).copied()
    }

    /// Takes back the last writes.
    fn forget_from(&mut self, start: usize) {
        self.writes.truncate(start);
        self.keys.clear();
        self.indexed = 0;
    }
}

/// Appends the writes, all or nothing; returns the number of the last record. Not synced.
fn append(store: &Store<Place>, writes: &[Write<'_>]) -> Result<Option<u64>> {
    let mut options = WriteOptions::durability(Durability::None);
    if let [Write { key, value, expires_at_ms }] = writes
        && let Some(value) = value.bytes()
    {
        options.expires_at_ms = *expires_at_ms;
        return write_where_room_is(store, || store.put_with(key, value, &options)).map(Some);
    }
    let mut batch = Batch::new();
    for Write { key, value, expires_at_ms } in writes {
        match (value.bytes(), expires_at_ms) {
            (None, _) => batch.delete(key)?,
            (Some(value), None) => batch.put(key, value)?,
            (Some(value), Some(at_ms)) => batch.put_expiring(key, value, *at_ms)?,
        };
    }
    // Deletes make room, and have some kept for them.
    match writes.iter().all(|write| write.value.bytes().is_none()) {
        true => store.storage().urgently(|| store.write(&batch, &options)),
        false => write_where_room_is(store, || store.write(&batch, &options)),
    }
}

impl Value<'_> {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Lent(bytes) => Some(bytes),
            Value::Read(bytes) => Some(bytes),
            Value::None => None,
        }
    }
}

fn truth(is_so: bool) -> Reply {
    if is_so { Reply::True } else { Reply::False }
}

/// The reply of a read.
fn found(code: Code, entry: Option<Entry>) -> Reply {
    match (code, entry) {
        (Code::Has, entry) => truth(entry.is_some()),
        (_, None) => Reply::None,
        (Code::Entry, Some(Entry { value, version, expires_at_ms, .. })) => {
            Reply::Entry { version, expires_at_ms: expires_at_ms.unwrap_or(0), value }
        }
        (_, Some(entry)) if entry.expires_at_ms.is_some() => Reply::Expiring(entry.value),
        (_, Some(entry)) => Reply::Value(entry.value),
    }
}

/// The reply of [`Code::Entry`] for one key, in bytes.
pub(crate) fn entry_reply(entry: Entry) -> std::result::Result<Vec<u8>, &'static str> {
    frame::encode_one(found(Code::Entry, Some(entry)))
}
