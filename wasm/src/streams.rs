//! Values and whole stores in parts.

use bitcask_core::{Batch, Error, ImportReport, Importer, Range, Store, WriteOptions};
use js_sys::{BigInt, Object, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::{Answer, Engine};
use crate::fault::{Fault, set};
use crate::held::Thing;
use crate::place::Place;

/// An import that is under way.
pub(crate) struct Import {
    importer: Importer,
    /// Checks only.
    check: bool,
    /// For which no segment was ready.
    stuck: Option<Batch>,
}

#[wasm_bindgen]
impl Engine {
    /// Opens a value for reading in parts, in a snapshot or (0) of now; 0 where there is no such key.
    ///
    /// # Errors
    ///
    /// As [`Engine::get`]; `INVALID`: there is no such snapshot.
    #[wasm_bindgen(js_name = valueOpen)]
    pub fn value_open(&self, key: &[u8], snapshot: u32) -> Result<u32, JsValue> {
        let store = self.store()?;
        let mut held = self.held.borrow_mut();
        let value = match snapshot {
            0 => store.value(key),
            id => held.snapshot(id)?.value(key),
        };
        let Some(value) = value.map_err(Fault::from)? else { return Ok(0) };
        Ok(held.add(Thing::Value(value)))
    }

    /// The next part of a value, of at most so many bytes; nothing at its end, where it is closed by itself.
    ///
    /// # Errors
    ///
    /// `DAMAGED`: instead of the last part, where the value is not what was written, and no part of it was to be believed.
    /// `INVALID`: there is no such value. `IO`.
    #[wasm_bindgen(js_name = valueNext)]
    pub fn value_next(&self, id: u32, bytes_max: u32) -> Result<Option<Uint8Array>, JsValue> {
        self.store()?;
        let mut held = self.held.borrow_mut();
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let part = held.value(id)?.next_part(bytes_max).map_err(Fault::from)?;
        if part.is_none() {
            held.remove(id);
        }
        Ok(part.map(|part| Uint8Array::from(&*part)))
    }

    /// Closes a value.
    #[wasm_bindgen(js_name = valueClose)]
    pub fn value_close(&self, id: u32) {
        self.let_go_of(id);
    }

    /// Begins a value that is put together from parts. Nothing is written before it is committed.
    ///
    /// # Errors
    ///
    /// `CLOSED`.
    #[wasm_bindgen(js_name = valueBegin)]
    pub fn value_begin(&self) -> Result<u32, JsValue> {
        self.store()?;
        Ok(self.held.borrow_mut().add(Thing::Parts(Vec::new())))
    }

    /// Adds a part.
    ///
    /// # Errors
    ///
    /// `INVALID`: there is no such value. `LIMIT`: it becomes larger than memory.
    #[wasm_bindgen(js_name = valuePush)]
    pub fn value_push(&self, id: u32, bytes: &[u8]) -> Result<(), JsValue> {
        self.store()?;
        let mut held = self.held.borrow_mut();
        let value = held.parts(id)?;
        value
            .try_reserve(bytes.len())
            .map_err(|_| Fault::from(Error::Limit("a value larger than this platform's memory")))?;
        value.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes the value under a key and returns its version. After an error the value is still there, to be tried again.
    ///
    /// # Errors
    ///
    /// As [`Engine::put`]; `INVALID`: there is no such value.
    #[wasm_bindgen(js_name = valueCommit)]
    pub fn value_commit(
        &self,
        id: u32,
        key: &[u8],
        expires_at_ms: f64,
        durability: u8,
    ) -> Result<u64, JsValue> {
        let mut held = self.held.borrow_mut();
        let version = self.written(key, held.parts(id)?, expires_at_ms, durability)?;
        held.remove(id);
        Ok(version)
    }

    /// Gives a value up that was begun.
    #[wasm_bindgen(js_name = valueAbort)]
    pub fn value_abort(&self, id: u32) {
        self.let_go_of(id);
    }

    /// Begins an export of the store as it is now or (not 0) as a snapshot shows it.
    ///
    /// # Errors
    ///
    /// `CLOSED`; `INVALID`: there is no such snapshot.
    #[wasm_bindgen(js_name = exportOpen)]
    pub fn export_open(&self, snapshot: u32) -> Result<u32, JsValue> {
        let store = self.store()?;
        let mut held = self.held.borrow_mut();
        let export = match snapshot {
            0 => store.export(Range::all()),
            id => held.snapshot(id)?.export(Range::all()),
        };
        Ok(held.add(Thing::Export(export)))
    }

    /// The next bytes of an export; nothing at its end, where it is closed by itself.
    ///
    /// # Errors
    ///
    /// `DAMAGED`, `IO`: the export is closed, and what came is no whole stream. `INVALID`: there is no such export.
    #[wasm_bindgen(js_name = exportNext)]
    pub fn export_next(&self, id: u32) -> Result<Option<Uint8Array>, JsValue> {
        self.store()?;
        let mut held = self.held.borrow_mut();
        let next = held.export(id)?.next().transpose();
        if !matches!(next, Ok(Some(_))) {
            held.remove(id);
        }
        Ok(next.map_err(Fault::from)?.map(|chunk| Uint8Array::from(&*chunk)))
    }

    /// Gives an export up.
    #[wasm_bindgen(js_name = exportClose)]
    pub fn export_close(&self, id: u32) {
        self.let_go_of(id);
    }

    /// Begins an import, or a check of a stream that writes nothing.
    ///
    /// # Errors
    ///
    /// `CLOSED`.
    #[wasm_bindgen(js_name = importOpen)]
    pub fn import_open(&self, check: bool) -> Result<u32, JsValue> {
        self.store()?;
        let import = Import { importer: Importer::new(), check, stuck: None };
        Ok(self.held.borrow_mut().add(Thing::Import(import)))
    }

    /// Takes the next bytes of a stream, and writes the entries that are whole and right.
    ///
    /// # Errors
    ///
    /// `DAMAGED`: what came is not what was exported; what was right before it is written. `BUSY`: nothing was taken. Else as
    /// [`Engine::put`]. `INVALID`: there is no such import.
    #[wasm_bindgen(js_name = importPush)]
    pub fn import_push(&self, id: u32, bytes: &[u8]) -> Result<(), JsValue> {
        let store = self.store()?;
        let mut held = self.held.borrow_mut();
        let import = held.import(id)?;
        import.write_stuck(&store)?;
        import.importer.push(bytes);
        Ok(import.write_ready(&store)?)
    }

    /// Ends an import, and says what the stream held: `{entries, bytes, version}`.
    ///
    /// # Errors
    ///
    /// `DAMAGED`: the stream is not whole. `BUSY`: call it again. `INVALID`: there is no such import.
    #[wasm_bindgen(js_name = importFinish)]
    pub fn import_finish(&self, id: u32) -> Result<Object, JsValue> {
        let store = self.store()?;
        let mut held = self.held.borrow_mut();
        let import = held.import(id)?;
        import.write_stuck(&store)?;
        import.write_ready(&store)?;
        import.write_stuck(&store)?;
        let importer = std::mem::take(&mut import.importer);
        held.remove(id);
        Ok(report(&importer.finish().map_err(Fault::from)?))
    }

    /// Gives an import up. What was written stays.
    #[wasm_bindgen(js_name = importClose)]
    pub fn import_close(&self, id: u32) {
        self.let_go_of(id);
    }
}

impl Import {
    /// Writes what is ready. Where no segment is, the rest waits for the next call.
    fn write_ready(&mut self, store: &Store<Place>) -> Answer<()> {
        while self.stuck.is_none() {
            let Some(batch) = self.importer.next_batch()? else { break };
            if self.check {
                continue;
            }
            match store.write(&batch, &WriteOptions::default()) {
                Err(error) if Fault::from(&error).code == "BUSY" => self.stuck = Some(batch),
                written => drop(written?),
            }
        }
        Ok(())
    }

    fn write_stuck(&mut self, store: &Store<Place>) -> Answer<()> {
        if let Some(batch) = &self.stuck {
            store.write(batch, &WriteOptions::default())?;
            self.stuck = None;
        }
        Ok(())
    }
}

fn report(report: &ImportReport) -> Object {
    let object = Object::new();
    set(&object, "entries", report.entries as f64);
    set(&object, "bytes", report.bytes as f64);
    set(&object, "version", BigInt::from(report.sequence));
    object
}
