//! Exports and imports: what is exported is imported, and a stream that is cut, flipped or forged is refused. Nothing
//! comes out of it but what was written.

use std::hash::Hasher as _;

use bitcask_core::{
    Batch, Bytes, Error, ImportReport, Importer, Index, Memory, Options, Range, Recovery, Result,
    SegmentId, Store, WriteOptions,
};
use bitcask_tests::model::Random;
use siphasher::sip::SipHasher13;

use crate::encode::{STORE_ID, crc32};

/// A key, its value, and when it expires.
type Entry = (Vec<u8>, Vec<u8>, Option<u64>);

const CHUNK_LEN_MAX: usize = 1 << 18;

fn open(seed: u64) -> Store<Memory> {
    Store::open(Memory::new(seed), Options::default().index(Index::Ordered)).unwrap()
}

fn entries(store: &Store<Memory>) -> Vec<Entry> {
    let entries = store.scan(Range::all()).map(Result::unwrap);
    entries.map(|e| (e.key.to_vec(), e.value.to_vec(), e.expires_at_ms)).collect()
}

fn put(store: &Store<Memory>, (key, value, expires_at_ms): &Entry) {
    let options = WriteOptions { expires_at_ms: *expires_at_ms, ..WriteOptions::default() };
    store.put_with(key, value, &options).unwrap();
}

/// Imports a stream in pieces of this length, and finds what is in it.
fn import(stream: &[u8], piece_len: usize) -> (Vec<Entry>, Result<ImportReport>) {
    let (store, mut importer) = (open(9), Importer::new());
    for piece in stream.chunks(piece_len) {
        importer.push(piece);
        loop {
            match importer.next_batch() {
                Ok(None) => break,
                Ok(Some(batch)) => drop(store.write(&batch, &WriteOptions::default()).unwrap()),
                Err(error) => {
                    // It stays an error, whatever comes.
                    importer.push(stream);
                    assert!(importer.next_batch().is_err());
                    let finished = importer.finish().unwrap_err();
                    assert_eq!(finished.to_string(), error.to_string());
                    return (entries(&store), Err(error));
                }
            }
        }
    }
    (entries(&store), importer.finish())
}

/// A store with entries of all sorts, also such as fill more than one frame.
fn filled() -> (Store<Memory>, Vec<Entry>) {
    let mut all: Vec<Entry> = vec![
        (b"empty".to_vec(), Vec::new(), None),
        (vec![0], vec![0; 10], Some(u64::MAX)),
        (vec![0xff; 65_535], b"long key".to_vec(), None),
        (b"long".to_vec(), vec![7; 300_000], Some(1 << 50)),
        (b"longer".to_vec(), (0..600_000_u32).map(|at| at as u8).collect(), None),
        // Exactly what a frame holds, and a byte more.
        (b"most".to_vec(), vec![1; CHUNK_LEN_MAX - 20 - 7 - 4], None),
        (b"more".to_vec(), vec![2; CHUNK_LEN_MAX - 20 - 7 - 4 + 1], None),
    ];
    for number in 0..5_000_u32 {
        let key = format!("key {number:05}").into_bytes();
        all.push((key, vec![number as u8; number as usize % 150], None));
    }
    all.sort();
    let store = open(1);
    all.iter().for_each(|entry| put(&store, entry));
    store.put(b"deleted", b"1").unwrap();
    store.delete(b"deleted").unwrap();
    (store, all)
}

#[test]
fn what_is_exported_is_imported() {
    let (store, all) = filled();
    let mut export = store.export(Range::all());
    let sequence = export.sequence();
    assert_eq!(sequence, store.sequence());
    let chunks: Vec<Bytes> = export.by_ref().map(Result::unwrap).collect();
    assert_eq!(export.entries(), all.len() as u64);
    for chunk in &chunks {
        let is_a_long_value = all.iter().any(|(_, value, _)| value == chunk);
        assert!(chunk.len() <= CHUNK_LEN_MAX || is_a_long_value, "{} bytes", chunk.len());
    }
    let stream = chunks.concat();
    // What is written meanwhile is not in it.
    let again = store.snapshot();
    store.put(b"later", b"1").unwrap();
    let same: Vec<Bytes> = again.export(Range::all()).map(Result::unwrap).collect();
    assert_eq!(same.concat(), stream, "the same at the same moment");
    for piece_len in [1, 7, 4_096, 65_536, stream.len()] {
        let (imported, report) = import(&stream, piece_len);
        assert!(imported == all, "in pieces of {piece_len}");
        let report = report.unwrap();
        let bytes = all.iter().map(|(key, value, _)| (key.len() + value.len()) as u64).sum();
        assert_eq!(
            (report.store_id, report.sequence, report.entries, report.bytes, report.stream_bytes),
            (store.id(), sequence, all.len() as u64, bytes, stream.len() as u64)
        );
    }
}

