//! What the tests on real OPFS share: fresh folders, a look at a slot from outside, methods that fail.

use bitcask_core::{Segment, SegmentId, Storage};
use bitcask_wasm::{FileSegment, Opfs};
use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemRemoveOptions,
    FileSystemSyncAccessHandle, WorkerGlobalScope,
};

use crate::opener::{Folder, root};

/// Seeds from `first` on: `count`, or a third of them in Firefox, where a flush takes ten times as long.
pub(crate) fn seeds(first: u64, count: u64) -> std::ops::Range<u64> {
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    let slow = global.navigator().user_agent().is_ok_and(|agent| agent.contains("Firefox"));
    first..first + if slow { count.div_ceil(3) } else { count }
}

/// Removes the folder of this name, if there is one.
pub(crate) async fn clear(name: &str) {
    let recursive = FileSystemRemoveOptions::new();
    recursive.set_recursive(true);
    let _ = JsFuture::from(root().await.remove_entry_with_options(name, &recursive)).await;
}

/// An empty folder of this name, opened.
pub(crate) async fn fresh(name: &str) -> Folder {
    clear(name).await;
    Folder::open(name).await.unwrap()
}

/// A slot of a folder that is not open, by its file.
pub(crate) async fn slot(name: &str, number: u32) -> FileSystemSyncAccessHandle {
    let folder = JsFuture::from(root().await.get_directory_handle(name)).await.unwrap();
    let folder: FileSystemDirectoryHandle = folder.unchecked_into();
    let file = JsFuture::from(folder.get_file_handle(&format!("slot-{number:02}"))).await.unwrap();
    let file: FileSystemFileHandle = file.unchecked_into();
    JsFuture::from(file.create_sync_access_handle()).await.unwrap().unchecked_into()
}

/// All bytes of a slot of a folder that is not open.
pub(crate) async fn slot_bytes(name: &str, number: u32) -> Vec<u8> {
    let slot = slot(name, number).await;
    let mut bytes = vec![0; slot.get_size().unwrap() as usize];
    assert_eq!(slot.read_with_u8_array(&mut bytes).unwrap() as usize, bytes.len());
    slot.close();
    bytes
}

/// Makes a slot of a folder that is not open hold these bytes and no others.
pub(crate) async fn set_slot_bytes(name: &str, number: u32, bytes: &[u8]) {
    let slot = slot(name, number).await;
    slot.truncate_with_u32(0).unwrap();
    assert_eq!(slot.write_with_u8_array(bytes).unwrap() as usize, bytes.len());
    slot.close();
}

/// An empty folder of this name with whatever slots it has had: creating them is slow.
pub(crate) async fn emptied(name: &str) -> Folder {
    let opfs = Folder::open(name).await.unwrap();
    for id in opfs.list().unwrap() {
        opfs.remove(id).unwrap();
    }
    opfs
}

/// A valid header of a log segment: FORMAT.md, section 2.
pub(crate) fn header(id: u64) -> Vec<u8> {
    let mut header = b"BITCASK\n\x01\0\x01\0\0\0\0\0\0\0\0\0".to_vec();
    header.extend(7_u32.to_le_bytes());
    header.extend([9; 16]);
    for number in [id, id, id] {
        header.extend(number.to_le_bytes());
    }
    header.extend([0; 4]);
    header.extend(crc32fast::hash(&header).to_le_bytes());
    assert_eq!(header.len(), 72);
    header
}

/// A new segment with a header and these bytes behind it.
pub(crate) fn create(opfs: &Opfs, id: u64, bytes: &[u8]) -> FileSegment {
    let segment = opfs.create(SegmentId(id)).unwrap();
    segment.append(&[&header(id), bytes]).unwrap();
    segment
}

/// The ids of all segments, in rising order.
pub(crate) fn ids(opfs: &Opfs) -> Vec<u64> {
    let mut ids: Vec<u64> = opfs.list().unwrap().into_iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids
}

/// A method of every sync access handle, replaced for as long as this lives.
pub(crate) struct Patch {
    restore: Function,
    calls: Function,
}

impl Patch {
    /// Replaces the method by a function of this body. It knows `original`, called like a function on
    /// its arguments, `args`, the array of them, `calls`, how often it was called before, and `size()`, the
    /// length of the file.
    pub(crate) fn new(method: &str, body: &str) -> Patch {
        let code = format!(
            "const all = FileSystemSyncAccessHandle.prototype, replaced = all.{method};
             let calls = 0;
             const step = (original, args, calls, size) => {{ {body} }};
             all.{method} = function (...args) {{
                 return step((...args) => replaced.apply(this, args), args, calls++,
                     () => this.getSize());
             }};
             return [() => {{ all.{method} = replaced; }}, () => calls];"
        );
        let made = Function::new_no_args(&code).call0(&JsValue::NULL).unwrap();
        let made: js_sys::Array = made.unchecked_into();
        Patch { restore: made.get(0).unchecked_into(), calls: made.get(1).unchecked_into() }
    }

    /// Counts the calls of the method and changes nothing.
    pub(crate) fn count(method: &str) -> Patch {
        Patch::new(method, "return original(...args);")
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.call0(&JsValue::NULL).unwrap().as_f64().unwrap() as usize
    }
}

impl Drop for Patch {
    fn drop(&mut self) {
        let _ = self.restore.call0(&JsValue::NULL);
    }
}
