//! The rules for a folder of segments, whatever stands in them.

use std::collections::BTreeMap;

use bitcask_core::{
    Entry, Error, Go, Importer, Index, Memory, MergePolicy, Options, Range, Recovery, SegmentId,
    Storage, Store, segment_id_of, verify,
};

use crate::allocator::most_held;
use crate::dumped::{Dumped, Sound, dump_segment};
use crate::image::Image;
use crate::lent::{Lent, NOW_MS};

/// Memory that looking at bytes may take: so many times their length, and what an empty store takes.
const HELD_FACTOR: u64 = 64;
const HELD_BASE: u64 = 4 << 20;

/// Bytes that may be read: so many times their length, and some.
const READ_FACTOR: u64 = 64;
const READ_BASE: u64 = 8 << 20;

/// Does it, and holds it to what so many bytes are worth.
pub(crate) fn bounded<T>(what: &str, len: u64, work: impl FnOnce() -> T) -> T {
    let (done, held) = most_held(work);
    let most = HELD_FACTOR * len + HELD_BASE;
    assert!(held <= most, "{what}: {len} bytes made it hold {held} bytes");
    done
}

fn bounded_reading<T>(what: &str, lent: &Lent, len: u64, work: impl FnOnce() -> T) -> T {
    let before = lent.bytes_read();
    let done = bounded(what, len, work);
    let read = lent.bytes_read() - before;
    let most = READ_FACTOR * len + READ_BASE;
    assert!(read <= most, "{what}: of {len} bytes it read {read}");
    done
}

/// What stands in the files.
struct Log<'a> {
    image: &'a Image,
    dumped: &'a [Dumped],
    /// Whether all is as a writer would have written it.
    is_sound: bool,
}

impl Log<'_> {
    /// Whether the log says this of a key: a sound record, or where hostile checksums are right for one half of a record only, its bytes.
    fn says(&self, entry: &Entry) -> bool {
        let is_it = |record: &Sound| {
            record.sequence == entry.version
                && record.key == entry.key
                && record.value.as_deref() == Some(&entry.value[..])
                && record.expires_at_ms == entry.expires_at_ms
        };
        let bytes = [&entry.key[..], &entry.value].concat();
        self.dumped.iter().any(|segment| segment.records.iter().any(is_it))
            || !self.is_sound
                && self
                    .image
                    .values()
                    .any(|segment| segment.windows(bytes.len()).any(|w| w == bytes))
    }
}

/// Everything that a folder can be asked.
pub(crate) fn check_image(image: &Image) {
    let lent = Lent::new(image);
    let len: u64 = image.values().map(|bytes| bytes.len() as u64).sum();
    for (id, bytes) in image {
        if let Some(named) = segment_id_of(bytes) {
            assert!(bytes[40..48] == named.0.to_le_bytes());
        }
        let other = image.keys().find(|other| *other != id);
        assert!(other.is_none_or(|other| lent.open(*other).is_ok()));
    }
    let dumped: Vec<Dumped> = bounded_reading("dump", &lent, len, || {
        image.iter().map(|(id, bytes)| dump_segment(&lent, *id, bytes)).collect()
    });
    let report = bounded_reading("verify", &lent, len, || verify(&lent, &mut |_| Go::On));
    let is_sound = report.is_ok_and(|report| report.is_sound());
    let log = Log { image, dumped: &dumped, is_sound };
    let mut strict = Vec::new();
    for recovery in [Recovery::Strict, Recovery::Salvage] {
        for index in [Index::Hash, Index::Ordered] {
            let options =
                Options::default().read_only(true).create(false).index(index).recovery(recovery);
            let what = format!("opening {index:?}, {recovery:?}");
            let storage = if index == Index::Hash { lent.clone() } else { lent.mapped() };
            let opened = bounded_reading(&what, &lent, len, || Store::open(storage, options));
            let Ok(store) = opened else {
                assert!(
                    !(is_sound && recovery == Recovery::Strict),
                    "it is sound and does not open"
                );
                continue;
            };
            let read = bounded_reading("reading", &lent, len, || read_everything(&store, &log));
            if recovery == Recovery::Strict {
                let says_sound = store.verify(&mut |_| Go::On).unwrap().is_sound();
                if is_sound && says_sound {
                    assert_eq!(read, Some(expected(&store, &dumped)), "{index:?} is not the log");
                }
                strict.push((says_sound, read));
            }
        }
    }
    check_writing(image, is_sound, &strict);
}

/// What a store holds: by key its value, version and expiry.
type Content = BTreeMap<Vec<u8>, (Vec<u8>, u64, Option<u64>)>;

fn content(entries: impl IntoIterator<Item = Entry>) -> Content {
    entries
        .into_iter()
        .map(|e| (e.key.to_vec(), (e.value.to_vec(), e.version, e.expires_at_ms)))
        .collect()
}

/// Reads all that a store shows, in every way. Whatever comes out stands in the log. `None` where something cannot be read.
fn read_everything<S: Storage>(store: &Store<S>, log: &Log<'_>) -> Option<Content> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut failed = false;
    for entry in store.scan(Range::all()) {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                assert!(error.is_damage(), "{error}");
                failed = true;
            }
        }
    }
    assert!(entries.is_sorted_by(|a, b| a.key < b.key), "a scan gives keys in order, each once");
    for entry in &entries {
        assert!(log.says(entry), "{entry:?} was served, and the log does not say so");
        assert!(entry.expires_at_ms.is_none_or(|at| NOW_MS < at), "{entry:?} has expired");
        match store.get_entry(&entry.key) {
            // A hash that lies in a hint hides a record from a get, or shows an older one: `verify` says so.
            Ok(None) if !log.is_sound => {}
            Ok(Some(found)) if !log.is_sound => assert!(log.says(&found), "{found:?}"),
            Ok(found) => assert_eq!(found.as_ref(), Some(entry), "a get is not the scan"),
            Err(error) => assert!(error.is_damage(), "{error}"),
        }
    }
    let back: Vec<Entry> = store.scan(Range::all().reverse()).filter_map(Result::ok).collect();
    assert!(back.iter().rev().eq(&entries), "backward is not forward");
    check_feed(store);
    if failed {
        return None;
    }
    check_export(store, &entries);
    Some(content(entries))
}