#[test]
fn an_import_puts_over_what_is_there_and_leaves_the_rest() {
    let from = open(1);
    put(&from, &(b"a".to_vec(), b"new".to_vec(), None));
    put(&from, &(b"b".to_vec(), b"new".to_vec(), Some(50)));
    put(&from, &(b"x".to_vec(), b"not in the range".to_vec(), None));
    let stream: Vec<Bytes> = from.export(Range::all().lt("x")).map(Result::unwrap).collect();
    let memory = Memory::new(2);
    let to = Store::open(memory.clone(), Options::default()).unwrap();
    for key in ["a", "b", "c"] {
        to.put(key.as_bytes(), b"old").unwrap();
    }
    // What has expired meanwhile replaces what was there all the same.
    memory.set_now_ms(50);
    let mut importer = Importer::new();
    importer.push(&stream.concat());
    while let Some(batch) = importer.next_batch().unwrap() {
        to.write(&batch, &WriteOptions::default()).unwrap();
    }
    assert_eq!((importer.entries(), importer.finish().unwrap().entries), (2, 2));
    let all = [(b"a".to_vec(), b"new".to_vec(), None), (b"c".to_vec(), b"old".to_vec(), None)];
    assert_eq!(entries(&to), all);
    // What has expired when it is exported is not in it.
    let stream: Vec<Bytes> = to.export(Range::all()).map(Result::unwrap).collect();
    assert_eq!(import(&stream.concat(), 5).0, all);
}

#[test]
fn an_empty_store_is_a_stream_too() {
    let stream: Vec<Bytes> = open(1).export(Range::all()).map(Result::unwrap).collect();
    assert_eq!(stream.concat().len(), 40 + 20 + 24);
    let (imported, report) = import(&stream.concat(), 3);
    assert!(imported.is_empty() && report.unwrap().entries == 0);
}

/// A damaged record is an error in its place. Whoever goes on has the rest, whoever stops has no stream.
#[test]
fn an_export_of_a_damaged_store() {
    let memory = Memory::new(1);
    let store = Store::open(memory.clone(), Options::default()).unwrap();
    for key in ["a", "b", "c"] {
        store.put(key.as_bytes(), &[7; 50]).unwrap();
    }
    store.close().unwrap();
    let mut image = memory.image();
    image.get_mut(&SegmentId(1)).unwrap()[72 + 75 + 40] ^= 1;
    let salvage = Options::default().read_only(true).recovery(Recovery::Salvage);
    let salvaged = Store::open(Memory::from_image(&image, 2), salvage).unwrap();
    let export: Vec<Bytes> = salvaged.export(Range::all()).filter_map(Result::ok).collect();
    let (imported, report) = import(&export.concat(), 8);
    let keys: Vec<_> = imported.iter().map(|(key, ..)| &key[..]).collect();
    assert_eq!((keys, report.unwrap().entries), (vec![&b"a"[..], b"c"], 2));
    // Damaged while the store is open.
    let memory = Memory::new(1);
    let store = Store::open(memory, Options::default()).unwrap();
    store.put(b"a", b"1").unwrap();
    let stream: Vec<Bytes> = store.export(Range::all()).take(1).map(Result::unwrap).collect();
    let (imported, report) = import(&stream.concat(), 8);
    assert!(imported.is_empty() && matches!(report, Err(Error::Stream { offset: 40, .. })));
}

/// A stream made by hand, from FORMAT.md and not from the engine.
struct Stream {
    bytes: Vec<u8>,
    seed: u32,
    entries: Vec<Entry>,
    /// Where each frame begins.
    frames: Vec<usize>,
}

impl Stream {
    fn begin() -> Stream {
        let mut bytes = b"BCEXPORT".to_vec();
        bytes.extend(1_u16.to_le_bytes());
        bytes.extend(0_u16.to_le_bytes());
        bytes.extend(STORE_ID);
        bytes.extend(77_u64.to_le_bytes());
        let seed = crc32(0, &bytes);
        bytes.extend(seed.to_le_bytes());
        Stream { bytes, seed, entries: Vec::new(), frames: Vec::new() }
    }

    fn frame(&mut self, kind: u8, payload: &[u8], len: u64) -> &mut Stream {
        self.frames.push(self.bytes.len());
        let init = self.seed ^ self.bytes.len() as u32;
        let mut covered = vec![kind, 0, 0, 0];
        covered.extend(len.to_le_bytes());
        let mut body = crc32(init, &covered).to_le_bytes().to_vec();
        body.extend(covered);
        body.extend(payload);
        self.bytes.extend(crc32(init, &body).to_le_bytes());
        self.bytes.extend(body);
        self
    }

