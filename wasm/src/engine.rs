//! [`Engine`]: a store as JavaScript sees it. Thin: what it does is elsewhere.

use std::cell::RefCell;
use std::rc::Rc;

use bitcask_core::{
    Batch, Durability, Error, Keys, MergePolicy, MergeStep, Options, Storage, Store,
};
use js_sys::{Object, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::whole;
use crate::fault::Fault;
use crate::feed;
use crate::files::Files;
use crate::handle::{FolderShape, Handle};
use crate::held::{Held, Thing};
use crate::opfs::Opfs;
use crate::options::{EngineOptions, chosen, write_options};
use crate::place::{Place, write_where_room_is};
use crate::ranges::{self, Cursor, Part};
use crate::report;
use crate::run::{self, On};

/// One open store. All calls are synchronous; all throw an `Error` with the fields
/// `code`, `message`, and where they are known `advice`, `segment` and `offset`.
#[wasm_bindgen]
pub struct Engine {
    store: RefCell<Option<Rc<Store<Place>>>>,
    pub(crate) held: RefCell<Held>,
    recovery: Object,
    always: bool,
}

pub(crate) type Answer<T> = Result<T, Fault>;

#[wasm_bindgen]
impl Engine {
    /// Opens a store in the Origin Private File System, whose slots are open, three of them free.
    ///
    /// # Errors
    ///
    /// `NO_STORE`, `DAMAGED`, `VERSION`, `QUOTA`, `INVALID`, `IO`; the slots are closed then.
    #[wasm_bindgen(js_name = openOpfs)]
    pub fn open_opfs(slots: Opfs, options: EngineOptions) -> Result<Engine, JsValue> {
        Ok(Engine::open(Place::Opfs(slots), chosen(&options)?)?)
    }

    /// Opens a store in a folder that JavaScript gives.
    ///
    /// # Errors
    ///
    /// As [`Engine::open_opfs`].
    #[wasm_bindgen(js_name = openFolder)]
    pub fn open_folder(folder: FolderShape, options: EngineOptions) -> Result<Engine, JsValue> {
        Ok(Engine::open(Place::Files(Files::new(folder)), chosen(&options)?)?)
    }

    /// What opening found and did.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn recovery(&self) -> Object {
        self.recovery.clone()
    }

    /// Runs many calls at once and returns their replies.
    ///
    /// # Errors
    ///
    /// Only for a frame that makes no sense, of which nothing was done, and on a closed engine.
    pub fn run(&self, frame: &[u8]) -> Result<Vec<u8>, JsValue> {
        let store = self.store()?;
        let held = self.held.borrow();
        let on = On { store: &store, held: &held, always: self.always };
        Ok(run::run(&on, frame)?)
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// `DAMAGED`, `IO`, `CLOSED`; so for all reads.
    pub fn get(&self, key: &[u8]) -> Result<Option<Uint8Array>, JsValue> {
        let value = self.store()?.get(key).map_err(Fault::from)?;
        Ok(value.map(|value| Uint8Array::from(&*value)))
    }

    /// A key's value, version and expiry as a frame's reply has them.
    ///
    /// # Errors
    ///
    /// As [`Engine::get`].
    #[wasm_bindgen(js_name = getEntry)]
    pub fn get_entry(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JsValue> {
        let entry = self.store()?.get_entry(key).map_err(Fault::from)?;
        Ok(entry.map(run::entry_reply).transpose().map_err(Fault::invalid)?)
    }

    /// Whether a key is there.
    ///
    /// # Errors
    ///
    /// As [`Engine::get`].
    pub fn has(&self, key: &[u8]) -> Result<bool, JsValue> {
        Ok(self.store()?.contains(key).map_err(Fault::from)?)
    }

    /// Writes a value and returns its version. Expiry in milliseconds since 1970, 0: never. Durability: 0 the store's,
    /// 1 none, 2 interval, 3 always.
    ///
    /// # Errors
    ///
    /// `QUOTA`, `BUSY`: nothing was written. `POISONED`, `READ_ONLY`, `INVALID`, `LIMIT`, `CLOSED`, `DAMAGED`, `IO`; so for
    /// all writes.
    pub fn put(
        &self,
        key: &[u8],
        value: &[u8],
        expires_at_ms: f64,
        durability: u8,
    ) -> Result<u64, JsValue> {
        Ok(self.written(key, value, expires_at_ms, durability)?)
    }

    /// Deletes a key; says whether it was there.
    ///
    /// # Errors
    ///
    /// As [`Engine::put`].
    pub fn delete(&self, key: &[u8], durability: u8) -> Result<bool, JsValue> {
        let options = write_options(durability, 0.0)?;
        let store = self.store()?;
        let deleted = store.storage().urgently(|| store.delete_with(key, &options));
        Ok(deleted.map_err(Fault::from)?)
    }

    /// Begins a scan of a range, in a snapshot or (0) of now.
    ///
    /// # Errors
    ///
    /// `INVALID`: the range makes no sense, or there is no such snapshot. `CLOSED`.
    #[wasm_bindgen(js_name = scanOpen)]
    pub fn scan_open(&self, bounds: &[u8], snapshot: u32) -> Result<u32, JsValue> {
        let cursor = self.scan(bounds, snapshot)?;
        Ok(self.held.borrow_mut().add(Thing::Scan(cursor)))
    }

    /// The next entries: `u32 count · u8 done`, then each: `u16 key_len · u32 value_len · key · value`. After the last one the
    /// scan is closed.
    ///
    /// # Errors
    ///
    /// `INVALID`: there is no such scan. A record that cannot be read is an error in its place; the next call goes
    /// on behind it.
    #[wasm_bindgen(js_name = scanNext)]
    pub fn scan_next(&self, id: u32, max_entries: u32, max_bytes: u32) -> Result<Vec<u8>, JsValue> {
        self.store()?;
        let mut held = self.held.borrow_mut();
        let cursor = held.scan(id)?;
        let bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        let (page, done) = cursor.page(max_entries, bytes).map_err(Fault::from)?;
        if done {
            held.remove(id);
        }
        Ok(page)
    }

    /// Closes a scan; one that came to its end is closed already.
    #[wasm_bindgen(js_name = scanClose)]
    pub fn scan_close(&self, id: u32) {
        self.let_go_of(id);
    }

    /// How many keys are in a range.
    ///
    /// # Errors
    ///
    /// As [`Engine::scan_open`], and as [`Engine::get`].
    pub fn count(&self, bounds: &[u8], snapshot: u32) -> Result<f64, JsValue> {
        let mut count: u64 = 0;
        for key in self.keys(bounds, snapshot)? {
            key.map_err(Fault::from)?;
            count += 1;
        }
        Ok(count as f64)
    }

    /// Deletes the first keys of a range, at most so many, in one batch; returns how many.
    ///
    /// # Errors
    ///
    /// As [`Engine::put`], and [`Engine::scan_open`].
    pub fn clear(&self, bounds: &[u8], max_keys: u32, durability: u8) -> Result<u32, JsValue> {
        let options = write_options(durability, 0.0)?;
        let keys = self.keys(bounds, 0)?;
        let mut batch = Batch::new();
        for key in keys.take(usize::try_from(max_keys).unwrap_or(usize::MAX)) {
            batch.delete(&key.map_err(Fault::from)?).map_err(Fault::from)?;
        }
        let store = self.store()?;
        store.storage().urgently(|| store.write(&batch, &options)).map_err(Fault::from)?;
        Ok(crate::frame::low32(batch.len()))
    }

    /// Takes a snapshot.
    ///
    /// # Errors
    ///
    /// `CLOSED`.
    #[wasm_bindgen(js_name = snapshotOpen)]
    pub fn snapshot_open(&self) -> Result<u32, JsValue> {
        let snapshot = self.store()?.snapshot();
        Ok(self.held.borrow_mut().add(Thing::Snapshot(snapshot)))
    }

    /// Lets a snapshot go. Scans of it that are open keep what they need.
    #[wasm_bindgen(js_name = snapshotClose)]
    pub fn snapshot_close(&self, id: u32) {
        self.let_go_of(id);
    }

    /// The number of the last write that a snapshot sees.
    ///
    /// # Errors
    ///
    /// `INVALID`: there is no such snapshot.
    #[wasm_bindgen(js_name = snapshotSequence)]
    pub fn snapshot_sequence(&self, id: u32) -> Result<u64, JsValue> {
        Ok(self.held.borrow().snapshot(id)?.sequence())
    }

    /// The number of the last write.
    ///
    /// # Errors
    ///
    /// `CLOSED`.
    pub fn sequence(&self) -> Result<u64, JsValue> {
        Ok(self.store()?.sequence())
    }

    /// What was written behind a sequence number, in order: `u8 complete · u8 done · u64 next · u32 count`, then each:
    /// `u64 sequence · u8 flags (1 delete, 2 more of the same batch follow, 4 expires) · [u64 expires_at_ms] · u16 key_len ·
    /// u32 value_len · key · value`. Pass `next` to go on.
    ///
    /// # Errors
    ///
    /// `CLOSED`, `IO`. Damage makes it incomplete.
    pub fn changes(
        &self,
        since: u64,
        keys_only: bool,
        max_entries: u32,
        max_bytes: u32,
    ) -> Result<Vec<u8>, JsValue> {
        let bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        let store = self.store()?;
        Ok(feed::page(&store, since, keys_only, max_entries, bytes).map_err(Fault::from)?)
    }

    /// Returns once everything that was written is durable.
    ///
    /// # Errors
    ///
    /// `IO`, and from then on `POISONED`.
    pub fn sync(&self) -> Result<(), JsValue> {
        let store = self.store()?;
        Ok(store.storage().urgently(|| store.sync()).map_err(Fault::from)?)
    }

    /// Seals segments that were rolled, and removes merged ones that no snapshot needs any more; returns how many were sealed.
    ///
    /// # Errors
    ///
    /// `QUOTA`, `DAMAGED`, `IO`.
    #[wasm_bindgen(js_name = sealPending)]
    pub fn seal_pending(&self) -> Result<u32, JsValue> {
        let store = self.store()?;
        let sealed = store.storage().urgently(|| store.seal_pending()).map_err(Fault::from)?;
        Ok(crate::frame::low32(sealed))
    }

    /// Begins a merge or goes on with it: reads about so many bytes. `full` merges whatever is dead, else only what is
    /// worth it. `{state: 'idle' | 'working' | 'merged', bytesRead?, bytesTotal?, report?}`.
    ///
    /// # Errors
    ///
    /// `QUOTA`, `BUSY`: the merge was given up, nothing is lost. `DAMAGED`: so is that segment, which is quarantined. `IO`.
    #[wasm_bindgen(js_name = mergeStep)]
    pub fn merge_step(&self, full: bool, budget_bytes: f64) -> Result<Object, JsValue> {
        let store = self.store()?;
        let policy = if full { MergePolicy::full() } else { MergePolicy::default() };
        let budget = whole(budget_bytes.floor()).unwrap_or(u64::MAX);
        let mut step = store.storage().merging(|| store.merge_step(&policy, budget));
        if step.as_ref().is_err_and(Error::is_full) {
            // There is no room for what it would write. What is dead as a whole needs none, and makes some.
            let dead = all_dead();
            let freed =
                store.storage().merging(|| store.merge_step(&dead, budget)).map_err(Fault::from)?;
            if !matches!(freed, MergeStep::Idle) {
                step = Ok(freed);
            }
        }
        Ok(report::merge_step(&step.map_err(Fault::from)?))
    }

    /// Ends the active segment, if a full merge would free something of it: for the beginning of one.
    ///
    /// # Errors
    ///
    /// As [`Engine::put`], but for `QUOTA`: a merge may help.
    #[wasm_bindgen(js_name = rollForMerge)]
    pub fn roll_for_merge(&self) -> Result<(), JsValue> {
        // Not urgently: with the quota used up the next segment would take the slot that the merge needs.
        match self.store()?.roll_for(&MergePolicy::full()) {
            Err(error) if error.is_full() => Ok(()),
            rolled => Ok(rolled.map(drop).map_err(Fault::from)?),
        }
    }

    /// Begins a verification of every byte of every segment.
    ///
    /// # Errors
    ///
    /// `CLOSED`.
    #[wasm_bindgen(js_name = verifyOpen)]
    pub fn verify_open(&self) -> Result<u32, JsValue> {
        let store = self.store()?;
        let verification = store.verifying().map_err(Fault::from)?;
        Ok(self.held.borrow_mut().add(Thing::Verification(verification)))
    }

    /// Reads about so many bytes more: `{bytesRead, bytesTotal}`, or after the last ones the report, with which the
    /// verification is closed.
    ///
    /// # Errors
    ///
    /// `IO`. Damage stands in the report. `INVALID`: there is no such verification.
    #[wasm_bindgen(js_name = verifyNext)]
    pub fn verify_next(&self, id: u32, budget_bytes: f64) -> Result<Object, JsValue> {
        let store = self.store()?;
        // It is the files that are verified.
        store.storage().forget_bytes();
        let budget = whole(budget_bytes.floor()).unwrap_or(u64::MAX);
        let mut held = self.held.borrow_mut();
        match held.verification(id)?.step(budget).map_err(Fault::from)? {
            Some(progress) => Ok(report::verify_progress(&progress)),
            None => match held.remove(id) {
                Some(Thing::Verification(done)) => Ok(report::verify(&done.finish())),
                _ => Err(Fault::closed().into()),
            },
        }
    }

    /// Gives a verification up.
    #[wasm_bindgen(js_name = verifyClose)]
    pub fn verify_close(&self, id: u32) {
        self.let_go_of(id);
    }

    /// How the store is.
    ///
    /// # Errors
    ///
    /// `CLOSED`.
    pub fn stats(&self) -> Result<Object, JsValue> {
        let store = self.store()?;
        Ok(report::stats(&store.stats(), store.storage().handles()))
    }

    /// The numbers of slots that the next calls may need, to be opened and handed over by [`Engine::add_slots`]. For between two
    /// calls: opening a file takes its time.
    ///
    /// # Errors
    ///
    /// `CLOSED`.
    #[wasm_bindgen(js_name = slotsWanted)]
    pub fn slots_wanted(&self) -> Result<Vec<u32>, JsValue> {
        Ok(self.store()?.storage().wanted().map_err(Fault::of_files)?)
    }

    /// Takes slots by their numbers and open handles: those of so many that were wanted which could be opened. Also none: then it
    /// sees to those that there are.
    ///
    /// # Errors
    ///
    /// `CLOSED`, `IO`; the handles are closed then, and an open store can be used as before.
    #[wasm_bindgen(js_name = addSlots)]
    pub fn add_slots(
        &self,
        asked: u32,
        numbers: &[u32],
        handles: Vec<Handle>,
    ) -> Result<(), JsValue> {
        let store = self.store().inspect_err(|_| {
            for handle in &handles {
                let _ = handle.close();
            }
        })?;
        Ok(store.storage().add(asked, numbers, handles).map_err(Fault::of_files)?)
    }

    /// Syncs, marks the log as complete, and gives all files back, also where that fails. After it every call throws `CLOSED`.
    ///
    /// # Errors
    ///
    /// `IO`, `POISONED`: what was durable before still is.
    pub fn close(&self) -> Result<(), JsValue> {
        let Some(store) = self.let_go() else { return Ok(()) };
        let closed = store.storage().urgently(|| store.close());
        store.storage().close();
        Ok(closed.map_err(Fault::from)?)
    }

    /// Gives all files back without writing anything. After it every call throws `CLOSED`.
    pub fn abandon(&self) {
        if let Some(store) = self.let_go() {
            store.storage().close();
        }
    }
}

impl Engine {
    fn open(place: Place, options: Options) -> Answer<Engine> {
        let created = place.list().is_ok_and(|ids| ids.is_empty());
        let always = options.durability == Durability::Always;
        let store = Store::open(place, options)?;
        let recovery = report::recovery(store.recovery(), created);
        Ok(Engine {
            store: RefCell::new(Some(Rc::new(store))),
            held: RefCell::default(),
            recovery,
            always,
        })
    }

    pub(crate) fn store(&self) -> Answer<Rc<Store<Place>>> {
        self.store.borrow().clone().ok_or_else(Fault::closed)
    }

    /// Ends all calls.
    fn let_go(&self) -> Option<Rc<Store<Place>>> {
        let store = self.store.borrow_mut().take();
        drop(std::mem::take(&mut *self.held.borrow_mut()));
        store
    }

    pub(crate) fn let_go_of(&self, id: u32) {
        drop(self.held.borrow_mut().remove(id));
    }

    fn scan(&self, bounds: &[u8], snapshot: u32) -> Answer<Cursor<Place>> {
        let (range, part) = ranges::decode(bounds).ok_or_else(no_range)?;
        if part == Part::Keys {
            return Ok(Cursor::of_keys(self.keys(bounds, snapshot)?));
        }
        let store = self.store()?;
        let scan = match snapshot {
            0 => store.scan(range),
            id => self.held.borrow().snapshot(id)?.scan(range),
        };
        Ok(Cursor::new(scan, part))
    }

    fn keys(&self, bounds: &[u8], snapshot: u32) -> Answer<Keys<Place>> {
        let range = ranges::decode(bounds).ok_or_else(no_range)?.0;
        let store = self.store()?;
        Ok(match snapshot {
            0 => store.keys(range),
            id => self.held.borrow().snapshot(id)?.keys(range),
        })
    }

    pub(crate) fn written(
        &self,
        key: &[u8],
        value: &[u8],
        expires_at_ms: f64,
        durability: u8,
    ) -> Answer<u64> {
        let options = write_options(durability, expires_at_ms)?;
        let store = self.store()?;
        Ok(write_where_room_is(&store, || store.put_with(key, value, &options))?)
    }
}

fn no_range() -> Fault {
    Fault::invalid("the range makes no sense")
}

/// Merges segments that hold next to nothing that is kept.
fn all_dead() -> MergePolicy {
    let mut policy = MergePolicy::default().dead_ratio(0.95);
    policy.small_ratio = 0.0;
    policy
}
