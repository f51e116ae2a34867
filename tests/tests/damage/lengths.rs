//! Lengths, offsets and counters that lie, with wrong checksums and with right ones: no length is believed before its
//! checksum was, nor beyond the file, and nothing wraps. The storage asserts that no read leaves its segment.

use std::io;

use bitcask_core::{
    Bytes, Error, Go, Memory, Options, Range, Recovery, Segment, SegmentId, Storage, Store, dump,
    verify,
};

use crate::encode::{
    self, Fields, Header, Hint, MARK, PUT, SEAL, TOMBSTONE, Writer, image, record,
};
use crate::guard::Guard;
use crate::stores::{INDEXES, Image};

/// Everything that reads, over an image that may be anything: none may panic, or read beyond a segment. Says whether
/// it opened.
fn read_everything(image: &Image) -> bool {
    let guard = Guard::of(image);
    let _ = verify(&guard, &mut |_| Go::On);
    for id in image.keys() {
        let _ = dump(&guard, *id, &mut |_| Go::On);
    }
    let mut opened = false;
    for index in INDEXES {
        for recovery in [Recovery::Salvage, Recovery::Strict] {
            let options = Options::default().index(index).recovery(recovery);
            match Store::open(Guard::of(image), options) {
                Ok(store) => {
                    opened |= recovery == Recovery::Strict;
                    let _ = store.verify(&mut |_| Go::On);
                    for key in [&b"a"[..], b"b", b"c", b"x"] {
                        let _ = (store.get(key), store.contains(key));
                    }
                    for entry in store.scan(Range::all()) {
                        let _ = entry;
                    }
                    let _ = store.put(b"x", b"1");
                    let _ = store.merge(&bitcask_core::MergePolicy::full(), &mut |_| Go::On);
                    let _ = store.close();
                }
                Err(error) => assert!(recovery == Recovery::Strict, "{error}"),
            }
        }
    }
    opened
}

/// A garbage length in the tail made recovery allocate gigabytes.
#[test]
fn f22_a_length_that_lies_is_not_believed() {
    let (mut images, mut opened) = (0, 0);
    for kind in [PUT, TOMBSTONE, MARK, SEAL, 0, 9] {
        for key_len in [0, 1, 2, 30, 65_535] {
            for value_len in [0, 1, 56, 70, 1 << 20, i32::MAX as u32, u32::MAX - 1, u32::MAX] {
                for (follows, wrong) in [(false, 0), (true, 0), (false, 1), (true, 1), (true, 5)] {
                    let mut log = Writer::log(1, 0);
                    log.put("a", "1");
                    let synced = (kind == MARK).then_some(log.len());
                    let (key, value) = (b"b".to_vec(), vec![7; 60]);
                    let (key_len, value_len) = (Some(key_len), Some(value_len));
                    let at = log.bytes.len();
                    let sequence = if kind == PUT || kind == TOMBSTONE { 2 } else { 1 };
                    log.add(&Fields {
                        kind,
                        sequence,
                        synced,
                        key,
                        value,
                        key_len,
                        value_len,
                        ..Fields::default()
                    });
                    log.bytes[at + wrong] ^= u8::from(0 < wrong);
                    if follows {
                        log.put("c", "3");
                    }
                    let image = image(&[&log, &Writer::log(2, 0)]);
                    opened += u32::from(read_everything(&image));
                    images += 1;
                }
            }
        }
    }
    println!("{images} images, {opened} opened");
    assert!(0 < opened);
}

/// A seal whose checksums are right and whose value is anything: the engine may refuse it or be led astray, but it reads
/// nothing outside of the segment and does not panic.
#[test]
fn f22_a_seal_that_lies_with_right_checksums_makes_nothing_panic() {
    let mut log = Writer::log(1, 0);
    log.put("a", "1").put("b", "22").tombstone("a").mark().put("c", "333");
    let value = log.seal_value();
    let seal = |value: Vec<u8>| {
        let mut log = log.clone();
        let sequence = log.sequence;
        log.add(&Fields { kind: SEAL, sequence, value, ..Fields::default() });
        let mut next = Writer::log(2, log.sequence);
        next.put_synced("x", "1", 72);
        image(&[&log, &next, &Writer::log(3, 0)])
    };
    assert!(read_everything(&seal(value.clone())));
    let (mut images, mut opened) = (0, 0);
    for at in 0..value.len() {
        for byte in [0, 1, 2, 0x7f, 0x80, 0xff, value[at] ^ 4, value[at].wrapping_add(1)] {
            let mut changed = value.clone();
            changed[at] = byte;
            opened += u32::from(read_everything(&seal(changed)));
            let mut widened = value.clone();
            widened.splice(at..at, [byte; 9]);
            opened += u32::from(read_everything(&seal(widened)));
            images += 2;
        }
    }
    // Hints of records that are not where they say, or are of any length.
    for at in [0, 71, 73, 100, 1 << 32, u64::MAX - 10, u64::MAX] {
        for len in [0, 1, 25, 1 << 20, u64::MAX - 71, u64::MAX] {
            let hint = |flags, sequence| Hint { flags, at, len, sequence, key: b"a".to_vec() };
            for hints in [vec![hint(0, 1)], vec![hint(1, 3), hint(0, 4)], vec![hint(0, u64::MAX)]] {
                opened += u32::from(read_everything(&seal(encode::seal_value(&hints, log.len()))));
                images += 1;
            }
        }
    }
    println!("{images} images, {opened} opened");
}

