//! The pool: exhausted and topped up, reused, reopened, locked, closed.

use std::io::ErrorKind;
use std::rc::Rc;

use bitcask_core::{Segment, SegmentId, Storage};
use js_sys::Reflect;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{Patch, clear, create, fresh, header, ids, slot_bytes};
use crate::opener::Folder;

const GROWTH: u64 = 256 * 1024;

/// Whether the browser says that somebody has a file open.
fn is_locked(thrown: &JsValue) -> bool {
    let name = Reflect::get(thrown, &"name".into()).unwrap();
    name == "NoModificationAllowedError" || name == "InvalidStateError"
}

#[wasm_bindgen_test]
async fn a_new_folder_has_eight_slots() {
    let opfs = fresh("eight").await;
    assert_eq!(opfs.slots(), 8);
    assert_eq!(opfs.prepare().await.unwrap(), 8);
    assert_eq!(opfs.slots(), 8, "nothing was to be done");
}

#[wasm_bindgen_test]
async fn an_exhausted_pool_is_a_clear_error_and_prepare_tops_it_up() {
    let opfs = fresh("exhausted").await;
    (1..=7).for_each(|id| drop(create(&opfs, id, b"")));
    let error = opfs.create(SegmentId(8)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy, "the last one is for a merge");
    assert_eq!(ids(&opfs).len(), 7, "the refused creation left nothing behind");
    assert_eq!(opfs.prepare().await.unwrap(), 3);
    assert_eq!(opfs.slots(), 10);
    create(&opfs, 8, b"");
    assert_eq!(opfs.prepare().await.unwrap(), 3);
    assert_eq!(opfs.slots(), 11);
    create(&opfs, 9, b"");
    create(&opfs, 10, b"");
    opfs.merging(|| create(&opfs, 11, b""));
    drop(opfs);
    let opfs = Folder::open("exhausted").await.unwrap();
    assert_eq!(ids(&opfs), (1..=11).collect::<Vec<_>>());
    assert_eq!(opfs.slots(), 14, "opening makes three ready");
}

