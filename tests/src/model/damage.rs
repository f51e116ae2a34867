//! Bits that change: whatever is answered is right or an error, and what is found is a state that once was.

use bitcask_core::{Entry, Options, Recovery, Store};

use super::faulty::Fault;
use super::life::{Checked, Life, full};
use super::machine::Machine;
use super::state::{KEYS, Span, State, Value};

impl<S: Machine> Life<S> {
    /// Whether a bit was changed by now.
    pub(super) fn notice_flips(&mut self) -> bool {
        let counts = self.machine.counts();
        self.flipped |= 0 < counts.flips;
        // In a read nobody knows where.
        self.flip_may_hide |= self.flipped && counts.flipped == (0, 0);
        self.flipped
    }

    /// A bit of what is durable changes under the store.
    pub(super) fn rot(&mut self) -> Checked {
        if !self.machine.rot() {
            return Ok(());
        }
        self.notice_flips();
        // Two sorts of damage look like what a crash leaves, and are told by nothing else: a record at the end of the log that nothing
        // vouches for, which is cut, and told, after a merge may have dropped what it superseded; and a merge's output whose
        // inputs are still there, which count again.
        let (segment, place) = self.machine.counts().flipped;
        let stats = self.store()?.stats();
        let is_output = stats.segments.iter().any(|s| s.is_merge && s.id.0 == segment);
        self.flip_may_hide |= is_output || place < 72;
        let told = self.outcome.flips_told;
        self.check_all_keys()?;
        let merged = self.store()?.merge(&full(), &mut |_| bitcask_core::Go::On);
        self.excused(merged)?;
        self.check_all_keys()?;
        // Told once is enough to be counted.
        self.outcome.flips_told = self.outcome.flips_told.min(told + 1);
        Ok(())
    }

    /// Every key is what it was, or an error.
    fn check_all_keys(&mut self) -> Checked {
        (0..KEYS.len()).try_for_each(|key| self.check_key(key as u8))
    }

    /// The end of a life in which a bit was changed: what the next one finds.
    pub(super) fn after_a_flip(&mut self) -> Checked {
        self.let_go();
        self.machine.power_on(Fault::None);
        let opened = Store::open(self.machine.clone(), self.setup.options());
        let store = match opened {
            Ok(store) => store,
            Err(error) if error.is_damage() => {
                self.outcome.flips_refused += 1;
                let options =
                    Options::default().index(self.setup.index).recovery(Recovery::Salvage);
                // Nothing is left to be salvaged where the only segment lost its header.
                return match Store::open(self.machine.clone(), options) {
                    Ok(store) => self.check_salvaged(&store),
                    Err(error) if error.is_damage() => Ok(()),
                    Err(error) => Err(format!("salvage: {error}")),
                };
            }
            Err(error) => return Err(format!("opening after a bit was changed: {error}")),
        };
        self.outcome.lives += 1;
        let answers: Vec<_> = KEYS.iter().map(|key| store.get_entry(key)).collect();
        if answers.iter().any(|answer| answer.as_ref().is_err_and(|error| !error.is_damage())) {
            return Err(format!("after a bit was changed: {answers:?}"));
        }
        check_lent(&store, &answers)?;
        let told = answers.iter().any(Result::is_err);
        self.outcome.flips_told += u64::from(told);
        self.outcome.flips_unseen += u64::from(!told);
        let answers: Vec<_> = answers.into_iter().map(Result::ok).collect();
        let now_ms = self.now_ms;
        let agrees = |state: &&State| {
            answers.iter().enumerate().all(|(key, answer)| match answer {
                None => true,
                Some(entry) => is_item(state, key as u8, entry.as_ref(), now_ms),
            })
        };
        if self.flip_may_hide || !store.recovery().cuts.is_empty() {
            return self.check_each(&answers);
        }
        let states = std::iter::once(&self.now).chain(&self.maybe).chain(&self.candidates);
        if states.chain(self.history.iter().rev()).any(|state| agrees(&state)) {
            return Ok(());
        }
        let flipped = self.machine.counts().flipped;
        Err(format!(
            "after a bit was changed, {flipped:?}: {answers:?}\nwhich never was; {:?} was",
            self.now
        ))
    }

    /// Each key is missing, or holds what it once held.
    fn check_each(&self, answers: &[Option<Option<Entry>>]) -> Checked {
        for (key, entry) in answers.iter().enumerate() {
            let Some(Some(entry)) = entry else { continue };
            if KEYS[key] != entry.key || !self.was_written(entry) {
                return Err(format!("after a bit was changed: {entry:?}, which never was"));
            }
        }
        Ok(())
    }

    /// Each entry was written once: salvage may show an older one, or a part of a batch.
    fn check_salvaged(&mut self, store: &Store<S>) -> Checked {
        for lends in [false, true] {
            let mut scan = store.scan(Span::default().range());
            let mut next = || match lends {
                true => scan.lend().map(|lent| lent.map(|lent| lent.to_entry())),
                false => scan.next(),
            };
            while let Some(entry) = next() {
                match entry {
                    Ok(entry) if self.was_written(&entry) => {}
                    Ok(entry) => return Err(format!("salvage serves {entry:?}, which never was")),
                    Err(error) if error.is_damage() => {}
                    Err(error) => return Err(format!("salvage: {error}")),
                }
            }
        }
        Ok(())
    }

    fn was_written(&self, entry: &Entry) -> bool {
        let is_it = |(key, value): &(u8, Value)| {
            KEYS[usize::from(*key)] == entry.key && value.is(&entry.value)
        };
        self.written.iter().any(is_it)
    }
}

/// What a scan lends is what the key answers: nothing where that is an error.
fn check_lent<S: Machine>(
    store: &Store<S>,
    answers: &[bitcask_core::Result<Option<Entry>>],
) -> Checked {
    let mut scan = store.scan(Span::default().range());
    while let Some(lent) = scan.lend() {
        let Ok(lent) = lent.map(|lent| lent.to_entry()) else { continue };
        let mut same = answers.iter().zip(KEYS).filter(|(_, key)| *key == lent.key);
        if !same.any(|(answer, _)| matches!(answer, Ok(Some(entry)) if *entry == lent)) {
            return Err(format!("after a bit was changed a scan lends {lent:?}: {answers:?}"));
        }
    }
    Ok(())
}

fn is_item(state: &State, key: u8, entry: Option<&Entry>, now_ms: u64) -> bool {
    match (state.get(key, now_ms), entry) {
        (None, None) => true,
        (Some(item), Some(entry)) => item.without_version().is(key, entry),
        _ => false,
    }
}