/// A feed from the beginning rises, and ends.
fn check_feed<S: Storage>(store: &Store<S>) {
    let mut told = 0;
    for change in store.changes(0).unwrap() {
        match change {
            Ok(change) => {
                assert!(told < change.sequence, "{} after {told}", change.sequence);
                told = change.sequence;
            }
            Err(error) => assert!(error.is_damage(), "{error}"),
        }
    }
}

/// What is exported can be imported, and is the same.
fn check_export<S: Storage>(store: &Store<S>, entries: &[Entry]) {
    let mut importer = Importer::new();
    let to = Store::open(Memory::new(3), Options::default()).unwrap();
    for chunk in store.export(Range::all()) {
        importer.push(&chunk.unwrap());
        while let Some(batch) = importer.next_batch().unwrap() {
            to.write(&batch, &bitcask_core::WriteOptions::default()).unwrap();
        }
    }
    let report = importer.finish().unwrap();
    assert_eq!(report.entries, entries.len() as u64);
    let copied = to.scan(Range::all()).map(Result::unwrap);
    assert!(
        copied
            .map(|e| (e.key, e.value))
            .eq(entries.iter().map(|e| (e.key.clone(), e.value.clone())))
    );
}

/// What the log of a sound store says, by the rules of FORMAT.md: the newest record of each key in the segments that count.
fn expected<S: Storage>(store: &Store<S>, dumped: &[Dumped]) -> Content {
    let own: Vec<(&Dumped, crate::image::Header)> = dumped
        .iter()
        .filter_map(|segment| Some((segment, segment.header?)))
        .filter(|(segment, header)| header.id == segment.id.0 && header.store_id == store.id())
        .filter(|(segment, header)| header.kind == 1 || segment.is_sealed)
        .collect();
    let retires = |x: &crate::image::Header| {
        own.iter().any(|(_, y)| {
            y.kind == 2
                && y.positions.0 <= x.positions.0
                && x.positions.1 <= y.positions.1
                && x.id < y.id
        })
    };
    let mut newest: BTreeMap<&[u8], &Sound> = BTreeMap::new();
    for (segment, header) in own.iter().filter(|(_, header)| !retires(header)) {
        let cut = store.recovery().cuts.iter().find(|cut| cut.segment == SegmentId(header.id));
        for record in segment.records.iter().filter(|r| cut.is_none_or(|cut| r.at < cut.offset)) {
            let there = newest.entry(&record.key).or_insert(record);
            if there.sequence < record.sequence {
                *there = record;
            }
        }
    }
    let shows = |record: &Sound| {
        let value = record.value.clone()?;
        let visible = record.expires_at_ms.is_none_or(|at| NOW_MS < at);
        visible.then_some((value, record.sequence, record.expires_at_ms))
    };
    newest.into_iter().filter_map(|(key, record)| Some((key.to_vec(), shows(record)?))).collect()
}

/// Opening for writing changes nothing where it fails, and loses nothing where it does not: not by opening, nor by merging.
fn check_writing(image: &Image, is_sound: bool, strict: &[(bool, Option<Content>)]) {
    for (index, (says_sound, read)) in [Index::Hash, Index::Ordered].into_iter().zip(strict) {
        let memory = Memory::from_image(image, 5);
        memory.set_now_ms(NOW_MS);
        let options = Options::default().create(false).index(index).segment_bytes(600);
        let store = match Store::open(memory.clone(), options.clone()) {
            Ok(store) => store,
            Err(error) => {
                let may_write = matches!(error, Error::Io { .. } | Error::Limit(_));
                assert!(may_write || memory.image() == *image, "{error}, and it changed something");
                continue;
            }
        };
        let (Some(before), true) = (read, is_sound && *says_sound) else {
            // Damage that shows only when it is read: no panic is all that is asked.
            let _ = store.put(b"another", b"value");
            let _ = store.merge(&MergePolicy::full(), &mut |_| Go::On);
            let _ = store.close();
            let _ = Store::open(memory, options).map(|store| drop(store.verify(&mut |_| Go::On)));
            continue;
        };
        let now = |store: &Store<Memory>| content(store.scan(Range::all()).map(Result::unwrap));
        assert_eq!(now(&store), *before, "opening for writing lost something");
        if let Err(Error::Limit(_)) = store.put(b"another", b"value") {
            continue;
        }
        let mut after = now(&store);
        store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
        assert_eq!(now(&store), after, "a merge lost something");
        store.close().unwrap();
        drop(store);
        let store = match Store::open(memory, options) {
            // Each session leaves some numbers out, and those of a forged store may be near their end.
            Err(Error::Limit(_)) => continue,
            opened => opened.unwrap(),
        };
        assert_eq!(now(&store), after, "reopening lost something");
        assert!(store.verify(&mut |_| Go::On).unwrap().is_sound());
        let another = after.remove(&b"another"[..]);
        assert!(another.is_some_and(|(value, ..)| value == b"value"));
    }
}