#[wasm_bindgen_test]
async fn no_more_than_64_slots_and_the_last_is_for_a_merge() {
    let opfs = fresh("limit").await;
    for id in 1..=63 {
        assert_eq!(
            opfs.prepare().await.unwrap(),
            3.max(9_usize.saturating_sub(id as usize)).min(65 - id as usize)
        );
        create(&opfs, id, b"");
    }
    assert_eq!(opfs.prepare().await.unwrap(), 1);
    assert_eq!(opfs.slots(), 64);
    let error = opfs.create(SegmentId(64)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    opfs.merging(|| create(&opfs, 64, b""));
    let error = opfs.merging(|| opfs.create(SegmentId(65))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(opfs.prepare().await.unwrap(), 0);
    opfs.remove(SegmentId(17)).unwrap();
    assert_eq!(opfs.create(SegmentId(65)).unwrap_err().kind(), ErrorKind::StorageFull);
    opfs.remove(SegmentId(18)).unwrap();
    create(&opfs, 65, b"");
    drop(opfs);
    let opfs = Folder::open("limit").await.unwrap();
    assert_eq!(ids(&opfs), (1..=16).chain(19..=65).collect::<Vec<_>>());
    drop(opfs);
    clear("limit").await;
}

#[wasm_bindgen_test]
async fn a_new_slot_is_as_long_as_a_header() {
    let opfs = fresh("zeros").await;
    (1..=7).for_each(|id| drop(create(&opfs, id, b"")));
    opfs.prepare().await.unwrap();
    let full = "throw new DOMException('full', 'QuotaExceededError');";
    let _growth = Patch::new("truncate", full);
    let over = format!("if (args[1].at + args[0].length > 72) {full} return original(...args);");
    let _full = Patch::new("write", &over);
    let segment = opfs.create(SegmentId(9)).unwrap();
    segment.truncate(0).unwrap();
    assert!(segment.append(&[&header(9)]).is_err(), "nothing would be left for deletes");
    opfs.urgently(|| segment.append(&[&header(9)])).unwrap();
    assert!(opfs.urgently(|| segment.append(&[b"x"])).is_err());
}

#[wasm_bindgen_test]
async fn a_free_slot_keeps_space_for_a_merge() {
    const RESERVE: usize = 512 * 1024;
    drop(fresh("reserve").await);
    let reserve = async || {
        let mut reserve = Vec::new();
        for number in 0..8 {
            if slot_bytes("reserve", number).await.len() == RESERVE {
                reserve.push(number);
            }
        }
        reserve
    };
    assert_eq!(reserve().await, [7]);
    let opfs = Folder::open("reserve").await.unwrap();
    create(&opfs, 1, b"");
    opfs.merging(|| create(&opfs, 2, b""));
    assert_eq!(opfs.prepare().await.unwrap(), 6);
    drop(opfs);
    assert_eq!(reserve().await, [6, 7], "that of the merge, and the next one");
    let opfs = Folder::open("reserve").await.unwrap();
    (3..=7).for_each(|id| drop(create(&opfs, id, b"")));
    opfs.remove(SegmentId(2)).unwrap();
    drop(opfs);
    assert_eq!(reserve().await, [6], "others take it last");
}

#[wasm_bindgen_test]
async fn two_calls_of_prepare_at_a_time() {
    let opfs = Rc::new(fresh("prepare-twice").await);
    (1..=7).for_each(|id| drop(create(&opfs, id, b"")));
    let prepare = || {
        let opfs = Rc::clone(&opfs);
        future_to_promise(async move { Ok((opfs.prepare().await.unwrap() as u32).into()) })
    };
    let (first, second) = (prepare(), prepare());
    assert!(JsFuture::from(first).await.unwrap().as_f64() >= Some(3.0));
    assert!(JsFuture::from(second).await.unwrap().as_f64() >= Some(3.0));
    create(&opfs, 9, b"");
    create(&opfs, 10, b"");
}

#[wasm_bindgen_test]
async fn closed_while_prepare_waits() {
    let opfs = Rc::new(fresh("close-prepare").await);
    (1..=7).for_each(|id| drop(create(&opfs, id, b"")));
    let waiting = Rc::clone(&opfs);
    let waiting = future_to_promise(async move {
        let error = waiting.prepare().await.unwrap_err();
        Ok(JsValue::from_bool(error.kind() == ErrorKind::NotConnected))
    });
    // Lets it begin.
    JsFuture::from(js_sys::Promise::resolve(&JsValue::NULL)).await.unwrap();
    opfs.close();
    assert_eq!(JsFuture::from(waiting).await.unwrap(), JsValue::TRUE);
    let again = Folder::open("close-prepare").await.unwrap();
    assert_eq!(ids(&again), (1..=7).collect::<Vec<_>>());
}

#[wasm_bindgen_test]
async fn a_removed_segments_slot_is_reused() {
    let opfs = fresh("reuse").await;
    (1..=7).for_each(|id| drop(create(&opfs, id, &vec![id as u8; 300_000])));
    opfs.remove(SegmentId(3)).unwrap();
    let segment = opfs.create(SegmentId(9)).unwrap();
    assert_eq!((segment.len(), opfs.slots()), (0, 8));
    assert_eq!(ids(&opfs), [1, 2, 4, 5, 6, 7, 9]);
    segment.append(&[&header(9), b"the second life"]).unwrap();
    drop((segment, opfs));

    let bytes = slot_bytes("reuse", 2).await;
    assert_eq!(bytes.len() as u64, GROWTH);
    assert_eq!(bytes[72..87], *b"the second life");
    assert!(bytes[87..].iter().all(|byte| *byte == 0), "stale bytes behind the end");
    let opfs = Folder::open("reuse").await.unwrap();
    assert_eq!(ids(&opfs), [1, 2, 4, 5, 6, 7, 9]);
    for id in [1, 2, 4, 5, 6, 7] {
        let bytes = opfs.open(SegmentId(id)).unwrap().read_at(72, 300_000).unwrap();
        assert!(bytes.iter().all(|byte| *byte == id as u8), "segment {id}");
    }
}

#[wasm_bindgen_test]
async fn a_removed_segment_keeps_its_slot_while_it_is_held() {
    let opfs = fresh("held").await;
    let bytes = vec![5; 300_000];
    let held = create(&opfs, 1, &bytes);
    (2..=7).for_each(|id| drop(create(&opfs, id, b"")));
    opfs.remove(SegmentId(1)).unwrap();
    assert_eq!(opfs.create(SegmentId(9)).unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_eq!(held.read_at(0, 300_072).unwrap(), [header(1), bytes].concat());
    assert_eq!(held.read_at(70, 4).unwrap(), [&header(1)[70..], &[5, 5]].concat());
    drop(held);
    create(&opfs, 9, b"");
    assert_eq!((ids(&opfs), opfs.slots()), ([2, 3, 4, 5, 6, 7, 9].to_vec(), 8));
}

#[wasm_bindgen_test]
async fn a_removal_gives_its_space_back() {
    let opfs = fresh("space").await;
    let held = create(&opfs, 1, &vec![1; 300_000]);
    drop(create(&opfs, 2, &vec![2; 300_000]));
    opfs.remove(SegmentId(1)).unwrap();
    opfs.remove(SegmentId(2)).unwrap();
    drop((held, opfs));
    for number in [0, 1] {
        assert_eq!(slot_bytes("space", number).await, [0; 72], "slot {number}");
    }
}

#[wasm_bindgen_test]
async fn reopening_finds_everything() {
    let opfs = fresh("reopen").await;
    let frozen = create(&opfs, 7, &[1; 1000]);
    frozen.sync().unwrap();
    frozen.freeze().unwrap();
    create(&opfs, 9, &vec![2; 3 * GROWTH as usize]);
    create(&opfs, 8, b"");
    opfs.create(SegmentId(10)).unwrap();
    opfs.create(SegmentId(11)).unwrap().append(&[&[0; 100]]).unwrap();
    assert_eq!(ids(&opfs), [7, 8, 9, 10, 11]);
    drop(opfs);

    let opfs = Folder::open("reopen").await.unwrap();
    assert_eq!(ids(&opfs), [7, 8, 9], "those without a header never were");
    let len = |id| opfs.open(SegmentId(id)).unwrap().len();
    assert_eq!((len(7), len(8), len(9)), (1072, GROWTH, 4 * GROWTH));
    let grown = opfs.open(SegmentId(9)).unwrap();
    let bytes = grown.read_at(72, grown.len() as usize - 72).unwrap();
    let (written, growth) = bytes.split_at(3 * GROWTH as usize);
    assert!(written.iter().all(|byte| *byte == 2) && growth.iter().all(|byte| *byte == 0));
    assert_eq!(opfs.open(SegmentId(10)).unwrap_err().kind(), ErrorKind::NotFound);
}

#[wasm_bindgen_test]
async fn a_second_opening_is_locked() {
    let opfs = fresh("locked").await;
    for _ in 0..2 {
        assert!(Folder::open("locked").await.is_err_and(|thrown| is_locked(&thrown)));
    }
    create(&opfs, 1, b"unharmed");
    opfs.close();
    let second = Folder::open("locked").await.unwrap();
    assert_eq!(ids(&second), [1]);
    assert!(Folder::open("locked").await.is_err_and(|thrown| is_locked(&thrown)));
    drop(second);
    Folder::open("locked").await.unwrap();
    // A slot that another one still holds, as a browser may while it ends a worker, is a lock too.
    let held = crate::common::slot("locked", 5).await;
    assert!(Folder::open("locked").await.is_err_and(|thrown| is_locked(&thrown)));
    held.close();
    drop(opfs);
    assert_eq!(ids(&Folder::open("locked").await.unwrap()), [1]);
}

#[wasm_bindgen_test]
async fn of_two_that_open_at_a_time_one_gets_it() {
    clear("race").await;
    let open = || {
        future_to_promise(async {
            let opened = Folder::open("race").await;
            let answer = opened.as_ref().err().is_none_or(is_locked);
            // The others find it open: it is kept.
            let won = opened.map(std::mem::forget).is_ok();
            Ok(JsValue::from_f64(if answer { f64::from(u8::from(won)) } else { 100.0 }))
        })
    };
    let mut winners = 0.0;
    for promise in [open(), open(), open()] {
        winners += JsFuture::from(promise).await.unwrap().as_f64().unwrap();
    }
    assert_eq!(winners, 1.0);
}

#[wasm_bindgen_test]
async fn after_close_every_call_is_an_error() {
    let opfs = fresh("closed").await;
    let segment = create(&opfs, 1, b"x");
    opfs.close();
    opfs.close();
    assert_eq!(opfs.list().unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(opfs.create(SegmentId(2)).unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(opfs.open(SegmentId(1)).unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(opfs.remove(SegmentId(1)).unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(opfs.prepare().await.unwrap_err().kind(), ErrorKind::NotConnected);
    assert!(segment.read_at(0, 1).is_err());
    assert!(segment.append(&[b"y"]).is_err());
    assert!(segment.sync().is_err());
    assert!(segment.truncate(0).is_err());
}