#[test]
fn f21_counters_at_their_ends_are_refused_and_do_not_wrap() {
    for last in [u64::MAX, u64::MAX - 1, (u64::MAX >> 32) << 32] {
        let mut log = Writer::log(1, 0);
        log.put("a", "1");
        let synced = Some(log.len());
        log.add(&Fields { kind: MARK, sequence: last, synced, ..Fields::default() });
        let image = image(&[&log, &Writer::log(2, 0)]);
        read_everything(&image);
        let reader = Options::default().read_only(true);
        let store = Store::open(Guard::of(&image), reader).unwrap();
        assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
        let written =
            Store::open(Guard::of(&image), Options::default()).and_then(|s| s.put(b"b", b""));
        match written {
            Err(Error::Limit(what)) => assert!(what.contains("sequence"), "{what}"),
            other => assert!(other.as_ref().is_ok_and(|now| last < *now), "{last}: {other:?}"),
        }
    }
    let mut log = Writer::log(1, 0);
    log.put("a", "1");
    for id in [u64::MAX, u64::MAX - 1] {
        let next = Writer::new(Header { id, ..Header::log(2) }, 1);
        let image = image(&[&log, &next]);
        read_everything(&image);
        let store = Store::open(Guard::of(&image), Options::default().segment_bytes(256)).unwrap();
        let written = (0..5).try_for_each(|_| store.put(b"a", &[0; 150]).map(drop));
        assert!(matches!(written, Err(Error::Limit(what)) if what.contains("ids")), "{written:?}");
        assert!(store.get(b"a").unwrap().is_some());
    }
    for (first, last) in [(1, u64::MAX), (u64::MAX, u64::MAX), (2, u64::MAX - 1)] {
        let mut output = Writer::new(Header::merge(9, first, last), 0);
        output.put("a", "1").seal();
        read_everything(&image(&[&output]));
        read_everything(&image(&[&log, &output, &Writer::log(2, 1)]));
    }
}

#[test]
fn f21_keys_and_values_have_limits_and_up_to_them_they_are_stored() {
    let store = Store::open(Memory::new(1), Options::default()).unwrap();
    let longest = vec![b'k'; 65_535];
    store.put(&longest, b"v").unwrap();
    assert_eq!(store.get(&longest).unwrap().as_deref(), Some(&b"v"[..]));
    assert!(matches!(store.put(b"", b"v"), Err(Error::KeyLen(0))));
    assert!(matches!(store.put(&[0; 65_536], b"v"), Err(Error::KeyLen(65_536))));
    assert!(matches!(store.delete(&[0; 65_536]), Err(Error::KeyLen(65_536))));
    assert_eq!(store.get(&[0; 65_536]).unwrap(), None);
    // Zeros that no machine has to hold in memory: the length is refused before a byte is looked at.
    let too_long = vec![0; 1 << 32];
    assert!(matches!(store.put(b"k", &too_long), Err(Error::ValueLen(len)) if len == 1 << 32));
    assert_eq!(store.len(), 1);
}

/// Segments of which most bytes are zeros that are not held.
struct Sparse {
    segments: Vec<(SegmentId, SparseSegment)>,
    more: Memory,
}

#[derive(Clone)]
enum SparseSegment {
    Holes { len: u64, pieces: Vec<(u64, Vec<u8>)> },
    Whole(bitcask_core::MemorySegment),
}

