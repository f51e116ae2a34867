//! What calls on a key answered, and the checker of Wing and Gong (1993) in Lowe's form, from `todc-utils`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bitcask_core::Conditional;
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as Actions};
use todc_utils::specifications::Specification;

/// A value and its version.
pub(crate) type Item = (u64, u64);

/// A call on one key, and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    /// Nothing: the key held this when the history began.
    Begin(Option<Item>),
    Read(Option<Item>),
    Has(bool),
    Put(Item),
    /// Says whether the key was there; `None` where that was not told.
    Delete(Option<bool>),
    PutIfAbsent(u64, Conditional),
    ReplaceIf(u64, u64, Conditional),
    DeleteIf(u64, Conditional),
}

/// A key, as one thread would see it.
struct Register;

/// What is there, and the largest version that was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    there: Option<Item>,
    version: u64,
}

impl State {
    fn version_there(&self) -> Option<u64> {
        self.there.map(|(_, version)| version)
    }

    /// A write: versions rise.
    fn put(&self, item: Item) -> (bool, State) {
        (self.version < item.1, State { there: Some(item), version: item.1 })
    }

    fn deleted(&self, version: u64) -> State {
        State { there: None, version: self.version.max(version) }
    }

    /// A conditional write, whose condition was right or not.
    fn conditional(&self, holds: bool, said: Conditional, done: State) -> (bool, State) {
        match said {
            Conditional::Done(version) => (holds && self.version < version, done),
            Conditional::Differs(version) => {
                (!holds && version == self.version_there(), self.clone())
            }
        }
    }
}

impl Specification for Register {
    type State = State;
    type Operation = Did;

    fn init() -> State {
        State::default()
    }

    fn apply(did: &Did, state: &State) -> (bool, State) {
        let same = |right: bool| (right, state.clone());
        match *did {
            Did::Begin(there) => {
                let version = there.map_or(0, |(_, version)| version);
                (true, State { there, version })
            }
            Did::Read(item) => same(item == state.there),
            Did::Has(has) => same(has == state.there.is_some()),
            Did::Put(item) => state.put(item),
            Did::Delete(found) => {
                let right = found.is_none_or(|found| found == state.there.is_some());
                (right, state.deleted(0))
            }
            Did::PutIfAbsent(value, said) => {
                let done = state.put((value, version_of(said))).1;
                state.conditional(state.there.is_none(), said, done)
            }
            Did::ReplaceIf(version, value, said) => {
                let done = state.put((value, version_of(said))).1;
                state.conditional(state.version_there() == Some(version), said, done)
            }
            Did::DeleteIf(version, said) => {
                let done = state.deleted(version_of(said));
                state.conditional(state.version_there() == Some(version), said, done)
            }
        }
    }
}

fn version_of(said: Conditional) -> u64 {
    match said {
        Conditional::Done(version) => version,
        Conditional::Differs(_) => 0,
    }
}

/// One call on one key: when it began, when it had ended, and what it did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) thread: usize,
    pub(crate) key: usize,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) did: Did,
}

/// Writes down what happens, in the order in which it does.
#[derive(Default)]
pub(crate) struct Recorder {
    clock: AtomicU64,
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    /// A moment: later than every one that was asked for before.
    pub(crate) fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn note(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events.into_inner().unwrap()
    }
}

/// Whether the calls on a key can have happened one after another, each between its beginning and its end.
pub(crate) fn is_linearizable(begin: Option<Item>, events: &[Event]) -> bool {
    let mut moments: Vec<(u64, usize, Action<Did>)> = Vec::new();
    for event in events {
        let thread = event.thread + 1;
        moments.push((event.began, thread, Action::Call(event.did)));
        moments.push((event.ended, thread, Action::Response(event.did)));
    }
    moments.sort_by_key(|(moment, ..)| *moment);
    let begun = Did::Begin(begin);
    let mut actions = vec![(0, Action::Call(begun)), (0, Action::Response(begun))];
    actions.extend(moments.into_iter().map(|(_, thread, action)| (thread, action)));
    WGLChecker::<Register>::is_linearizable(Actions::from_actions(actions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(thread: usize, began: u64, ended: u64, did: Did) -> Event {
        Event { thread, key: 0, began, ended, did }
    }

    /// What the checker must say no to: each is an anomaly that a store could have.
    #[test]
    fn the_checker_tells_right_from_wrong() {
        use Conditional::{Differs, Done};
        let put = event(0, 1, 2, Did::Put((7, 5)));
        let slow_put = event(0, 1, 9, Did::Put((7, 5)));
        for (events, right) in [
            (vec![put, event(1, 3, 4, Did::Read(Some((7, 5))))], true),
            (vec![put, event(1, 3, 4, Did::Read(None))], false),
            (vec![slow_put, event(1, 3, 4, Did::Read(None))], true),
            // It was there, and then was not.
            (
                vec![
                    slow_put,
                    event(1, 3, 4, Did::Read(Some((7, 5)))),
                    event(2, 5, 6, Did::Read(None)),
                ],
                false,
            ),
            // The version of one write with the value of another.
            (vec![put, event(1, 3, 4, Did::Read(Some((7, 4))))], false),
            // A later write with a smaller version.
            (vec![put, event(1, 3, 4, Did::Put((8, 4)))], false),
            // Two that both found the key absent.
            (
                vec![
                    event(0, 1, 4, Did::PutIfAbsent(1, Done(1))),
                    event(1, 2, 3, Did::PutIfAbsent(2, Done(2))),
                ],
                false,
            ),
            (
                vec![
                    event(0, 1, 4, Did::PutIfAbsent(1, Done(1))),
                    event(1, 2, 3, Did::PutIfAbsent(2, Differs(Some(1)))),
                ],
                true,
            ),
            // Two that both replaced the same version.
            (
                vec![
                    put,
                    event(0, 3, 6, Did::ReplaceIf(5, 1, Done(6))),
                    event(1, 4, 5, Did::ReplaceIf(5, 2, Done(7))),
                ],
                false,
            ),
            // A key that was deleted twice, and one that was not there.
            (
                vec![
                    put,
                    event(0, 3, 6, Did::Delete(Some(true))),
                    event(1, 4, 5, Did::Delete(Some(true))),
                ],
                false,
            ),
            (vec![event(0, 1, 2, Did::Delete(Some(true)))], false),
            (
                vec![
                    put,
                    event(0, 3, 4, Did::DeleteIf(5, Done(6))),
                    event(1, 5, 6, Did::Has(true)),
                ],
                false,
            ),
        ] {
            assert_eq!(is_linearizable(None, &events), right, "{events:#?}");
        }
    }
}
