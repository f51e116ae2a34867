//! What is promised, seen from outside: the operations of each thread in order, which of them were acknowledged, and what may be there.

use std::collections::BTreeMap;

use crate::settings::Random;

pub(crate) type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// So many calls of a life that may have worked or not are tried in all ways.
const UNSURE_MAX: usize = 6;

/// Keys of one thread.
const KEYS: u64 = 24;

/// One call of a thread. Its number decides all of it, so that a child and this program need not tell each other.
#[derive(Debug)]
pub(crate) enum Operation {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    /// All or nothing.
    Batch(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    /// Only where the key is not there.
    PutIfAbsent(Vec<u8>, Vec<u8>),
    /// In place of the version that is there, or as a first one.
    Replace(Vec<u8>, Vec<u8>),
    /// Is over as soon as it is written.
    PutExpired(Vec<u8>, Vec<u8>),
    /// Expires in a thousand years.
    PutExpiring(Vec<u8>, Vec<u8>),
}

impl Operation {
    pub(crate) fn new(seed: u64, thread: u64, number: u64) -> Operation {
        let mut random = Random(seed ^ (thread << 48) ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let key = |random: &mut Random| format!("{thread}/{:02}", random.below(KEYS)).into_bytes();
        let value = |random: &mut Random| {
            let len = match random.below(40) {
                0 => 0,
                1 => 5000,
                _ => random.below(200),
            };
            let mut value = format!("{thread}.{number}.").into_bytes();
            value.resize(value.len() + len as usize, b'a' + (number % 26) as u8);
            if len == 0 { Vec::new() } else { value }
        };
        let (a, b) = (key(&mut random), value(&mut random));
        match random.below(16) {
            0..=2 => Operation::Delete(a),
            3 => Operation::PutIfAbsent(a, b),
            4 => Operation::Replace(a, b),
            5 => Operation::PutExpired(a, b),
            6 => Operation::PutExpiring(a, b),
            7 | 8 => {
                let count = 2 + random.below(5);
                let one = |_| {
                    let is_put = random.below(4) != 0;
                    (key(&mut random), is_put.then(|| value(&mut random)))
                };
                Operation::Batch((0..count).map(one).collect())
            }
            _ => Operation::Put(a, b),
        }
    }

    fn keys(&self) -> Vec<&Vec<u8>> {
        match self {
            Operation::Put(key, _)
            | Operation::Replace(key, _)
            | Operation::PutExpiring(key, _)
            | Operation::PutExpired(key, _)
            | Operation::PutIfAbsent(key, _)
            | Operation::Delete(key) => vec![key],
            Operation::Batch(parts) => parts.iter().map(|(key, _)| key).collect(),
        }
    }

    pub(crate) fn apply(&self, state: &mut State) {
        let mut set = |key: &Vec<u8>, value: Option<&Vec<u8>>| match value {
            Some(value) => drop(state.insert(key.clone(), value.clone())),
            None => drop(state.remove(key)),
        };
        match self {
            Operation::Put(key, value)
            | Operation::Replace(key, value)
            | Operation::PutExpiring(key, value) => set(key, Some(value)),
            Operation::Delete(key) | Operation::PutExpired(key, _) => set(key, None),
            Operation::Batch(parts) => {
                parts.iter().for_each(|(key, value)| set(key, value.as_ref()));
            }
            Operation::PutIfAbsent(key, value) => {
                if !state.contains_key(key) {
                    state.insert(key.clone(), value.clone());
                }
            }
        }
    }
}

/// One thread of a child, over all lives of a store.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) number: u64,
    /// What its keys held when `first` was next.
    state: State,
    /// The next operation when the present life began.
    pub(crate) first: u64,
    /// How far operations were answered: acknowledged, but for those that follow.
    pub(crate) acknowledged: u64,
    /// How far they were acknowledged as durable.
    pub(crate) durable: u64,
    /// Failed, and may have worked.
    pub(crate) unsure: Vec<u64>,
    /// Failed, and did nothing.
    pub(crate) void: Vec<u64>,
}

impl Thread {
    pub(crate) fn new(number: u64) -> Thread {
        let (first, acknowledged, durable) = (0, 0, 0);
        let (unsure, void) = (Vec::new(), Vec::new());
        Thread { number, state: State::new(), first, acknowledged, durable, unsure, void }
    }

    /// Operations of this life that were acknowledged.
    pub(crate) fn answered_well(&self) -> u64 {
        self.acknowledged - self.first - (self.unsure.len() + self.void.len()) as u64
    }