    fn entries(&mut self, entries: &[Entry]) -> &mut Stream {
        let payload: Vec<u8> = entries.iter().flat_map(entry).collect();
        self.entries.extend_from_slice(entries);
        self.frame(1, &payload, payload.len() as u64)
    }

    fn closing(&mut self) -> Vec<u8> {
        let sum: usize = self.entries.iter().map(|(key, value, _)| key.len() + value.len()).sum();
        let mut digest = SipHasher13::new_with_key(&STORE_ID);
        digest.write(&self.bytes);
        let fields = [self.entries.len() as u64, sum as u64, digest.finish()];
        fields.iter().flat_map(|field| field.to_le_bytes()).collect()
    }

    fn end(&mut self) -> &mut Stream {
        let closing = self.closing();
        self.frame(2, &closing, 24)
    }
}

fn entry((key, value, expires_at_ms): &Entry) -> Vec<u8> {
    let mut bytes = vec![u8::from(expires_at_ms.is_some())];
    bytes.extend((key.len() as u16).to_le_bytes());
    bytes.extend((value.len() as u32).to_le_bytes());
    bytes.extend(expires_at_ms.iter().flat_map(|at| at.to_le_bytes()));
    bytes.extend(key);
    bytes.extend(value);
    bytes
}

fn small() -> Stream {
    let mut stream = Stream::begin();
    stream
        .entries(&[
            (b"a".to_vec(), b"1".to_vec(), None),
            (b"b".to_vec(), Vec::new(), Some(1 << 40)),
        ])
        .entries(&[(b"c".to_vec(), b"three".to_vec(), None)])
        .entries(&[(b"d".to_vec(), vec![0; 40], None)])
        .end();
    stream
}

/// What came out is a beginning of what was written, and the stream was refused.
fn refused(bytes: &[u8], small: &Stream, what: &str) {
    for piece_len in [bytes.len().max(1), 11] {
        let (imported, report) = import(bytes, piece_len);
        let error = report.expect_err(what);
        assert!(matches!(error, Error::Stream { .. }) && error.is_damage(), "{what}: {error}");
        assert!(small.entries.starts_with(&imported), "{what}: {imported:?}");
    }
}

#[test]
fn a_stream_made_from_the_page_is_read() {
    let small = small();
    for piece_len in 1..=small.bytes.len() {
        let (imported, report) = import(&small.bytes, piece_len);
        let report = report.unwrap();
        assert_eq!(imported, small.entries);
        assert_eq!((report.store_id, report.sequence, report.entries), (STORE_ID, 77, 4));
    }
}

#[test]
fn every_cut_is_noticed() {
    let small = small();
    for len in 0..small.bytes.len() {
        refused(&small.bytes[..len], &small, &format!("cut at {len}"));
    }
    for more in [&[0][..], b"BCEXPORT", &small.bytes] {
        refused(&[&small.bytes, more].concat(), &small, "bytes behind the end");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let small = small();
    for bit in 0..small.bytes.len() * 8 {
        let mut bytes = small.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&bytes, &small, &format!("bit {bit}"));
    }
}

#[test]
fn frames_that_are_lost_doubled_moved_or_foreign_are_noticed() {
    let small = small();
    let mut bounds = small.frames.clone();
    bounds.push(small.bytes.len());
    let head = &small.bytes[..40];
    let frames: Vec<&[u8]> = bounds.windows(2).map(|pair| &small.bytes[pair[0]..pair[1]]).collect();
    // Every choice of four frames, in every order, but for the right one.
    for number in 0..5_usize.pow(4) {
        let choice: Vec<usize> = (0..4).map(|place| number / 5_usize.pow(place) % 5).collect();
        let made: Vec<u8> = choice
            .iter()
            .filter_map(|frame| frames.get(*frame))
            .copied()
            .collect::<Vec<_>>()
            .concat();
        let made = [head, &made].concat();
        if made != small.bytes {
            refused(&made, &small, &format!("frames {choice:?}"));
        }
    }
    // Of another store, or of another moment of this one.
    for byte in [12, 28] {
        let mut head = head.to_vec();
        head[byte] ^= 1;
        let seed = crc32(0, &head[..36]);
        head[36..].copy_from_slice(&seed.to_le_bytes());
        refused(&[&head, &small.bytes[40..]].concat(), &small, "another head");
    }
}

