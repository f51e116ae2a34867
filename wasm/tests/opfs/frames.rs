//! Frames: each op, groups, what ends a batch and what does not, and bytes that make no sense.

use bitcask_wasm::{Engine, EngineOptions, FolderShape};
use js_sys::{JSON, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{Patch, clear};
use crate::engine::memory;
use crate::opener::{open_engine, prepare};

const GET: u8 = 1;
const ENTRY: u8 = 2;
const HAS: u8 = 3;
const PUT: u8 = 4;
const DELETE: u8 = 5;
const CHECK: u8 = 6;
const EXPIRE: u8 = 7;
const FLUSH: u8 = 8;

const ALWAYS: u8 = 3;
const EXPIRES: u8 = 4;
const VERSION: u8 = 8;
const MORE: u8 = 16;
const SNAPSHOT: u8 = 32;

/// A frame that is being made.
#[derive(Clone, Default)]
pub(crate) struct Frame(pub(crate) Vec<u8>);

impl Frame {
    pub(crate) fn op(mut self, code: u8, key: &[u8], value: &[u8]) -> Frame {
        self.add(code, 0, &[], key, value);
        self
    }

    /// With flags, and the fields that they stand for.
    fn with(mut self, code: u8, flags: u8, fields: &[u8], key: &[u8], value: &[u8]) -> Frame {
        self.add(code, flags, fields, key, value);
        self
    }

    fn add(&mut self, code: u8, flags: u8, fields: &[u8], key: &[u8], value: &[u8]) {
        self.0.extend([code, flags]);
        self.0.extend((key.len() as u16).to_le_bytes());
        self.0.extend((value.len() as u32).to_le_bytes());
        self.0.extend([fields, key, value].concat());
    }

    /// The bytes that were consumed, and the replies.
    pub(crate) fn run(&self, engine: &Engine) -> (usize, Vec<Reply>) {
        let bytes = engine.run(&self.0).unwrap();
        let (consumed, mut rest) = bytes.split_at(4);
        let mut replies = Vec::new();
        while let Some((status, after)) = rest.split_first() {
            let number = |at: usize| u64::from_le_bytes(after[at..at + 8].try_into().unwrap());
            let counted = |at: usize| {
                let len = u32::from_le_bytes(after[at..at + 4].try_into().unwrap()) as usize;
                (after[at + 4..at + 4 + len].to_vec(), at + 4 + len)
            };
            let (reply, len) = match status {
                0 => (Reply::Done, 0),
                1 => (Reply::Value(counted(0).0), counted(0).1),
                2 => (Reply::None, 0),
                3 => (Reply::Entry(number(0), number(8), counted(16).0), counted(16).1),
                4 => (Reply::Wrote(number(0)), 8),
                5 => (Reply::Differs(u32::from_le_bytes(after[..4].try_into().unwrap())), 4),
                6 => {
                    let error = JSON::parse(&String::from_utf8(counted(0).0).unwrap()).unwrap();
                    let code = Reflect::get(&error, &"code".into()).unwrap().as_string().unwrap();
                    (Reply::Error(code), counted(0).1)
                }
                7 => (Reply::True, 0),
                8 => (Reply::False, 0),
                9 => (Reply::Expiring(counted(0).0), counted(0).1),
                _ => unreachable!("status {status}"),
            };
            replies.push(reply);
            rest = &after[len..];
        }
        (u32::from_le_bytes(consumed.try_into().unwrap()) as usize, replies)
    }

    /// The replies to all of it.
    fn all(&self, engine: &Engine) -> Vec<Reply> {
        let (consumed, replies) = self.run(engine);
        assert_eq!(consumed, self.0.len());
        replies
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Done,
    Value(Vec<u8>),
    None,
    Entry(u64, u64, Vec<u8>),
    Wrote(u64),
    Differs(u32),
    Error(String),
    True,
    False,
    Expiring(Vec<u8>),
}

fn value(text: &str) -> Reply {
    Reply::Value(text.into())
}

fn error(code: &str) -> Reply {
    Reply::Error(code.to_owned())
}

pub(crate) fn options(json: &str) -> EngineOptions {
    JSON::parse(json).unwrap().unchecked_into()
}

fn engine() -> Engine {
    Engine::open_folder(memory(), options("{}")).unwrap()
}

#[wasm_bindgen_test]
fn every_op_answers() {
    let engine = engine();
    let first = engine.put(b"a", b"1", 0.0, 0).unwrap();
    let far = 4_000_000_000_000_u64;
    let replies = Frame::default()
        .op(GET, b"a", b"")
        .op(GET, b"b", b"")
        .op(ENTRY, b"a", b"")
        .op(HAS, b"a", b"")
        .op(HAS, b"b", b"")
        .op(PUT, b"b", b"2")
        .op(DELETE, b"a", b"")
        .op(DELETE, b"a", b"")
        .with(EXPIRE, EXPIRES, &far.to_le_bytes(), b"b", b"")
        .op(ENTRY, b"b", b"")
        .op(GET, b"b", b"")
        .op(EXPIRE, b"b", b"")
        .op(EXPIRE, b"none", b"")
        .op(ENTRY, b"b", b"")
        .op(FLUSH, b"", b"")
        .all(&engine);
    let expected = [
        value("1"),
        Reply::None,
        Reply::Entry(first, 0, b"1".to_vec()),
        Reply::True,
        Reply::False,
        Reply::Wrote(first + 1),
        Reply::True,
        Reply::False,
        Reply::True,
        Reply::Entry(first + 3, far, b"2".to_vec()),
        Reply::Expiring(b"2".to_vec()),
        Reply::True,
        Reply::False,
        Reply::Entry(first + 4, 0, b"2".to_vec()),
        Reply::Done,
    ];
    assert_eq!(replies, expected);
}

#[wasm_bindgen_test]
fn the_versions_of_a_merged_batch_are_those_of_its_records() {
    let engine = engine();
    let before = engine.put(b"x", b"", 0.0, 0).unwrap();
    let replies = Frame::default()
        .op(PUT, b"a", b"1")
        .op(PUT, b"b", b"2")
        .op(GET, b"x", b"")
        .op(PUT, b"a", b"3")
        .op(DELETE, b"x", b"")
        .op(PUT, b"c", b"4")
        .op(ENTRY, b"a", b"")
        .op(GET, b"b", b"")
        .all(&engine);
    assert_eq!(replies[0], Reply::Wrote(before + 1));
    assert_eq!(replies[1], Reply::Wrote(before + 2));
    assert_eq!(replies[2], value(""));
    assert_eq!(replies[3], Reply::Wrote(before + 3));
    assert_eq!(replies[4], Reply::True);
    assert_eq!(replies[5], Reply::Wrote(before + 5));
    assert_eq!(replies[6], Reply::Entry(before + 3, 0, b"3".to_vec()));
    assert_eq!(replies[7], value("2"));
}

#[wasm_bindgen_test]
fn a_group_is_all_or_nothing_and_one_reply() {
    let engine = engine();
    let version = engine.put(b"a", b"1", 0.0, 0).unwrap();
    let group = |version: u64| {
        Frame::default()
            .with(CHECK, VERSION | MORE, &version.to_le_bytes(), b"a", b"")
            .with(CHECK, MORE, &[], b"b", b"")
            .with(PUT, MORE, &[], b"b", b"2")
            .with(DELETE, 0, &[], b"a", b"")
            .op(HAS, b"a", b"")
    };
    assert_eq!(group(version + 7).all(&engine), [Reply::Differs(0), Reply::True]);
    assert!(!engine.has(b"b").unwrap());
    assert_eq!(group(version).all(&engine), [Reply::Wrote(version + 2), Reply::False]);
    assert_eq!(engine.get(b"b").unwrap().unwrap().to_vec(), b"2");
    let version = engine.put(b"a", b"1", 0.0, 0).unwrap();
    assert_eq!(group(version).all(&engine), [Reply::Differs(1), Reply::True]);
    // A write with a version alone, and one that a write before it in the same frame has made old.
    let replies = Frame::default()
        .with(PUT, VERSION, &version.to_le_bytes(), b"a", b"2")
        .with(PUT, VERSION, &version.to_le_bytes(), b"a", b"3")
        .with(DELETE, VERSION, &(version + 1).to_le_bytes(), b"a", b"")
        .op(HAS, b"a", b"")
        .all(&engine);
    assert_eq!(replies, [Reply::Wrote(version + 1), Reply::Differs(0), Reply::True, Reply::False]);
}

#[wasm_bindgen_test]
fn reads_of_a_snapshot_see_what_it_saw() {
    let engine = engine();
    engine.put(b"a", b"1", 0.0, 0).unwrap();
    let id = engine.snapshot_open().unwrap();
    let frame = Frame::default()
        .op(PUT, b"a", b"2")
        .with(GET, SNAPSHOT, &id.to_le_bytes(), b"a", b"")
        .op(GET, b"a", b"");
    assert_eq!(frame.all(&engine)[1..], [value("1"), value("2")]);
    engine.snapshot_close(id);
    assert_eq!(frame.all(&engine)[1..], [error("INVALID"), value("2")]);
}

#[wasm_bindgen_test]
fn an_op_that_is_refused_does_not_refuse_the_others() {
    let engine = engine();
    let replies = Frame::default()
        .op(PUT, b"a", b"1")
        .op(PUT, b"", b"no key")
        .with(PUT, MORE, &[], b"b", b"2")
        .op(PUT, b"", b"no key")
        .op(PUT, b"c", b"3")
        .op(HAS, b"b", b"")
        .all(&engine);
    assert!(matches!(replies[0], Reply::Wrote(_)) && matches!(replies[3], Reply::Wrote(_)));
    assert_eq!(
        [&replies[1], &replies[2], &replies[4]],
        [&error("INVALID"), &error("INVALID"), &Reply::False]
    );
}

#[wasm_bindgen_test]
async fn where_no_slot_is_ready_the_replies_end_and_the_rest_runs_after_prepare() {
    clear("frame-busy").await;
    let small = options(r#"{ "segmentBytes": 2000 }"#);
    let engine = open_engine("frame-busy", small).await;
    let mut frame = Frame::default();
    for n in 0..40_u8 {
        // Each fills half a segment, and what is read between ends the batch.
        frame = frame.op(PUT, &[n], &[n; 1000]).op(GET, &[n], b"");
    }
    let (mut waits, mut replies) = (0, Vec::new());
    while !frame.0.is_empty() {
        let (consumed, some) = frame.run(&engine);
        assert!(some.iter().all(|reply| !matches!(reply, Reply::Error(_))), "{some:?}");
        replies.extend(some);
        frame.0.drain(..consumed);
        waits += 1;
        assert!(waits < 100);
        prepare(&engine, "frame-busy").await;
    }
    assert!(1 < waits && replies.len() == 80, "{waits} frames, {} replies", replies.len());
    for n in 0..40_u8 {
        assert_eq!(replies[2 * n as usize + 1], Reply::Value(vec![n; 1000]));
    }
    engine.close().unwrap();
    clear("frame-busy").await;
}

#[wasm_bindgen_test]
async fn after_a_failed_sync_who_asked_for_it_is_told_and_writes_are_refused() {
    clear("frame-sync").await;
    let engine = open_engine("frame-sync", options("{}")).await;
    engine.put(b"a", b"1", 0.0, 3).unwrap();
    let patch = Patch::new("flush", "throw new DOMException('no', 'InvalidStateError');");
    let replies = Frame::default()
        .op(PUT, b"b", b"2")
        .with(PUT, ALWAYS, &[], b"c", b"3")
        .op(GET, b"a", b"")
        .op(FLUSH, b"", b"")
        .all(&engine);
    drop(patch);
    assert!(matches!(replies[0], Reply::Wrote(_)), "{replies:?}");
    assert!(matches!(&replies[1], Reply::Error(_)), "{replies:?}");
    assert_eq!(replies[2], value("1"));
    assert!(matches!(&replies[3], Reply::Error(_)), "{replies:?}");
    let replies = Frame::default().op(PUT, b"d", b"4").op(GET, b"a", b"").all(&engine);
    assert_eq!(replies, [error("POISONED"), value("1")]);
    assert!(engine.close().is_err());
}

#[wasm_bindgen_test]
fn bytes_that_make_no_sense_change_nothing_and_never_trap() {
    let folder: FolderShape = memory();
    let engine = Engine::open_folder(folder, options("{}")).unwrap();
    engine.put(b"a", b"1", 0.0, 0).unwrap();
    let good = Frame::default()
        .with(CHECK, MORE, &[], b"k", b"")
        .with(PUT, EXPIRES | ALWAYS, &9_u64.to_le_bytes(), b"k", b"value")
        .with(GET, SNAPSHOT, &1_u32.to_le_bytes(), b"a", b"")
        .op(DELETE, b"zz", b"")
        .0;
    let sequence = engine.sequence().unwrap();
    // Cut anywhere but between two ops: refused whole.
    let ends = [0, 27 + 8, good.len()];
    for len in (1..good.len()).filter(|len| !ends.contains(len)) {
        if let Err(thrown) = engine.run(&good[..len]) {
            let code = Reflect::get(&thrown, &"code".into()).unwrap();
            assert_eq!(code, JsValue::from("INVALID"), "cut at {len}");
            assert_eq!(engine.sequence().unwrap(), sequence, "cut at {len}");
        } else {
            engine.delete(b"k", 0).unwrap();
            assert_eq!(engine.get(b"a").unwrap().unwrap().to_vec(), b"1", "cut at {len}");
        }
        if engine.sequence().unwrap() != sequence {
            break;
        }
    }
    let mut state: u64 = 11;
    let mut below = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % end
    };
    for round in 0..3000 {
        let bytes: Vec<u8> = match round % 2 {
            0 => (0..below(60)).map(|_| below(256) as u8).collect(),
            _ => {
                let mut bytes = good.clone();
                let at = below(bytes.len() as u64) as usize;
                bytes[at] = below(256) as u8;
                bytes
            }
        };
        let before = engine.sequence().unwrap();
        if engine.run(&bytes).is_err() {
            assert_eq!(engine.sequence().unwrap(), before, "{bytes:?}");
        }
        let _ = engine.scan_open(&bytes, 0).map(|id| engine.scan_close(id));
    }
    engine.put(b"a", b"still", 0.0, 0).unwrap();
    assert_eq!(engine.get(b"a").unwrap().unwrap().to_vec(), b"still");
}