    /// Looks for the place where what was found could have stopped: not before `at_least`, nor behind the operation that was under way.
    /// Makes it the beginning of the next life.
    pub(crate) fn settle(&mut self, seed: u64, found: &State, at_least: u64) -> Result<(), String> {
        let prefix = format!("{}/", self.number).into_bytes();
        let found: State = found
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let end = self.acknowledged + 1;
        if UNSURE_MAX < self.unsure.len() {
            self.check_by_key(seed, &found)?;
            self.begin(found, end);
            return Ok(());
        }
        let mut candidates = vec![self.state.clone()];
        let mut number = self.first;
        loop {
            if at_least <= number && candidates.contains(&found) {
                self.begin(found, end);
                return Ok(());
            }
            if end <= number {
                return Err(self.explain(&found, &candidates, at_least));
            }
            let operation = Operation::new(seed, self.number, number);
            let is_unsure = self.unsure.contains(&number);
            let before = if is_unsure { candidates.clone() } else { Vec::new() };
            if !self.void.contains(&number) {
                candidates.iter_mut().for_each(|state| operation.apply(state));
            }
            for state in before {
                if !candidates.contains(&state) {
                    candidates.push(state);
                }
            }
            number += 1;
        }
    }

    fn begin(&mut self, found: State, next: u64) {
        self.state = found;
        (self.first, self.acknowledged, self.durable) = (next, next, next);
        self.unsure.clear();
        self.void.clear();
    }

    /// Where many calls may have worked or not: each key for itself has a value that it may have.
    fn check_by_key(&self, seed: u64, found: &State) -> Result<(), String> {
        let mut may: BTreeMap<Vec<u8>, Vec<Option<Vec<u8>>>> = BTreeMap::new();
        for (key, value) in &self.state {
            may.insert(key.clone(), vec![Some(value.clone())]);
        }
        for number in (self.first..=self.acknowledged).filter(|number| !self.void.contains(number))
        {
            let operation = Operation::new(seed, self.number, number);
            let is_unsure = self.unsure.contains(&number) || number == self.acknowledged;
            for key in operation.keys() {
                let before = may.entry(key.clone()).or_insert_with(|| vec![None]);
                let mut after: Vec<Option<Vec<u8>>> = Vec::new();
                for value in before.iter() {
                    let one = value.iter().map(|value| (key.clone(), value.clone()));
                    let mut one: State = one.collect();
                    operation.apply(&mut one);
                    after.push(one.remove(key));
                }
                after.extend(is_unsure.then(|| std::mem::take(before)).into_iter().flatten());
                after.sort();
                after.dedup();
                *before = after;
            }
        }
        for (key, may) in &may {
            if !may.contains(&found.get(key).cloned()) {
                return Err(format!(
                    "LOST OR MADE UP: {} of thread {}",
                    key.escape_ascii(),
                    self.number
                ));
            }
        }
        match found.keys().find(|key| !may.contains_key(*key)) {
            Some(key) => Err(format!("MADE UP: {}", key.escape_ascii())),
            None => Ok(()),
        }
    }

    fn explain(&self, found: &State, candidates: &[State], at_least: u64) -> String {
        let show = |bytes: Option<&Vec<u8>>| {
            bytes.map_or_else(
                || "nothing".to_owned(),
                |bytes| format!("{:.24}", bytes.escape_ascii().to_string()),
            )
        };
        let last = &candidates[0];
        let keys = last.keys().chain(found.keys());
        let mut differ: Vec<_> = keys.filter(|key| last.get(*key) != found.get(*key)).collect();
        differ.sort();
        differ.dedup();
        let differ: Vec<String> = differ
            .iter()
            .take(6)
            .map(|key| {
                let (found, last) = (show(found.get(*key)), show(last.get(*key)));
                format!("{}: {found} instead of {last}", key.escape_ascii())
            })
            .collect();
        format!(
            "LOST OR MADE UP, thread {}: operations from {} on, {} acknowledged, at least {at_least} due; at the end {}",
            self.number,
            self.first,
            self.acknowledged,
            differ.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(count: u64) -> Vec<State> {
        let mut state = State::new();
        let mut states = vec![state.clone()];
        for number in 0..count {
            Operation::new(7, 1, number).apply(&mut state);
            states.push(state.clone());
        }
        states
    }

    /// The oracle itself: it takes what may be, and nothing else.
    #[test]
    fn the_oracle_notices_what_is_lost_and_what_returns() {
        let states = states(200);
        let thread = || Thread { acknowledged: 199, ..Thread::new(1) };
        // All that was acknowledged, and one more.
        for end in [199, 200] {
            thread().settle(7, &states[end], 199).unwrap();
        }
        // An earlier state, where that is not one of these again.
        let earlier = (150..199).rev().find(|at| !states[199..].contains(&states[*at])).unwrap();
        assert!(thread().settle(7, &states[earlier], 199).is_err());
        thread().settle(7, &states[earlier], 150).unwrap();
        // One key lost, one returned.
        let mut lost = states[199].clone();
        lost.pop_first();
        assert!(thread().settle(7, &lost, 0).is_err());
        let mut returned = states[199].clone();
        returned.insert(b"1/99".to_vec(), b"deleted".to_vec());
        assert!(thread().settle(7, &returned, 0).is_err());
        // A call that failed in the middle may have worked or not.
        for (operation, before) in states.iter().enumerate().take(190).skip(100) {
            let mut without = before.clone();
            (operation + 1..199).for_each(|at| Operation::new(7, 1, at as u64).apply(&mut without));
            let mut thread = thread();
            thread.unsure.push(operation as u64);
            thread.settle(7, &without, 199).unwrap();
        }
    }
}
