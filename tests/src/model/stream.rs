//! Exports, and imports of them.

use bitcask_core::{Batch, Bytes, Importer, Memory, Options, Store, WriteOptions};

use super::life::{Checked, Life};
use super::machine::Machine;
use super::state::{Item, Span, State};

/// What was exported: the chunks of the stream, and the entries in its order.
pub(super) struct Stream {
    chunks: Vec<Bytes>,
    items: Vec<(u8, Item)>,
}

impl<S: Machine> Life<S> {
    /// Exports a range, and reads back what came out.
    pub(super) fn export(&mut self, span: &Span) -> Checked {
        let (export, mut expected) = (self.store()?.export(span.range()), self.now.scan(span));
        let chunks: bitcask_core::Result<Vec<Bytes>> = export.collect();
        let Some(chunks) = self.excused(chunks)? else { return Ok(()) };
        let now_ms = self.now_ms;
        let items: Vec<_> = std::iter::from_fn(|| expected.next(now_ms)).collect();
        let batches = batches(&chunks)?;
        let entries: usize = batches.iter().map(Batch::len).sum();
        if entries != items.len() {
            return Err(format!("an export holds {entries} entries where {items:?} should be"));
        }
        if self.looks() {
            check_copy(&batches, &items, now_ms)?;
        }
        self.outcome.exports += 1;
        self.streams.truncate(3);
        self.streams.push(Stream { chunks, items });
        Ok(())
    }

    /// Imports a stream that was exported earlier, over what is there.
    pub(super) fn import(&mut self, which: u8) -> Checked {
        if self.streams.is_empty() {
            return Ok(());
        }
        let stream = self.streams.remove(usize::from(which) % self.streams.len());
        let mut items = stream.items.iter();
        for batch in batches(&stream.chunks)? {
            let mut after = self.now.clone();
            for (key, item) in items.by_ref().take(batch.len()) {
                after.0.insert(*key, Item { version: None, ..*item });
            }
            self.write_batch(&batch, after, false)?;
            if self.machine.is_off() {
                return Ok(());
            }
        }
        self.outcome.imports += 1;
        self.streams.push(stream);
        Ok(())
    }
}

fn batches(chunks: &[Bytes]) -> Checked<Vec<Batch>> {
    let wrong = |error: bitcask_core::Error| format!("importing an export: {error}");
    let (mut importer, mut batches) = (Importer::new(), Vec::new());
    for chunk in chunks {
        importer.push(chunk);
        while let Some(batch) = importer.next_batch().map_err(wrong)? {
            batches.push(batch);
        }
    }
    importer.finish().map_err(wrong)?;
    Ok(batches)
}

/// A store of nothing but the import.
fn check_copy(batches: &[Batch], items: &[(u8, Item)], now_ms: u64) -> Checked {
    let wrong = |error: bitcask_core::Error| format!("a copy: {error}");
    let memory = Memory::new(1);
    memory.set_now_ms(now_ms);
    let store = Store::open(memory, Options::default()).map_err(wrong)?;
    for batch in batches {
        store.write(batch, &WriteOptions::default()).map_err(wrong)?;
    }
    let entries: bitcask_core::Result<Vec<_>> = store.scan(Span::default().range()).collect();
    let entries = entries.map_err(wrong)?;
    let mut state = State::default();
    for (key, item) in items {
        state.0.insert(*key, Item { version: None, ..*item });
    }
    match state.is(&entries, now_ms) {
        true => Ok(()),
        false => Err(format!("a copy holds {entries:?} where {items:?} should be")),
    }
}
