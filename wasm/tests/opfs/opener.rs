//! What the package's `folder/opfs.ts` does for pages: opens the files of a pool, and those that it wants between two calls.

use std::io;
use std::ops::Deref;

use bitcask_core::{SegmentId, Storage};
use bitcask_wasm::{Engine, EngineOptions, FileSegment, Handle, Opfs};
use js_sys::{Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemSyncAccessHandle, WorkerGlobalScope,
};

/// How often a slot is tried that was closed just now.
const TRIES: usize = 100;

/// The folder of all stores.
pub(crate) async fn root() -> FileSystemDirectoryHandle {
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    let root = JsFuture::from(global.navigator().storage().get_directory()).await.unwrap();
    folder_in(&root.unchecked_into(), "mini-bitcask").await
}

async fn folder_in(parent: &FileSystemDirectoryHandle, name: &str) -> FileSystemDirectoryHandle {
    let create = FileSystemGetDirectoryOptions::new();
    create.set_create(true);
    let folder = parent.get_directory_handle_with_options(name, &create);
    JsFuture::from(folder).await.unwrap().unchecked_into()
}

/// A pool, and the name of the folder that its slots are in.
#[derive(Debug)]
pub(crate) struct Folder {
    name: String,
    opfs: Opfs,
}

impl Folder {
    /// Opens all slots of the folder of this name, and creates what is missing. What the browser threw where that fails.
    pub(crate) async fn open(name: &str) -> Result<Folder, JsValue> {
        let opfs = opened(name).await?;
        let folder = Folder { name: name.to_owned(), opfs };
        folder.prepare().await.unwrap();
        Ok(folder)
    }

    /// Opens what is wanted; says how many slots are free then.
    pub(crate) async fn prepare(&self) -> io::Result<usize> {
        let wanted = self.opfs.wanted()?;
        let (numbers, handles) = reopened(&self.name, &wanted).await;
        self.opfs.add(wanted.len() as u32, &numbers, handles)
    }
}

impl Deref for Folder {
    type Target = Opfs;

    fn deref(&self) -> &Opfs {
        &self.opfs
    }
}

impl Storage for Folder {
    type Segment = FileSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        self.opfs.list()
    }

    fn create(&self, id: SegmentId) -> io::Result<FileSegment> {
        self.opfs.create(id)
    }

    fn open(&self, id: SegmentId) -> io::Result<FileSegment> {
        self.opfs.open(id)
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        self.opfs.remove(id)
    }

    fn now_ms(&self) -> u64 {
        self.opfs.now_ms()
    }

    fn random(&self) -> u64 {
        self.opfs.random()
    }
}

/// An engine on the folder of this name.
pub(crate) async fn open_engine(name: &str, options: EngineOptions) -> Engine {
    let Folder { opfs, .. } = Folder::open(name).await.unwrap();
    let engine = Engine::open_opfs(opfs, options).unwrap();
    prepare(&engine, name).await;
    engine
}

/// Opens what an engine wants.
pub(crate) async fn prepare(engine: &Engine, name: &str) {
    let wanted = engine.slots_wanted().unwrap();
    let (numbers, handles) = reopened(name, &wanted).await;
    engine.add_slots(wanted.len() as u32, &numbers, handles).unwrap();
}

async fn opened(name: &str) -> Result<Opfs, JsValue> {
    let folder = folder_in(&root().await, name).await;
    // The first slot alone before the others: of two who open at a time, one gets all of them.
    let first = handles(&folder, &[0]).await?;
    let numbers = numbers(&folder).await;
    match handles(&folder, numbers.get(1..).unwrap()).await {
        Ok(others) => Opfs::of(&numbers, [first, others].concat()),
        Err(thrown) => {
            close(first);
            Err(thrown)
        }
    }
}

/// The numbers of the slots that there are, and of those that a new store begins with.
async fn numbers(folder: &FileSystemDirectoryHandle) -> Vec<u32> {
    let names = folder.keys();
    let mut numbers: Vec<u32> = (0..8).collect();
    loop {
        let next = JsFuture::from(names.next().unwrap()).await.unwrap();
        let Some(name) = Reflect::get(&next, &"value".into()).unwrap().as_string() else { break };
        numbers.extend(name.strip_prefix("slot-").and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Handles of slots: all of them or none.
async fn handles(
    folder: &FileSystemDirectoryHandle,
    numbers: &[u32],
) -> Result<Vec<Handle>, JsValue> {
    let create = FileSystemGetFileOptions::new();
    create.set_create(true);
    let name = |number: &u32| format!("slot-{number:02}");
    let files = numbers
        .iter()
        .map(|number| folder.get_file_handle_with_options(&name(number), &create))
        .collect::<Vec<Promise>>();
    let (mut opening, mut opened, mut failure) = (Vec::new(), Vec::new(), None);
    for file in files {
        match JsFuture::from(file).await.map(JsCast::unchecked_into::<FileSystemFileHandle>) {
            Ok(file) => opening.push(file.create_sync_access_handle()),
            Err(thrown) => failure = Some(thrown),
        }
    }
    for handle in opening {
        match JsFuture::from(handle).await {
            Ok(handle) => opened.push(handle),
            Err(thrown) => failure = Some(thrown),
        }
    }
    let Some(thrown) = failure else {
        return Ok(opened.into_iter().map(JsCast::unchecked_into).collect());
    };
    close(opened.into_iter().map(JsCast::unchecked_into).collect());
    Err(thrown)
}

fn close(handles: Vec<Handle>) {
    for handle in handles {
        handle.unchecked_into::<FileSystemSyncAccessHandle>().close();
    }
}

/// Those of some slots that can be had, which may have been closed just now, with their handles.
async fn reopened(name: &str, numbers: &[u32]) -> (Vec<u32>, Vec<Handle>) {
    let mut opened = (Vec::new(), Vec::new());
    if numbers.is_empty() {
        return opened;
    }
    let folder = folder_in(&root().await, name).await;
    for number in numbers {
        for _ in 0..TRIES {
            if let Ok(handles) = handles(&folder, &[*number]).await {
                opened.0.push(*number);
                opened.1.extend(handles);
                break;
            }
        }
    }
    opened
}
