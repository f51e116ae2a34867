//! A quota that is used up: what makes room goes on.

use bitcask_wasm::Engine;
use js_sys::{Function, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{Patch, clear};
use crate::frames::{Frame, Reply, options};
use crate::opener::{open_engine, prepare};

const SEGMENT: &str = r#"{ "segmentBytes": 400000 }"#;
const VALUE_LEN: usize = 10_000;

/// As Firefox has it: what all files may still grow by.
fn limit(bytes: f64) -> [Patch; 2] {
    room(bytes);
    let write = "const grows = Math.max(0, args[1].at + args[0].length - size());
        if (grows > globalThis.room) {
            const fits = Math.max(0, size() + globalThis.room - args[1].at);
            if (fits < args[0].length) return fits === 0 ? 0 : original(args[0].subarray(0, fits), args[1]);
        }
        globalThis.room -= grows;
        return original(...args);";
    let truncate = "const grows = args[0] - size();
        if (grows > 0 && grows > globalThis.room)
            throw Object.assign(new Error(''), { name: 'NS_ERROR_FILE_NO_DEVICE_SPACE' });
        globalThis.room -= grows;
        return original(...args);";
    [Patch::new("write", write), Patch::new("truncate", truncate)]
}

fn room(bytes: f64) {
    Reflect::set(&js_sys::global(), &"room".into(), &bytes.into()).unwrap();
}

fn put(engine: &Engine, key: u32) -> Result<(), String> {
    let value = [key.to_le_bytes()[0]; VALUE_LEN];
    engine.put(&key.to_be_bytes(), &value, 0.0, 1).map(drop).map_err(code)
}

fn code(thrown: JsValue) -> String {
    Reflect::get(&thrown, &"code".into()).unwrap().as_string().unwrap()
}

/// Writes until it is refused; says how many keys there are.
async fn fill(engine: &Engine) -> u32 {
    let mut keys = 0;
    loop {
        match put(engine, keys) {
            Ok(()) => keys += 1,
            Err(code) if code == "QUOTA" => break keys,
            Err(code) => assert_eq!(code, "BUSY"),
        }
        prepare(engine, "quota").await;
        let _ = engine.seal_pending();
        assert!(keys < 1000);
    }
}

async fn merge(engine: &Engine) {
    for _ in 0..1000 {
        let step = engine.merge_step(true, 100_000.0).map_err(code).unwrap();
        prepare(engine, "quota").await;
        if Reflect::get(&step, &"state".into()).unwrap() == "idle" {
            return;
        }
    }
    unreachable!("the merge never ends");
}

#[wasm_bindgen_test]
async fn with_the_quota_used_up_deletes_and_merges_make_room() {
    for reopened in [false, true] {
        clear("quota").await;
        let mut engine = open_engine("quota", options(SEGMENT)).await;
        let _limit = limit(3_000_000.0);
        let keys = fill(&engine).await;
        assert!(150 < keys, "{keys} keys went in");
        // Said again and again, and it takes nothing of what is kept.
        for key in 0..200 {
            assert_eq!(put(&engine, 1_000_000 + key), Err("QUOTA".to_owned()));
            let frame = Frame::default().op(4, &key.to_be_bytes(), &[0; VALUE_LEN]);
            assert_eq!(frame.run(&engine).1, [Reply::Error("QUOTA".to_owned())]);
            prepare(&engine, "quota").await;
        }
        // Whatever is left of the quota, others take it.
        room(0.0);
        if reopened {
            engine.close().unwrap();
            engine = open_engine("quota", options(SEGMENT)).await;
            room(0.0);
        }
        let kept = keys * 7 / 8;
        for key in kept..keys {
            assert_eq!(engine.get(&key.to_be_bytes()).unwrap().unwrap().length(), VALUE_LEN as u32);
        }
        for key in 0..kept / 2 {
            assert!(engine.delete(&key.to_be_bytes(), 1).map_err(code).unwrap(), "key {key}");
        }
        let frame = (kept / 2..kept).fold(Frame::default(), |frame, key| {
            let (code, key) = (5, key.to_be_bytes());
            frame.op(code, &key, b"")
        });
        assert!(frame.run(&engine).1.iter().all(|reply| *reply == Reply::True));
        merge(&engine).await;
        let more = fill(&engine).await;
        assert!(keys / 2 < more, "{more} of {keys} went in again");
        engine.close().unwrap();
        let engine = open_engine("quota", options(SEGMENT)).await;
        for key in (0..more).chain(kept..keys) {
            let found = engine.get(&key.to_be_bytes()).unwrap().unwrap().to_vec();
            assert_eq!(found, [key.to_le_bytes()[0]; VALUE_LEN], "key {key}");
        }
        engine.close().unwrap();
    }
    let _ = Function::new_no_args("delete globalThis.room").call0(&JsValue::NULL);
    clear("quota").await;
}
