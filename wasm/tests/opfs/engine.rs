//! [`Engine`] on OPFS and on a folder in memory, through the methods that JavaScript calls.

use bitcask_core::{Segment, SegmentId, Storage};
use bitcask_wasm::{Engine, EngineOptions, Files, FolderShape};
use js_sys::{Function, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::clear;
use crate::opener::{Folder, open_engine, prepare};

/// A folder in memory, as JavaScript would give one.
pub(crate) fn memory() -> FolderShape {
    let code = "
        const files = new Map();
        const fail = (name, text) => { const e = new Error(text); e.name = name; throw e; };
        const handle = (file) => ({
            getSize: () => file.bytes.length,
            read(into, { at }) {
                const part = file.bytes.subarray(at, at + into.length);
                into.set(part);
                return part.length;
            },
            write(from, { at }) {
                if (file.bytes.length < at + from.length) this.truncate(at + from.length);
                file.bytes.set(from, at);
                return from.length;
            },
            truncate(len) {
                const bytes = new Uint8Array(len);
                bytes.set(file.bytes.subarray(0, len));
                file.bytes = bytes;
            },
            flush() {},
            close() {},
        });
        return {
            files,
            list: () => [...files.keys()],
            create(id) {
                if (files.has(id)) fail('EEXIST', 'there is one');
                files.set(id, { bytes: new Uint8Array(0) });
                return handle(files.get(id));
            },
            open: (id) => handle(files.get(id) ?? fail('NotFoundError', 'there is none')),
            remove(id) { if (!files.delete(id)) fail('NotFoundError', 'there is none'); },
        };";
    Function::new_no_args(code).call0(&JsValue::NULL).unwrap().unchecked_into()
}

fn options() -> EngineOptions {
    Object::new().unchecked_into()
}

fn code(error: &JsValue) -> String {
    assert!(error.is_instance_of::<js_sys::Error>());
    Reflect::get(error, &"code".into()).unwrap().as_string().unwrap()
}

#[wasm_bindgen_test]
async fn an_engine_on_opfs() {
    clear("engine").await;
    let engine = open_engine("engine", options()).await;
    let first = engine.put(b"a", b"1", 0.0, 3).unwrap();
    assert!(first < engine.put(b"b", b"2", 0.0, 0).unwrap());
    assert_eq!(engine.get(b"a").unwrap().unwrap().to_vec(), b"1");
    assert!(Folder::open("engine").await.is_err());
    engine.close().unwrap();
    assert_eq!(code(&engine.get(b"a").unwrap_err()), "CLOSED");
    let engine = open_engine("engine", options()).await;
    assert!(engine.has(b"b").unwrap());
    assert!(engine.delete(b"b", 0).unwrap());
    assert!(!engine.delete(b"b", 0).unwrap());
    engine.abandon();
}

#[wasm_bindgen_test]
fn an_engine_on_a_folder() {
    let folder = memory();
    let engine = Engine::open_folder(folder.clone(), options()).unwrap();
    engine.put(b"a", b"1", 0.0, 3).unwrap();
    engine.close().unwrap();
    let engine = Engine::open_folder(folder, options()).unwrap();
    assert_eq!(engine.get(b"a").unwrap().unwrap().to_vec(), b"1");
}

#[wasm_bindgen_test]
fn ids_that_are_no_numbers_are_refused() {
    let files = Files::new(memory());
    let last = SegmentId((1 << 53) - 1);
    files.create(last).unwrap().append(&[b"far"]).unwrap();
    assert_eq!(files.list().unwrap(), [last]);
    assert_eq!(files.open(last).unwrap().read_at(0, 3).unwrap(), "far");
    for id in [(1 << 53) + 1, u64::MAX] {
        let error = files.create(SegmentId(id)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{id}");
    }
}

/// A range as bytes: everything, keys only.
const ALL_KEYS: [u8; 5] = [64, 255, 255, 255, 255];

/// Replaces a method of an object and returns a counter of its calls.
fn count_calls(of: &JsValue, method: &str) -> Function {
    let code = "
        let count = 0;
        const before = of[method];
        of[method] = (...all) => { count += 1; return before(...all); };
        return () => count;";
    let made =
        Function::new_with_args("of, method", code).call2(&JsValue::NULL, of, &method.into());
    made.unwrap().unchecked_into()
}

fn called(counter: &Function) -> f64 {
    counter.call0(&JsValue::NULL).unwrap().as_f64().unwrap()
}

/// The memory's folder, whose handles count their reads.
fn memory_that_counts() -> (FolderShape, Function) {
    let folder = memory();
    let code = "
        let count = 0;
        for (const method of ['create', 'open']) {
            const before = folder[method];
            folder[method] = (id) => {
                const handle = before(id);
                const read = handle.read;
                handle.read = (...all) => { count += 1; return read(...all); };
                return handle;
            };
        }
        return () => count;";
    let counter = Function::new_with_args("folder", code).call1(&JsValue::NULL, folder.as_ref());
    (folder, counter.unwrap().unchecked_into())
}

fn number(object: &JsValue, field: &str) -> f64 {
    Reflect::get(object, &field.into()).unwrap().as_f64().unwrap()
}

#[wasm_bindgen_test]
fn keys_are_counted_and_walked_without_a_read_of_records() {
    let (folder, reads) = memory_that_counts();
    let engine = Engine::open_folder(folder.clone(), options()).unwrap();
    for number in 0..2_000_u32 {
        engine.put(&number.to_be_bytes(), &[7; 300], 0.0, 0).unwrap();
    }
    engine.close().unwrap();
    let engine = Engine::open_folder(folder, options()).unwrap();
    let before = called(&reads);
    assert_eq!(engine.count(&ALL_KEYS, 0).unwrap(), 2_000.0);
    let snapshot = engine.snapshot_open().unwrap();
    assert_eq!(engine.count(&ALL_KEYS, snapshot).unwrap(), 2_000.0);
    let scan = engine.scan_open(&ALL_KEYS, 0).unwrap();
    let page = engine.scan_next(scan, 10_000, 1 << 20).unwrap();
    assert_eq!((page[..4].to_vec(), page.len()), (vec![0xd0, 7, 0, 0], 5 + 2_000 * 10));
    assert_eq!(called(&reads), before);
    // Where something was written since, or expires, it is looked at.
    engine.delete(&7_u32.to_be_bytes(), 0).unwrap();
    engine.put(&8_u32.to_be_bytes(), b"", 1.0, 0).unwrap();
    assert_eq!(engine.count(&ALL_KEYS, 0).unwrap(), 1_998.0);
    assert_eq!(engine.count(&ALL_KEYS, snapshot).unwrap(), 2_000.0);
    assert!(before < called(&reads));
}

#[wasm_bindgen_test]
async fn a_value_is_read_in_parts_whatever_becomes_of_its_segment() {
    clear("parts").await;
    let engine = open_engine("parts", options()).await;
    let value: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    engine.put(b"big", &value, 0.0, 0).unwrap();
    let id = engine.value_open(b"big", 0).unwrap();
    let mut read = engine.value_next(id, 300_000).unwrap().unwrap().to_vec();
    engine.put(b"big", b"another", 0.0, 0).unwrap();
    engine.roll_for_merge().unwrap();
    loop {
        let step = engine.merge_step(true, 1e6).unwrap();
        if Reflect::get(&step, &"state".into()).unwrap() == "idle" {
            break;
        }
        prepare(&engine, "parts").await;
    }
    assert!(number(&engine.stats().unwrap(), "totalBytes") < 10_000.0);
    while let Some(part) = engine.value_next(id, 300_000).unwrap() {
        assert!(part.length() <= 300_000);
        read.extend(part.to_vec());
    }
    assert!(read == value);
    assert_eq!(code(&engine.value_next(id, 1).unwrap_err()), "INVALID");
    assert_eq!(engine.value_open(b"nothing", 0).unwrap(), 0);
    engine.abandon();
}

#[wasm_bindgen_test]
fn a_verification_goes_in_steps_between_which_the_store_is_used() {
    let (folder, reads) = memory_that_counts();
    let engine = Engine::open_folder(folder.clone(), options()).unwrap();
    for number in 0..100_u32 {
        engine.put(&number.to_be_bytes(), &[7; 10_000], 0.0, 0).unwrap();
    }
    let id = engine.verify_open().unwrap();
    let mut bytes = Vec::new();
    let report = loop {
        let before = called(&reads);
        let step = engine.verify_next(id, 50_000.0).unwrap();
        if Reflect::has(&step, &"problems".into()).unwrap() {
            break step;
        }
        assert!(called(&reads) <= before + 1.0);
        bytes.push(number(&step, "bytesRead"));
        assert!(number(&step, "bytesRead") <= number(&step, "bytesTotal"));
        engine.put(b"meanwhile", &[1; 1_000], 0.0, 0).unwrap();
    };
    assert!(bytes.is_sorted() && 15 < bytes.len(), "{bytes:?}");
    assert_eq!(
        (number(&report, "records"), number(&report, "bytes")),
        (100.0, bytes[bytes.len() - 1])
    );
    let problems: js_sys::Array = Reflect::get(&report, &"problems".into()).unwrap().into();
    assert_eq!(problems.length(), 0);
    assert_eq!(code(&engine.verify_next(id, 1.0).unwrap_err()), "INVALID");
}

#[wasm_bindgen_test]
fn a_full_merge_takes_the_active_segment_too() {
    let folder = memory();
    let created = count_calls(folder.as_ref(), "create");
    let engine = Engine::open_folder(folder, options()).unwrap();
    let states = || {
        let stats = engine.stats().unwrap();
        let segments: js_sys::Array = Reflect::get(&stats, &"segments".into()).unwrap().into();
        let state = |segment| Reflect::get(&segment, &"state".into()).unwrap().as_string().unwrap();
        segments.iter().map(state).collect::<Vec<_>>().join(" ")
    };
    engine.put(b"kept", b"value", 0.0, 0).unwrap();
    assert_eq!(states(), "active spare");
    let all_live = called(&created);
    engine.roll_for_merge().unwrap();
    assert_eq!((states().as_str(), called(&created)), ("active spare", all_live));
    for _ in 0..100 {
        engine.put(b"again", &[7; 1_000], 0.0, 0).unwrap();
    }
    engine.roll_for_merge().unwrap();
    assert_eq!(states(), "sealed active spare");
    while Reflect::get(&engine.merge_step(true, 1e6).unwrap(), &"state".into()).unwrap() != "idle" {
    }
    assert_eq!(states(), "sealed active spare");
    assert!(number(&engine.stats().unwrap(), "totalBytes") < 2_000.0);
    assert_eq!(engine.get(b"again").unwrap().unwrap().length(), 1_000);
}
