//! What JavaScript gives: open files and folders, told by their shape.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// An open file: a `FileSystemSyncAccessHandle`, or whatever has its methods.
    #[wasm_bindgen(typescript_type = "Handle")]
    #[derive(Clone, Debug)]
    pub type Handle;

    #[wasm_bindgen(method, catch, js_name = getSize)]
    pub(crate) fn size(this: &Handle) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn read(this: &Handle, into: &mut [u8], at: &At) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn write(this: &Handle, from: &[u8], at: &At) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn truncate(this: &Handle, len: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn flush(this: &Handle) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn close(this: &Handle) -> Result<(), JsValue>;

    /// The options of a read or a write: `{ at }`.
    #[derive(Clone, Debug)]
    #[wasm_bindgen(js_name = Object)]
    pub(crate) type At;

    #[wasm_bindgen(constructor, js_class = "Object")]
    pub(crate) fn new() -> At;

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_at(this: &At, at: f64);

    /// A folder of files that are named by numbers, for [`Engine::openFolder`](crate::Engine::open_folder).
    ///
    /// `list(): number[]`, `create(id): Handle`, `open(id): Handle`, `remove(id): void`, and perhaps
    /// `nowMs(): number`. A handle has the methods of a `FileSystemSyncAccessHandle`. What was created or removed
    /// stays so after a power cut, where the folder promises durability; a removed file can be read through
    /// its handle until that is closed. Errors are thrown: their `name` (as the DOM has them) or `code` (as
    /// Node has them) says what they are.
    #[wasm_bindgen(typescript_type = "Folder")]
    #[derive(Clone, Debug)]
    pub type FolderShape;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn list(this: &FolderShape) -> Result<js_sys::Array, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn create(this: &FolderShape, id: f64) -> Result<Handle, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn open(this: &FolderShape, id: f64) -> Result<Handle, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn remove(this: &FolderShape, id: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(method, getter, js_name = nowMs)]
    pub(crate) fn clock(this: &FolderShape) -> Option<js_sys::Function>;

    #[wasm_bindgen(catch, js_namespace = crypto, js_name = getRandomValues)]
    fn fill_with_random(bytes: &mut [u8]) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** An open file: the methods of a `FileSystemSyncAccessHandle`. */
export interface Handle {
    /** Its length in bytes. */
    getSize(): number;
    /** Reads at an offset, as far as the file goes; says how many bytes. */
    read(into: Uint8Array, options: { at: number }): number;
    /** Writes at an offset, beyond the end too; says how many bytes. */
    write(from: Uint8Array, options: { at: number }): number;
    /** Cuts, or makes longer by zeros. */
    truncate(len: number): void;
    /** What was written before survives a power cut, where the folder promises that at all. */
    flush(): void;
    /** Gives it back. Writes nothing. */
    close(): void;
}
/**
 * A folder of files that are named by numbers. Errors are thrown, and tell what they are by the DOM's `name` or Node's
 * `code`. A file that was removed can be read by the handles that there are.
 */
export interface Folder {
    /** Which files there are, in any order. */
    list(): number[];
    /** Makes an empty file. `EEXIST` where there is one. */
    create(id: number): Handle;
    /** Opens a file. `ENOENT` where there is none. */
    open(id: number): Handle;
    /** Removes a file. */
    remove(id: number): void;
    /** The time in milliseconds since 1970; without it, the platform's. */
    nowMs?(): number;
}
/** How an engine is opened. */
export interface EngineOptions {
    index?: 'ordered' | 'hash';
    durability?: 'none' | 'interval' | 'always';
    recovery?: 'strict' | 'salvage';
    segmentBytes?: number;
    create?: boolean;
    readOnly?: boolean;
}
"#;

/// Milliseconds since 1970 by the platform's clock.
pub(crate) fn now_ms() -> u64 {
    crate::error::whole(js_sys::Date::now().floor()).unwrap_or(0)
}

/// Unpredictable bits.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    match fill_with_random(&mut bytes) {
        Ok(_) => u64::from_le_bytes(bytes),
        // No browser refuses eight bytes; an old Node may not have it.
        Err(_) => js_sys::Math::random().to_bits() ^ js_sys::Date::now().to_bits().rotate_left(32),
    }
}
