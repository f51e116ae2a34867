//! Slots with bytes that nobody expects, and calls of the browser that fail.

use std::io::ErrorKind;

use bitcask_core::{Segment, SegmentId, Storage};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{Patch, create, fresh, header, ids, set_slot_bytes, slot_bytes};
use crate::opener::Folder;

#[wasm_bindgen_test]
async fn stale_bytes_behind_zeros_are_free_and_vanish_when_reused() {
    drop(fresh("stale").await);
    // As a crash leaves it that loses the cut of a removal, but not its zeros.
    let stale = [vec![0; 72], b"records of an earlier life".repeat(1000)].concat();
    set_slot_bytes("stale", 0, &stale).await;
    let opfs = Folder::open("stale").await.unwrap();
    assert!(ids(&opfs).is_empty());
    drop(opfs);
    assert_eq!(slot_bytes("stale", 0).await, stale, "opening changes nothing");
    let opfs = Folder::open("stale").await.unwrap();
    let segment = opfs.create(SegmentId(1)).unwrap();
    assert_eq!(segment.len(), 0);
    segment.append(&[&header(1)]).unwrap();
    drop((segment, opfs));
    let opfs = Folder::open("stale").await.unwrap();
    let segment = opfs.open(SegmentId(1)).unwrap();
    let bytes = segment.read_at(72, segment.len() as usize - 72).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0), "stale bytes behind the header");
}

#[wasm_bindgen_test]
async fn slots_with_unreadable_headers_are_listed_under_ids_of_their_own() {
    let opfs = fresh("unreadable").await;
    create(&opfs, 4, b"four");
    create(&opfs, 6, b"six");
    drop(opfs);
    let mut flipped = slot_bytes("unreadable", 0).await;
    flipped[44] ^= 1;
    set_slot_bytes("unreadable", 0, &flipped).await;
    set_slot_bytes("unreadable", 3, b"short").await;
    // A copy: its header is right and says 6, as that of slot 1 does.
    set_slot_bytes("unreadable", 4, &slot_bytes("unreadable", 1).await).await;

    let opfs = Folder::open("unreadable").await.unwrap();
    assert_eq!(ids(&opfs), [6, 7, 8, 9]);
    let read = |id, offset, len| opfs.open(SegmentId(id)).unwrap().read_at(offset, len).unwrap();
    assert_eq!(read(6, 72, 3), "six");
    assert_eq!(read(7, 72, 4), "four");
    assert_eq!(read(8, 0, 5), "short");
    assert_eq!(read(9, 0, 75), [&header(6)[..], b"six"].concat());
    assert_eq!(opfs.create(SegmentId(8)).unwrap_err().kind(), ErrorKind::AlreadyExists);
    for id in [7, 8, 9] {
        opfs.remove(SegmentId(id)).unwrap();
    }
    drop(opfs);
    assert_eq!(ids(&Folder::open("unreadable").await.unwrap()), [6]);
}

#[wasm_bindgen_test]
async fn an_id_at_the_end_of_the_numbers() {
    let opfs = fresh("last-id").await;
    create(&opfs, u64::MAX, b"");
    drop(opfs);
    set_slot_bytes("last-id", 1, b"unreadable").await;
    assert_eq!(ids(&Folder::open("last-id").await.unwrap()), [0, u64::MAX]);
}

/// What the browsers do when the quota or the disk is full, and what a broken one might.
pub(crate) const FAILING_WRITES: [(&str, ErrorKind); 6] = [
    ("throw new DOMException('full', 'QuotaExceededError');", ErrorKind::QuotaExceeded),
    ("return 0;", ErrorKind::QuotaExceeded),
    ("return original(args[0].subarray(0, 3), args[1]);", ErrorKind::QuotaExceeded),
    ("return 4294967288;", ErrorKind::QuotaExceeded),
    ("return original(...args) + 1;", ErrorKind::Other),
    (
        "throw Object.assign(new Error(''), { name: 'NS_ERROR_FILE_NO_DEVICE_SPACE' });",
        ErrorKind::StorageFull,
    ),
];

#[wasm_bindgen_test]
async fn a_failed_append_is_an_error_and_can_be_cut_back() {
    for (body, kind) in FAILING_WRITES {
        let opfs = fresh("failed-append").await;
        let segment = create(&opfs, 1, b"good");
        let patch = Patch::new("write", body);
        let error = segment.append(&[b"lo", b"st"]).unwrap_err();
        assert_eq!(error.kind(), kind, "{body}: {error}");
        let error = segment.append(&[&vec![1; 1 << 20]]).unwrap_err();
        assert_eq!(error.kind(), kind, "{body}: {error}");
        drop(patch);
        segment.truncate(76).unwrap();
        segment.append(&[b", better"]).unwrap();
        assert_eq!(segment.len(), 84);
        assert_eq!(segment.read_at(72, 12).unwrap(), "good, better");
        segment.freeze().unwrap();
        drop((segment, opfs));
        assert_eq!(slot_bytes("failed-append", 0).await.len(), 84, "{body}");
    }
}

