//! [`Engine`] on OPFS and on a folder in memory, through the methods that JavaScript calls.

use bitcask_core::{Segment, SegmentId, Storage};
use bitcask_wasm::{Engine, EngineOptions, Files, FolderShape};
use js_sys::{Function, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::clear;

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
    let engine = Engine::open_opfs("engine".into(), options()).await.unwrap();
    let first = engine.put(b"a", b"1", 0.0, 3).unwrap();
    assert!(first < engine.put(b"b", b"2", 0.0, 0).unwrap());
    assert_eq!(engine.get(b"a").unwrap().unwrap().to_vec(), b"1");
    let again = Engine::open_opfs("engine".into(), options()).await;
    assert_eq!(code(&again.err().unwrap()), "LOCKED");
    engine.close().unwrap();
    assert_eq!(code(&engine.get(b"a").unwrap_err()), "CLOSED");
    let engine = Engine::open_opfs("engine".into(), options()).await.unwrap();
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
