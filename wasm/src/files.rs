//! [`Files`]: files of a folder that JavaScript gives, as the engine's [`Storage`].

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use bitcask_core::{SegmentId, Storage};

use crate::error::{io_error, whole};
use crate::handle::{self, FolderShape, Handle};
use crate::segment::{FileSegment, Memory, Readers};
use crate::slot::{Growth, Slot};

/// A store's folder outside of OPFS: Node's files, memory, or the copy of what IndexedDB holds. The JavaScript side
/// names the files, takes the lock, and knows what is durable when.
#[derive(Debug)]
pub struct Files {
    folder: FolderShape,
    clock: Option<js_sys::Function>,
    /// Segments that somebody holds: a file is opened once.
    open: RefCell<Vec<(SegmentId, Readers)>>,
    closed: Cell<bool>,
    growth: Rc<Growth>,
    memory: Rc<Memory>,
}

impl Files {
    /// Takes a folder. Nothing is opened yet.
    #[must_use]
    pub fn new(folder: FolderShape) -> Files {
        let clock = folder.clock();
        Files {
            folder,
            clock,
            open: RefCell::default(),
            closed: Cell::new(false),
            growth: Rc::default(),
            memory: Rc::default(),
        }
    }

    /// How many files are open.
    #[must_use]
    pub fn handles(&self) -> usize {
        self.open.borrow().iter().filter(|(_, readers)| !readers.are_gone()).count()
    }

    /// Closes all files; so does dropping it and all its segments. Nothing is flushed. From here on every call on
    /// it and on its segments is an error.
    pub fn close(&self) {
        self.closed.set(true);
        for (_, readers) in std::mem::take(&mut *self.open.borrow_mut()) {
            if let Some(segment) = readers.segment() {
                segment.close();
            }
        }
    }

    /// Forgets what was read: see [`Opfs::forget_bytes`](crate::Opfs::forget_bytes).
    pub(crate) fn forget_bytes(&self) {
        self.memory.forget();
    }

    fn check_open(&self) -> io::Result<()> {
        match self.closed.get() {
            true => {
                Err(io::Error::new(io::ErrorKind::NotConnected, "the store's folder was closed"))
            }
            false => Ok(()),
        }
    }

    fn slot(&self, opened: Result<Handle, wasm_bindgen::JsValue>) -> io::Result<Rc<Slot>> {
        let handle = opened.map_err(|thrown| io_error(&thrown))?;
        Ok(Rc::new(Slot::new(handle, Rc::clone(&self.growth))?))
    }

    fn hold(&self, id: SegmentId, segment: FileSegment) -> FileSegment {
        self.forget_segment(id);
        self.open.borrow_mut().push((id, segment.readers()));
        segment
    }

    /// The segment, where somebody holds it.
    fn held(&self, id: SegmentId) -> Option<FileSegment> {
        let open = self.open.borrow();
        open.iter().find(|(held, _)| *held == id)?.1.segment()
    }

    fn forget_segment(&self, id: SegmentId) {
        self.open.borrow_mut().retain(|(held, _)| *held != id);
    }
}

impl Storage for Files {
    type Segment = FileSegment;

    fn list(&self) -> io::Result<Vec<SegmentId>> {
        self.check_open()?;
        let ids = self.folder.list().map_err(|thrown| io_error(&thrown))?;
        ids.iter().map(|id| Ok(SegmentId(whole(id.as_f64().unwrap_or(f64::NAN))?))).collect()
    }

    fn create(&self, id: SegmentId) -> io::Result<FileSegment> {
        self.check_open()?;
        let slot = self.slot(self.folder.create(number(id)?))?;
        Ok(self.hold(id, FileSegment::created(slot, &self.memory)))
    }

    fn open(&self, id: SegmentId) -> io::Result<FileSegment> {
        self.check_open()?;
        if let Some(segment) = self.held(id) {
            return Ok(segment);
        }
        let slot = self.slot(self.folder.open(number(id)?))?;
        Ok(self.hold(id, FileSegment::found(slot, &self.memory)))
    }

    fn remove(&self, id: SegmentId) -> io::Result<()> {
        self.check_open()?;
        self.folder.remove(number(id)?).map_err(|thrown| io_error(&thrown))?;
        // Who holds it reads on.
        self.forget_segment(id);
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        let asked = self.clock.as_ref().and_then(|clock| clock.call0(&self.folder).ok());
        match asked.and_then(|now| now.as_f64()) {
            Some(now) => whole(now.floor()).unwrap_or(0),
            None => handle::now_ms(),
        }
    }

    fn random(&self) -> u64 {
        handle::random()
    }
}

/// An id as JavaScript has numbers: exact below 2⁵³.
fn number(id: SegmentId) -> io::Result<f64> {
    let number = id.0 as f64;
    match whole(number) {
        Ok(same) if same == id.0 => Ok(number),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "an id beyond 2^53")),
    }
}
