//! Every short program, with a power cut at every call of its last step, and at every call of the recovery that follows.
//!
//! Where [`Simulation`](crate::model::Simulation) is long and by chance, this is short and leaves nothing out: the rule for tombstones, the commit of a
//! merge, and the order of writes in each call. Programs begin with a [`BEGINNINGS`] and go on with any steps. Of the images that a power
//! cut may leave these are tried: each file as it was synced, as it was written, written by half, or as long but zeros, in
//! every combination.

#![expect(clippy::cast_possible_truncation, reason = "test code: numbers are small")]

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bitcask_core::{
    Batch, Durability, Error, Index, MergePolicy, MergeStep, Options, Range, Storage, Store,
    WriteOptions,
};

use crate::model::{Fault, Faulty, Image};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the call of the engine that bears its name")]
pub enum Act {
    PutA,
    PutB,
    DeleteA,
    /// Puts the second key and deletes the first.
    Batch,
    Sync,
    Roll,
    /// One run of a merge of whatever is dead, with its small neighbours.
    MergeFull,
    /// One run of a merge of what is dead by more than a part, alone: it begins anywhere.
    MergeDead,
    /// One run that joins small neighbours.
    MergeSmall,
    /// A close, and the next opening.
    Reopen,
}

const ACTS: [Act; 10] = [
    Act::PutA,
    Act::PutB,
    Act::DeleteA,
    Act::Batch,
    Act::Sync,
    Act::Roll,
    Act::MergeFull,
    Act::MergeDead,
    Act::MergeSmall,
    Act::Reopen,
];

/// What programs begin with: nothing; a value and its tombstone in segments of their own; and an old value beside one that lives, so that
/// its segment stays.
pub const BEGINNINGS: [&[Act]; 3] = [
    &[],
    &[Act::PutA, Act::Roll, Act::DeleteA, Act::Roll],
    &[Act::PutA, Act::PutB, Act::Roll, Act::PutA, Act::Roll, Act::DeleteA],
];

/// What was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// Programs.
    pub programs: u64,
    /// Power cuts in their last steps.
    pub cuts: u64,
    /// Images that these left, each once.
    pub images: u64,
    /// Power cuts in the recovery of these.
    pub cuts_in_recovery: u64,
    /// Openings that were compared.
    pub openings: u64,
}

impl Tried {
    /// Adds what another part has tried.
    pub fn add(&mut self, other: &Tried) {
        self.programs += other.programs;
        self.cuts += other.cuts;
        self.images += other.images;
        self.cuts_in_recovery += other.cuts_in_recovery;
        self.openings += other.openings;
    }
}

/// Values by key.
type State = BTreeMap<Vec<u8>, Vec<u8>>;

struct Program<'a> {
    acts: &'a [Act],
    index: Index,
    durability: Durability,
}

/// Tries all programs of `len` steps behind a beginning, in one part of `parts`.
///
/// # Errors
///
/// The first that goes wrong, in words.
pub fn run(beginning: &[Act], len: u32, part: u64, parts: u64) -> Result<Tried, String> {
    let mut tried = Tried::default();
    let mut seen = HashSet::new();
    let count = (ACTS.len() as u64).pow(len);
    for number in (0..count).filter(|number| number % parts == part) {
        let mut acts = beginning.to_vec();
        let mut rest = number;
        for _ in 0..len {
            acts.extend(ACTS.get((rest % ACTS.len() as u64) as usize));
            rest /= ACTS.len() as u64;
        }
        let index = if number % 2 == 0 { Index::Hash } else { Index::Ordered };
        for durability in [Durability::None, Durability::Always] {
            let program = Program { acts: &acts, index, durability };
            tried.programs += 1;
            program
                .run(&mut tried, &mut seen)
                .map_err(|what| format!("{acts:?} with {index:?}, {durability:?}: {what}"))?;
        }
    }
    Ok(tried)
}

impl Program<'_> {
    fn run(&self, tried: &mut Tried, seen: &mut HashSet<u64>) -> Result<(), String> {
        let Some(last) = self.acts.len().checked_sub(1) else { return Ok(()) };
        for number in 1.. {
            let machine = Faulty::new(1);
            // Of a name that was not durable, other chances show other things.
            machine.set_chance(number);
            let mut run = Run::open(self, machine)?;
            for act in 0..last {
                run.step(act)?;
            }
            run.machine.set_fault(Fault::Cut(number));
            run.step(last)?;
            if !run.machine.is_off() {
                run.check_in_place()?;
                break;
            }
            tried.cuts += 1;
            run.store = None;
            for image in run.machine.images_after_a_cut() {
                self.recover(&image, &run.allowed, 1, tried, seen)
                    .map_err(|what| format!("cut at call {number} of the last step: {what}"))?;
            }
        }
        Ok(())
    }

    fn options(&self) -> Options {
        Options::default().index(self.index).durability(self.durability).segment_bytes(400)
    }

    /// Opens what a power cut left: with a cut at every call, so many times; in the end one of the states is there.
    fn recover(
        &self,
        image: &Image,
        allowed: &[State],
        cuts: u32,
        tried: &mut Tried,
        seen: &mut HashSet<u64>,
    ) -> Result<(), String> {
        let mut hasher = DefaultHasher::new();
        (image, allowed, cuts, self.index == Index::Hash).hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            return Ok(());
        }
        tried.images += 1;
        for number in 1.. {
            let machine = Faulty::from_image(image, 2);
            machine.set_fault(if cuts == 0 { Fault::None } else { Fault::Cut(number) });
            let opened = Store::open(machine.clone(), self.options());
            if machine.is_off() {
                drop(opened);
                tried.cuts_in_recovery += 1;
                for image in machine.images_after_a_cut() {
                    self.recover(&image, allowed, cuts - 1, tried, seen)
                        .map_err(|what| format!("cut at call {number} of opening: {what}"))?;
                }
                continue;
            }
            let store = opened.map_err(|error| format!("opening: {error}"))?;
            tried.openings += 1;
            let found = state(&store)?;
            if !allowed.contains(&found) {
                return Err(format!("found {found:?} where one of {allowed:?} should be"));
            }
            return Ok(());
        }
        Ok(())
    }
}

