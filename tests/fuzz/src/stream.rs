//! What an export wrote.

use bitcask_core::{Importer, Memory, Options, Range, Store, WriteOptions};

use crate::check::bounded;
use crate::image::crc32;

/// `how · length of the pieces · bytes`. With the lowest bit of `how` the checksums of head and frames are made right.
pub fn run(bytes: &[u8]) {
    let [how, piece_len, stream @ ..] = bytes else { return };
    let mut stream = stream.to_vec();
    if how & 1 == 1 {
        repair(&mut stream);
    }
    let whole = import(&stream, stream.len().max(1));
    let pieces = import(&stream, usize::from(*piece_len).max(1));
    assert_eq!(whole, pieces, "what comes out does not depend on the pieces");
    let (entries, report) = whole;
    let Some((count, len)) = report else { return };
    // What is believed is the beginning of nothing else.
    assert_eq!(len, stream.len() as u64);
    assert_eq!(count, entries.len() as u64);
    let mut longer = stream.clone();
    longer.push(0);
    assert!(import(&longer, longer.len()).1.is_none(), "something follows, and it is believed");
    assert!(
        import(&stream[..stream.len() - 1], stream.len()).1.is_none(),
        "it is cut, and believed"
    );
    check_again(&entries);
}

/// A key, its value and its expiry.
type Parts = (Vec<u8>, Vec<u8>, Option<u64>);

/// What came out, in order, and of a whole stream how many entries it says that it has, and its length.
fn import(stream: &[u8], piece_len: usize) -> (Vec<Parts>, Option<(u64, u64)>) {
    let to = Store::open(Memory::new(1), Options::default()).unwrap();
    let mut out = Vec::new();
    let (report, failed) = bounded("import", stream.len() as u64, || {
        let mut importer = Importer::new();
        for piece in stream.chunks(piece_len) {
            importer.push(piece);
            loop {
                match importer.next_batch() {
                    Ok(Some(batch)) => {
                        let from = to.sequence();
                        to.write(&batch, &WriteOptions::default()).unwrap();
                        out.push(from);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(
                            importer.next_batch().unwrap_err().to_string(),
                            error.to_string()
                        );
                        return (None, true);
                    }
                }
            }
        }
        (importer.finish().ok(), false)
    });
    assert!(!(failed && report.is_some()));
    let changes = to.changes(0).unwrap().map(Result::unwrap);
    let entries = changes.map(|change| match change.kind {
        bitcask_core::ChangeKind::Put { value, expires_at_ms } => {
            (change.key.to_vec(), value.unwrap().to_vec(), expires_at_ms)
        }
        bitcask_core::ChangeKind::Delete => panic!("an import deletes nothing"),
    });
    (entries.collect(), report.map(|report| (report.entries, report.stream_bytes)))
}

/// What was imported can be exported and imported again, and is the same.
fn check_again(entries: &[Parts]) {
    let store = Store::open(Memory::new(2), Options::default()).unwrap();
    for (key, value, expires_at_ms) in entries {
        let options = WriteOptions { expires_at_ms: *expires_at_ms, ..WriteOptions::default() };
        store.put_with(key, value, &options).unwrap();
    }
    let there: Vec<Parts> = store
        .scan(Range::all())
        .map(Result::unwrap)
        .map(|e| (e.key.to_vec(), e.value.to_vec(), e.expires_at_ms))
        .collect();
    let stream: Vec<u8> = store.export(Range::all()).flat_map(Result::unwrap).collect();
    assert_eq!(import(&stream, 7).0, there, "what was exported is not what comes back");
}

/// Makes the checksums of a stream right: FORMAT.md, section 13. The digest stays what it is.
fn repair(stream: &mut [u8]) {
    if stream.len() < 40 {
        return;
    }
    let seed = crc32(0, &stream[..36]);
    stream[36..40].copy_from_slice(&seed.to_le_bytes());
    let mut at = 40;
    while let Some(frame) = stream.get_mut(at..).filter(|frame| 20 <= frame.len()) {
        let mut len = [0; 8];
        len.copy_from_slice(&frame[12..20]);
        let len = usize::try_from(u64::from_le_bytes(len)).ok().and_then(|len| len.checked_add(20));
        let Some(len) = len.filter(|len| *len <= frame.len()) else { return };
        let init = seed ^ at as u32;
        let head = crc32(init, &frame[8..20]);
        frame[4..8].copy_from_slice(&head.to_le_bytes());
        let body = crc32(init, &frame[4..len]);
        frame[..4].copy_from_slice(&body.to_le_bytes());
        at += len;
    }
}
