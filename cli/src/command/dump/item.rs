//! One line of a dump.

use bitcask::{DumpItem, DumpKind, SegmentId};
use data_encoding::HEXLOWER;
use serde::Serialize;

use super::super::encoding::{Encoding, JsonBytes};
use super::Dump;

/// Some bytes of a segment, and what they are. What a kind does not have is left out.
#[derive(Serialize)]
pub(super) struct Item<'i> {
    segment: u64,
    offset: u64,
    length: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<JsonBytes<'i>>,
    /// Of a hint in a seal that holds hashes instead of keys: in hexadecimal, for it does not fit into a JSON number.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<JsonBytes<'i>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<u64>,
    /// Whether the next record belongs to the same batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<bool>,
    /// Up to where the segment was durable when this was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    synced: Option<u64>,
    /// Of a hint: whether the record is a tombstone.
    #[serde(skip_serializing_if = "Option::is_none")]
    tombstone: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<Header>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<Seal>,
    /// Of bytes that make no sense: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(skip)]
    key_text: String,
    #[serde(skip)]
    value_text: Option<String>,
}

#[derive(Serialize)]
struct Header {
    /// What the header says: another number than the file's name is damage.
    id: u64,
    merged: bool,
    store: String,
    seed: String,
    first_position: u64,
    last_position: u64,
}

#[derive(Serialize)]
struct Seal {
    records: u64,
    tombstones: u64,
    minimum_sequence: u64,
    maximum_sequence: u64,
    hashed: bool,
}

impl<'i> Item<'i> {
    pub(super) fn new(segment: SegmentId, item: &'i DumpItem, args: &Dump) -> Item<'i> {
        let mut made = Item::bare(segment, item);
        made.describe(&item.kind, args);
        made
    }

    fn bare(segment: SegmentId, item: &DumpItem) -> Item<'i> {
        Item {
            segment: segment.0,
            offset: item.offset,
            length: item.len,
            kind: "unknown",
            sequence: None,
            key: None,
            key_hash: None,
            value_length: None,
            value: None,
            expires_at_ms: None,
            batch: None,
            synced: None,
            tombstone: None,
            header: None,
            seal: None,
            why: None,
            key_text: String::new(),
            value_text: None,
        }
    }

    fn describe(&mut self, kind: &'i DumpKind, args: &Dump) {
        match kind {
            &DumpKind::Header { is_merge, id, store_id, seed, first_position, last_position } => {
                self.kind = "header";
                self.header = Some(Header {
                    id: id.0,
                    merged: is_merge,
                    store: HEXLOWER.encode(&store_id),
                    seed: format!("{seed:08x}"),
                    first_position,
                    last_position,
                });
            }
            DumpKind::Put { key, value, sequence, batch, expires_at_ms, synced } => {
                self.record("put", (*sequence, *batch, *synced), key, args);
                self.expires_at_ms = *expires_at_ms;
                self.value_length = Some(value.len() as u64);
                let encoding = args.encoding.value();
                self.value = args.values.then(|| encoding.json(value));
                self.value_text = args.values.then(|| quoted(encoding, value));
            }
            DumpKind::Tombstone { key, sequence, batch, synced } => {
                self.record("tombstone", (*sequence, *batch, *synced), key, args);
            }
            &DumpKind::Mark { sequence, synced } => {
                (self.kind, self.sequence, self.synced) = ("mark", Some(sequence), Some(synced));
            }
            &DumpKind::Seal { records, tombstones, sequences, hashed } => {
                let (minimum_sequence, maximum_sequence) = sequences;
                self.kind = "seal";
                self.seal =
                    Some(Seal { records, tombstones, minimum_sequence, maximum_sequence, hashed });
            }
            DumpKind::Hint { tombstone, sequence, key } => {
                (self.kind, self.sequence) = ("hint", Some(*sequence));
                self.tombstone = Some(*tombstone);
                match key {
                    Ok(key) => self.key(key, args),
                    Err(hash) => self.key_hash = Some(format!("{hash:016x}")),
                }
            }
            DumpKind::Slack => self.kind = "slack",
            DumpKind::Unsound(why) => (self.kind, self.why) = ("unsound", Some(*why)),
            _ => {}
        }
    }

    fn record(
        &mut self,
        kind: &'static str,
        (sequence, batch, synced): (u64, bool, Option<u64>),
        key: &'i [u8],
        args: &Dump,
    ) {
        (self.kind, self.sequence, self.synced) = (kind, Some(sequence), synced);
        self.batch = Some(batch);
        self.key(key, args);
    }

    fn key(&mut self, key: &'i [u8], args: &Dump) {
        self.key = Some(args.encoding.key().json(key));
        self.key_text = quoted(args.encoding.key(), key);
    }

    /// The line for people.
    pub(super) fn text(&self) -> String {
        let Item { offset, length, kind, .. } = self;
        let place = match kind {
            &"header" => format!("segment {}\n", self.segment),
            _ if *offset == 0 => format!("segment {}\n", self.segment),
            _ => String::new(),
        };
        let sequence = self.sequence.map(|number| number.to_string()).unwrap_or_default();
        let rest = self.rest();
        let line = format!("{offset:>10} {length:>9}  {kind:<9} {sequence:>12}  {rest}");
        place + line.trim_end()
    }

    fn rest(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        if let Some(Header { merged, store, seed, first_position, last_position, .. }) =
            &self.header
        {
            let kind = if *merged { "merge" } else { "log" };
            let positions = match first_position == last_position {
                true => format!("position {first_position}"),
                false => format!("positions {first_position} to {last_position}"),
            };
            words.push(format!("{kind}, {positions}, seed {seed}, store {store}"));
        }
        if let Some(seal) = &self.seal {
            let Seal { records, tombstones, minimum_sequence, maximum_sequence, hashed } = seal;
            words.push(format!("{records} records, {tombstones} tombstones"));
            words.push(format!("sequences {minimum_sequence} to {maximum_sequence}"));
            words.push(if *hashed { "hints with hashes" } else { "hints with keys" }.to_owned());
        }
        if !self.key_text.is_empty() {
            words.push(self.key_text.clone());
        }
        words.extend(self.key_hash.as_ref().map(|hash| format!("hash {hash}")));
        match (&self.value_text, self.value_length) {
            (Some(value), _) => words.push(value.clone()),
            (None, Some(length)) => words.push(format!("{length} bytes")),
            _ => {}
        }
        words.extend(self.expires_at_ms.map(|at_ms| format!("expires at {at_ms} ms")));
        if self.batch == Some(true) {
            words.push("batch goes on".to_owned());
        }
        words.extend(self.synced.map(|end| format!("synced to {end}")));
        if self.tombstone == Some(true) {
            words.push("tombstone".to_owned());
        }
        words.extend(self.why.map(str::to_owned));
        words.join("  ")
    }
}

/// In quotes where it is text, so that an empty one shows.
fn quoted(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Text => format!("\"{}\"", encoding.line(bytes)),
        _ => encoding.line(bytes),
    }
}
