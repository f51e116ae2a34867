//! How an engine is opened, and how a write is made: the core's options for what JavaScript gives.

use bitcask_core::{Durability, Index, Options, Recovery, WriteOptions};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::Answer;
use crate::error::whole;
use crate::fault::Fault;

/// A segment's length where the options do not say it. Shorter than on disks: the last one is read whole by an opening
/// after a crash, and a merge of one holds its space twice.
const SEGMENT_BYTES: u64 = 32 << 20;

#[wasm_bindgen]
extern "C" {
    /// How an engine is opened.
    #[wasm_bindgen(typescript_type = "EngineOptions")]
    pub type EngineOptions;

    #[wasm_bindgen(method, getter)]
    fn index(this: &EngineOptions) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn durability(this: &EngineOptions) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn recovery(this: &EngineOptions) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = segmentBytes)]
    fn segment_bytes(this: &EngineOptions) -> Option<f64>;
    #[wasm_bindgen(method, getter)]
    fn create(this: &EngineOptions) -> Option<bool>;
    #[wasm_bindgen(method, getter, js_name = readOnly)]
    fn read_only(this: &EngineOptions) -> Option<bool>;
}

pub(crate) fn write_options(durability: u8, expires_at_ms: f64) -> Answer<WriteOptions> {
    let durability = match durability {
        0 => None,
        1 => Some(Durability::None),
        2 => Some(Durability::Interval),
        3 => Some(Durability::Always),
        _ => return Err(Fault::invalid("durability is 0, 1, 2 or 3")),
    };
    let expires_at_ms = match whole(expires_at_ms.floor()) {
        Ok(0) => None,
        Ok(at_ms) => Some(at_ms),
        Err(_) => return Err(Fault::invalid("an expiry is in milliseconds since 1970")),
    };
    Ok(WriteOptions { durability, expires_at_ms })
}

/// The options of the core for those that JavaScript gives.
pub(crate) fn chosen(options: &EngineOptions) -> Answer<Options> {
    let mut chosen = Options::default().segment_bytes(SEGMENT_BYTES);
    chosen.index = match options.index().as_deref() {
        None | Some("ordered") => Index::Ordered,
        Some("hash") => Index::Hash,
        Some(_) => return Err(Fault::invalid("index is 'ordered' or 'hash'")),
    };
    chosen.durability = match options.durability().as_deref() {
        None | Some("interval") => Durability::Interval,
        Some("none") => Durability::None,
        Some("always") => Durability::Always,
        Some(_) => return Err(Fault::invalid("durability is 'none', 'interval' or 'always'")),
    };
    chosen.recovery = match options.recovery().as_deref() {
        None | Some("strict") => Recovery::Strict,
        Some("salvage") => Recovery::Salvage,
        Some(_) => return Err(Fault::invalid("recovery is 'strict' or 'salvage'")),
    };
    if let Some(bytes) = options.segment_bytes() {
        let bytes = whole(bytes.floor()).map_err(|_| Fault::invalid("segmentBytes is a length"))?;
        chosen = chosen.segment_bytes(bytes);
    }
    chosen.create = options.create().unwrap_or(true);
    chosen.read_only = options.read_only().unwrap_or(false);
    Ok(chosen)
}