/// A program that runs.
struct Run<'a> {
    program: &'a Program<'a>,
    machine: Faulty,
    store: Option<Store<Faulty>>,
    now: State,
    /// What may be found after a power cut: the state at the last moment at which all was durable, and all since.
    allowed: Vec<State>,
}

impl<'a> Run<'a> {
    fn open(program: &'a Program<'a>, machine: Faulty) -> Result<Run<'a>, String> {
        let opened = Store::open(machine.clone(), program.options());
        let store = opened.map_err(|error| format!("opening: {error}"))?;
        let (now, allowed) = (State::new(), vec![State::new()]);
        Ok(Run { program, machine, store: Some(store), now, allowed })
    }

    /// Takes a step. An error is allowed only where the power went.
    fn step(&mut self, place: usize) -> Result<(), String> {
        let Some(act) = self.program.acts.get(place).copied() else { return Ok(()) };
        let value = [place as u8; 60];
        let mut after = self.now.clone();
        match act {
            Act::PutA => drop(after.insert(b"a".to_vec(), value[..10].to_vec())),
            Act::PutB => drop(after.insert(b"b".to_vec(), value.to_vec())),
            Act::DeleteA => drop(after.remove(&b"a"[..])),
            Act::Batch => {
                after.insert(b"b".to_vec(), value.to_vec());
                after.remove(&b"a"[..]);
            }
            _ => {}
        }
        if after != self.now {
            self.allowed.push(after.clone());
        }
        let Some(store) = &self.store else { return Err(String::from("no store")) };
        let done = match act {
            Act::PutA => store.put(b"a", &value[..10]).map(drop),
            Act::PutB => store.put(b"b", &value).map(drop),
            Act::DeleteA => store.delete(b"a").map(drop),
            Act::Batch => batch(store, &value),
            Act::Sync => store.sync(),
            Act::Roll => store.roll().map(drop),
            Act::MergeFull => merge(store, 0.0, 0.5),
            Act::MergeDead => merge(store, 0.3, 0.0),
            Act::MergeSmall => merge(store, 9.0, 0.7),
            Act::Reopen => store.close(),
        };
        match done {
            Err(_) if self.machine.is_off() => return Ok(()),
            done => done.map_err(|error| format!("step {place}, {act:?}: {error}"))?,
        }
        self.now = after;
        let is_write = matches!(act, Act::PutA | Act::PutB | Act::DeleteA | Act::Batch);
        let is_durable = match act {
            Act::Sync | Act::Reopen => true,
            _ => is_write && self.program.durability == Durability::Always,
        };
        if is_durable && !self.machine.is_off() {
            self.allowed = vec![self.now.clone()];
        }
        if act == Act::Reopen && !self.machine.is_off() {
            self.reopen(place)?;
        }
        Ok(())
    }

    fn reopen(&mut self, place: usize) -> Result<(), String> {
        self.store = None;
        match Store::open(self.machine.clone(), self.program.options()) {
            Ok(store) => self.store = Some(store),
            Err(_) if self.machine.is_off() => {}
            Err(error) => return Err(format!("step {place}, opening again: {error}")),
        }
        Ok(())
    }

    /// At the end of a program: what the store says, and what its successor in another process does.
    fn check_in_place(&mut self) -> Result<(), String> {
        let Some(store) = self.store.take() else { return Err(String::from("no store")) };
        let found = state(&store)?;
        drop(store);
        self.machine.restart();
        let opened = Store::open(self.machine.clone(), self.program.options());
        let reopened = state(&opened.map_err(|error| format!("opening at the end: {error}"))?)?;
        if found != self.now || reopened != self.now {
            return Err(format!("{found:?}, reopened {reopened:?}, should be {:?}", self.now));
        }
        Ok(())
    }
}

fn batch<S: Storage>(store: &Store<S>, value: &[u8]) -> Result<(), Error> {
    let mut batch = Batch::new();
    batch.put(b"b", value)?.delete(b"a")?;
    store.write(&batch, &WriteOptions::default()).map(drop)
}

/// One run, so that merges of one part meet later merges of others.
fn merge<S: Storage>(store: &Store<S>, dead_ratio: f64, small_ratio: f64) -> Result<(), Error> {
    let mut policy = MergePolicy::full();
    (policy.dead_ratio, policy.small_ratio, policy.small_run) = (dead_ratio, small_ratio, 2);
    while let MergeStep::Working(_) = store.merge_step(&policy, u64::MAX)? {}
    Ok(())
}

fn state<S: Storage>(store: &Store<S>) -> Result<State, String> {
    let mut state = State::new();
    for entry in store.scan(Range::all()) {
        let entry = entry.map_err(|error| format!("reading: {error}"))?;
        state.insert(entry.key.to_vec(), entry.value.to_vec());
    }
    Ok(state)
}