#[wasm_bindgen_test]
async fn what_a_failed_append_left_is_cut_inside_the_growth_and_behind_it() {
    let refused = "throw new DOMException('full', 'QuotaExceededError');";
    for grows in [true, false] {
        let opfs = fresh("failed-left").await;
        let no_growth = (!grows).then(|| Patch::new("truncate", refused));
        let segment = opfs.urgently(|| create(&opfs, 1, b"good"));
        let short = Patch::new("write", "return original(args[0].subarray(0, 3), args[1]);");
        assert!(opfs.urgently(|| segment.append(&[b"torn"])).is_err());
        drop((no_growth, short));
        segment.truncate(76).unwrap();
        drop((segment, opfs));
        let bytes = slot_bytes("failed-left", 0).await;
        assert_eq!(bytes[..76], [&header(1)[..], b"good"].concat());
        assert!(bytes[76..].iter().all(|byte| *byte == 0));
    }
}

#[wasm_bindgen_test]
async fn an_empty_segment_is_removed_without_a_write() {
    let opfs = fresh("empty").await;
    opfs.create(SegmentId(1)).unwrap();
    let _patch = Patch::new("write", "throw new DOMException('full', 'QuotaExceededError');");
    opfs.remove(SegmentId(1)).unwrap();
    assert!(ids(&opfs).is_empty());
}

#[wasm_bindgen_test]
async fn growth_that_is_refused_refuses_only_what_makes_no_room() {
    let opfs = fresh("no-growth").await;
    let patch = Patch::new("truncate", "throw new DOMException('full', 'QuotaExceededError');");
    let segment = opfs.urgently(|| create(&opfs, 1, b"exact"));
    let error = segment.append(&[b"no"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    opfs.urgently(|| segment.append(&[b"ly"])).unwrap();
    assert!(patch.calls() >= 2);
    drop(patch);
    assert_eq!(segment.read_at(72, 7).unwrap(), "exactly");
    drop((segment, opfs));
    assert_eq!(slot_bytes("no-growth", 0).await.len(), 79);
}

#[wasm_bindgen_test]
async fn failed_reads_syncs_cuts_and_removals_are_errors() {
    let opfs = fresh("failed-else").await;
    let segment = create(&opfs, 1, b"good");
    for body in ["return 0;", "return 3;", "return 4294967291;", "throw new Error('gone');"] {
        opfs.forget_bytes();
        let _patch = Patch::new("read", body);
        assert!(segment.read_at(72, 4).is_err(), "{body}");
    }
    for method in ["flush", "truncate"] {
        let body = "throw new DOMException('no', 'InvalidStateError');";
        let _patch = Patch::new(method, body);
        match method {
            "flush" => {
                let error = segment.sync().unwrap_err();
                assert_eq!(error.to_string(), "InvalidStateError: no");
                assert!(opfs.remove(SegmentId(1)).is_err());
            }
            _ => assert!(segment.truncate(73).is_err() && segment.freeze().is_err()),
        }
        assert_eq!(segment.len(), 76);
    }
    let _patch = Patch::new("write", "return 0;");
    assert!(opfs.remove(SegmentId(1)).is_err());
    assert_eq!(ids(&opfs), [1], "what could not be removed is still there");
}

#[wasm_bindgen_test]
async fn one_call_of_the_browser_for_each_call_of_the_engine() {
    let opfs = fresh("calls").await;
    let segment = create(&opfs, 1, b"");
    let count = |method, call: &dyn Fn()| {
        let patch = Patch::count(method);
        call();
        patch.calls()
    };
    let append = || segment.append(&[b"head", b"key", b"value"]).unwrap();
    assert_eq!(count("write", &append), 1);
    assert_eq!(count("truncate", &append), 0, "inside the growth");
    assert_eq!(count("getSize", &append), 0);
    assert_eq!(count("flush", &append), 0);
    let thousand = || (0..1000).for_each(|_| segment.append(&[&[7; 1000]]).unwrap());
    assert_eq!(count("truncate", &thousand), 4, "a million bytes in steps of 256 KiB");
    let read = || drop(segment.read_at(72, 12).unwrap());
    assert_eq!(count("read", &read), 0, "it was just written");
    opfs.forget_bytes();
    assert_eq!(count("read", &read), 1);
    assert_eq!(count("read", &read), 0, "it was just read");
    let large = || drop(segment.read_at(72, 100_000).unwrap());
    assert_eq!(count("read", &large), 1);
    assert_eq!(count("read", &large), 1, "too large to be kept");
    assert_eq!(count("getSize", &read), 0);
    assert_eq!(count("flush", &|| segment.sync().unwrap()), 1);
    assert_eq!(count("flush", &|| segment.freeze().unwrap()), 1);
    assert_eq!(count("flush", &|| segment.freeze().unwrap()), 0, "nothing was left to cut");
    assert_eq!(count("flush", &|| opfs.remove(SegmentId(1)).unwrap()), 1);
}