impl Segment for SparseSegment {
    fn len(&self) -> u64 {
        match self {
            SparseSegment::Holes { len, .. } => *len,
            SparseSegment::Whole(segment) => segment.len(),
        }
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let SparseSegment::Holes { pieces, .. } = self else {
            let SparseSegment::Whole(segment) = self else { unreachable!() };
            return segment.read_at(offset, len);
        };
        assert!(offset + len as u64 <= self.len() && len <= 1 << 21, "{len} bytes at {offset}");
        let mut bytes = vec![0; len];
        for (at, piece) in pieces {
            for (number, byte) in piece.iter().enumerate() {
                let place = (at + number as u64).checked_sub(offset);
                if let Some(place) = place.filter(|place| *place < len as u64) {
                    bytes[place as usize] = *byte;
                }
            }
        }
        Ok(bytes.into())
    }

    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        match self {
            SparseSegment::Whole(segment) => segment.append(parts),
            SparseSegment::Holes { .. } => panic!("an append to a sealed segment"),
        }
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn rewrite(&self, _place: std::ops::Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        match self {
            SparseSegment::Whole(segment) => segment.truncate(len),
            SparseSegment::Holes { .. } => panic!("a cut of a sealed segment"),
        }
    }

    fn freeze(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Storage for Sparse {
    type Segment = SparseSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        let mut ids = self.more.list()?;
        ids.extend(self.segments.iter().map(|(id, _)| *id));
        Ok(ids)
    }

    fn create(&self, id: SegmentId) -> io::Result<SparseSegment> {
        self.more.create(id).map(SparseSegment::Whole)
    }

    fn open(&self, id: SegmentId) -> io::Result<SparseSegment> {
        match self.segments.iter().find(|(there, _)| *there == id) {
            Some((_, segment)) => Ok(segment.clone()),
            None => self.more.open(id).map(SparseSegment::Whole),
        }
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        self.more.remove(id)
    }

    fn now_ms(&self) -> u64 {
        0
    }

    fn random(&self) -> u64 {
        self.more.random()
    }
}

/// Offsets of 32 bits wrapped. Here records start just below 4 GiB, and the seal, as it may, beyond 8 GiB.
#[test]
fn f21_records_and_a_seal_beyond_4_gib() {
    let header = Header::log(1);
    let mut pieces = vec![(0, header.encode())];
    let mut hints = Vec::new();
    let mut at = 72;
    // The large values are not looked at here, so that their checksums need not be right.
    let values = [("a", 4_294_000_000_u32), ("b", 3), ("c", 900_000), ("d", 2), ("e", u32::MAX)];
    for (sequence, (key, value_len)) in (1..).zip(values) {
        let is_small = value_len < 10;
        let value = if is_small { vec![b'v'; value_len as usize] } else { Vec::new() };
        let key = key.as_bytes().to_vec();
        let fields = Fields {
            kind: PUT,
            sequence,
            key: key.clone(),
            value,
            value_len: Some(value_len),
            ..Fields::default()
        };
        pieces.push((at, record(header.seed, at, &fields)));
        let len = 25 + u64::from(value_len);
        hints.push(Hint { flags: 0, at, len, sequence, key });
        at += len;
    }
    assert!(hints[4].at < 1 << 32 && (1 << 32) - 100_000 < hints[4].at && 1 << 33 < at + 100_000);
    let value = encode::seal_value(&hints, at);
    let seal =
        record(header.seed, at, &Fields { kind: SEAL, sequence: 5, value, ..Fields::default() });
    let len = at + seal.len() as u64;
    pieces.push((at, seal));
    for index in INDEXES {
        let pieces = pieces.clone();
        let sparse = Sparse {
            segments: vec![(SegmentId(1), SparseSegment::Holes { len, pieces })],
            more: Memory::from_image(&image(&[&Writer::log(2, 0)]), 1),
        };
        let store = Store::open(sparse, Options::default().index(index)).unwrap();
        for (key, value_len) in values {
            assert!(store.contains(key.as_bytes()).unwrap(), "{key}");
            if value_len < 10 {
                let found = store.get(key.as_bytes()).unwrap().unwrap();
                assert_eq!(found, vec![b'v'; value_len as usize]);
            }
        }
        let stats = store.stats();
        assert_eq!((stats.segments[0].total_bytes, stats.segments[0].live_bytes), (len, at - 72));
        store.put(b"b", b"newer").unwrap();
        assert_eq!(store.stats().segments[0].dead_bytes, 28);
        assert_eq!(store.get(b"b").unwrap().as_deref(), Some(&b"newer"[..]));
    }
}
