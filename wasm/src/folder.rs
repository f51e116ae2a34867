//! The asynchronous half: the folder of the pool, and the opening of its files.

use std::io;
use std::rc::Rc;

use js_sys::{Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, StorageManager, WorkerGlobalScope,
};

use crate::error::{OpenError, io_error, open_error};
use crate::handle::Handle;
use crate::slot::{Growth, Slot};

/// The folder in the origin's private file system that holds the folders of all stores.
const ALL_STORES: &str = "mini-bitcask";

/// The folder of a store.
#[derive(Debug)]
pub(crate) struct Folder {
    directory: FileSystemDirectoryHandle,
    growth: Rc<Growth>,
}

impl Folder {
    /// Opens the folder of this name; where there is none, creates it, or says `NotFound`.
    pub(crate) async fn open(name: &str, create: bool) -> Result<Folder, OpenError> {
        // Portable: some browsers keep the name as it is, on disks that fold case or forbid characters.
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
            let text = "a store's name is 1 to 128 of the characters a-z, 0-9 and -";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
        }
        let root: FileSystemDirectoryHandle = settled(storage_manager()?.get_directory()).await?;
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(create);
        let all: FileSystemDirectoryHandle =
            settled(root.get_directory_handle_with_options(ALL_STORES, &options)).await?;
        let directory = settled(all.get_directory_handle_with_options(name, &options)).await?;
        Ok(Folder { directory, growth: Growth::stepwise() })
    }

    /// How its files grow.
    pub(crate) fn growth(&self) -> &Growth {
        &self.growth
    }

    /// The numbers of the slots that there are, in no order.
    pub(crate) async fn slot_numbers(&self) -> io::Result<Vec<u32>> {
        let names = self.directory.keys();
        let mut numbers = Vec::new();
        loop {
            let next = names.next().map_err(|thrown| io_error(&thrown))?;
            let next = JsFuture::from(next).await.map_err(|thrown| io_error(&thrown))?;
            let field =
                |name: &str| Reflect::get(&next, &name.into()).unwrap_or(JsValue::UNDEFINED);
            if field("done").is_truthy() {
                break;
            }
            numbers.extend(field("value").as_string().and_then(|name| slot_number(&name)));
        }
        Ok(numbers)
    }

    /// Opens the slots of these numbers, creating those that do not exist: all of them or none.
    pub(crate) async fn open_slots(&self, numbers: &[u32]) -> Result<Vec<Slot>, OpenError> {
        let create = FileSystemGetFileOptions::new();
        create.set_create(true);
        // All are asked for before the first is waited for: Firefox takes 10 to 30 ms for each step.
        let files: Vec<JsFuture> = numbers
            .iter()
            .map(|number| {
                self.directory.get_file_handle_with_options(&slot_name(*number), &create).into()
            })
            .collect();
        let mut opening: Vec<JsFuture> = Vec::with_capacity(files.len());
        let mut failure = None;
        for file in files {
            match file.await.and_then(JsCast::dyn_into::<FileSystemFileHandle>) {
                Ok(file) => opening.push(file.create_sync_access_handle().into()),
                Err(thrown) => failure = Some(open_error(&thrown)),
            }
        }
        // Also after a failure every handle is waited for, and closed by dropping it: one that arrived
        // unseen would keep its lock until the worker ends.
        let mut slots = Vec::with_capacity(opening.len());
        for handle in opening {
            match handle.await {
                Ok(handle) => {
                    match Slot::new(handle.unchecked_into::<Handle>(), Rc::clone(&self.growth)) {
                        Ok(slot) => slots.push(slot),
                        Err(error) => failure = Some(error.into()),
                    }
                }
                Err(thrown) => failure = Some(open_error(&thrown)),
            }
        }
        failure.map_or(Ok(slots), Err)
    }
}

/// Whether there are files with synchronous access here, and the way to them.
///
/// Asked by hand before anything is called: calling what a browser does not have throws where Rust
/// cannot catch it.
fn storage_manager() -> Result<StorageManager, OpenError> {
    let unsupported = |why: &str| OpenError::Unsupported(why.to_owned());
    let global = js_sys::global();
    if !Reflect::has(&global, &"FileSystemSyncAccessHandle".into()).unwrap_or(false) {
        return Err(unsupported("this is not a dedicated worker, or the browser is too old"));
    }
    let global: WorkerGlobalScope =
        global.dyn_into().map_err(|_| unsupported("this is not a worker"))?;
    let storage: JsValue = global.navigator().storage().into();
    storage.dyn_into().map_err(|_| unsupported("the page's origin is not secure"))
}

async fn settled<T: JsCast>(promise: Promise) -> Result<T, OpenError> {
    let value = JsFuture::from(promise).await.map_err(|thrown| open_error(&thrown))?;
    value.dyn_into().map_err(|thrown| open_error(&thrown))
}

fn slot_name(number: u32) -> String {
    format!("slot-{number:02}")
}

/// The number in a slot's name; `None` for names that belong to nobody.
fn slot_number(name: &str) -> Option<u32> {
    let number = name.strip_prefix("slot-")?.parse().ok()?;
    (number < 1000 && slot_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::{slot_name, slot_number};

    #[test]
    fn names_and_numbers() {
        for number in [0, 7, 10, 99, 100, 999] {
            assert_eq!(slot_number(&slot_name(number)), Some(number));
        }
        for name in ["", "slot-", "slot-1", "slot-001", "slot-+1", "slot-1000", "slot-01.tmp"] {
            assert_eq!(slot_number(name), None, "{name}");
        }
    }
}