/// Checksums that are right do not make sense of nonsense.
#[test]
fn nonsense_under_right_checksums_is_refused() {
    let good = || entry(&(b"a".to_vec(), b"1".to_vec(), None));
    let forged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut payload = good();
        change(&mut payload);
        payload
    };
    let payloads = [
        ("an empty key", entry(&(Vec::new(), b"1".to_vec(), None))),
        ("unknown flags", forged(&|payload| payload[0] = 2)),
        ("a longer key", forged(&|payload| payload[1] = 200)),
        ("a longer value", forged(&|payload| payload[3..7].fill(0xff))),
        ("a shorter value", forged(&|payload| payload[3] = 0)),
        ("an expiry that is not there", forged(&|payload| payload[0] = 1)),
        ("half an entry", forged(&|payload| payload.truncate(5))),
        ("something behind", forged(&|payload| payload.push(0))),
        ("more than a frame holds", good().repeat(40_000)),
    ];
    let none = Stream::begin();
    for (what, payload) in payloads {
        let mut stream = Stream::begin();
        stream.frame(1, &payload, payload.len() as u64);
        refused(&stream.bytes, &none, what);
    }
    let lengths = [(1, 0), (1, u64::MAX), (1, 1 << 33), (2, 0), (2, 25), (0, 9), (3, 24), (255, 9)];
    for (kind, len) in lengths {
        let mut stream = Stream::begin();
        stream.frame(kind, &[0; 24], len);
        refused(&stream.bytes, &none, &format!("kind {kind} of {len} bytes"));
    }
    let small = small();
    for field in 0..24 {
        let mut stream = Stream::begin();
        stream.entries(&small.entries);
        let mut closing = stream.closing();
        closing[field] ^= 1;
        stream.frame(2, &closing, 24);
        refused(&stream.bytes, &small, "sums that are wrong");
    }
    let mut newer = small.bytes.clone();
    newer[8] = 2;
    let seed = crc32(0, &newer[..36]);
    newer[36..40].copy_from_slice(&seed.to_le_bytes());
    let (_, report) = import(&newer, 10);
    assert!(report.unwrap_err().to_string().contains("a newer version"));
    let (_, report) =
        import(b"{\"key\": \"a\", \"value\": \"this is what another export writes\"}\n", 10);
    assert!(report.unwrap_err().to_string().contains("no stream"));
}

/// The length is believed, and memory is taken for what came alone. (Else this asks for 4 GiB.)
#[test]
fn a_length_takes_no_memory() {
    let mut stream = Stream::begin();
    stream.frame(1, &[0; 100], (1 << 32) + 50);
    let mut importer = Importer::new();
    importer.push(&stream.bytes);
    assert!(importer.next_batch().unwrap().is_none());
    assert!(importer.finish().is_err());
}

/// A length is not believed before its checksum: the head alone is refused, and nobody waits for what it promises.
#[test]
fn a_head_of_a_frame_that_is_wrong_is_refused_at_once() {
    let small = small();
    let (start, end) = (small.frames[0], small.frames[0] + 20);
    for bit in 4 * 8..20 * 8 {
        let mut bytes = small.bytes[..end].to_vec();
        bytes[start + bit / 8] ^= 1 << (bit % 8);
        let mut importer = Importer::new();
        importer.push(&bytes);
        assert!(importer.next_batch().is_err(), "bit {bit}");
    }
}

#[test]
fn any_bytes_whatever_are_refused_without_a_panic() {
    let small = small();
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let mut bytes = small.bytes.clone();
        // Long stretches of noise, zeros and copies.
        let (from, to) = (random.index(bytes.len()), random.index(bytes.len()));
        let len = random.index(60).min(bytes.len() - from.max(to));
        match random.below(4) {
            0 => bytes.copy_within(to..to + len, from),
            1 => bytes[from..from + len].fill(0),
            2 => drop(bytes.drain(from..from + len)),
            _ => bytes[from..from + len].fill_with(|| random.bits() as u8),
        }
        if bytes != small.bytes {
            refused(&bytes, &small, &format!("seed {seed}"));
        }
    }
}

/// A batch that came out may be dropped: so a stream is checked.
#[test]
fn checking_a_stream_writes_nothing() {
    let small = small();
    let mut importer = Importer::new();
    importer.push(&small.bytes);
    let mut batches: Vec<Batch> = Vec::new();
    while let Some(batch) = importer.next_batch().unwrap() {
        batches.push(batch);
    }
    assert_eq!(batches.iter().map(Batch::len).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(importer.finish().unwrap().entries, 4);
    // Not all batches were taken.
    let mut importer = Importer::new();
    importer.push(&small.bytes);
    importer.next_batch().unwrap().unwrap();
    assert!(importer.finish().is_err());
}
