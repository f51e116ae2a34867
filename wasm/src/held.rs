//! [`Held`]: what a store's caller holds from one call to the next.

use bitcask_core::{Export, Snapshot, Value, Verification};

use crate::fault::Fault;
use crate::place::Place;
use crate::ranges::Cursor;
use crate::streams::Import;

type Answer<T> = Result<T, Fault>;

/// What calls hold under ids from one counter. There are few at a time, so a list is as fast as a map and far smaller.
#[derive(Default)]
pub(crate) struct Held {
    things: Vec<(u32, Thing)>,
    last_id: u32,
}

/// Whatever has an id.
pub(crate) enum Thing {
    Snapshot(Snapshot<Place>),
    Scan(Cursor<Place>),
    /// A value that is read in parts.
    Value(Value<Place>),
    /// A value that is put together from parts.
    Parts(Vec<u8>),
    Export(Export<Place>),
    Import(Import),
    Verification(Verification<Place>),
}

impl Held {
    /// Keeps it and returns its id, which is never 0.
    pub(crate) fn add(&mut self, thing: Thing) -> u32 {
        self.last_id = self.last_id.wrapping_add(1).max(1);
        self.things.push((self.last_id, thing));
        self.last_id
    }

    /// Lets it go.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Thing> {
        let place = self.things.iter().position(|(held, _)| *held == id)?;
        Some(self.things.swap_remove(place).1)
    }

    fn get(&self, id: u32) -> Option<&Thing> {
        self.things.iter().find(|(held, _)| *held == id).map(|(_, thing)| thing)
    }

    fn get_mut(&mut self, id: u32) -> Option<&mut Thing> {
        self.things.iter_mut().find(|(held, _)| *held == id).map(|(_, thing)| thing)
    }

    pub(crate) fn snapshot(&self, id: u32) -> Answer<&Snapshot<Place>> {
        match self.get(id) {
            Some(Thing::Snapshot(snapshot)) => Ok(snapshot),
            _ => Err(unknown("snapshot")),
        }
    }

    pub(crate) fn scan(&mut self, id: u32) -> Answer<&mut Cursor<Place>> {
        match self.get_mut(id) {
            Some(Thing::Scan(cursor)) => Ok(cursor),
            _ => Err(unknown("scan")),
        }
    }

    pub(crate) fn value(&mut self, id: u32) -> Answer<&mut Value<Place>> {
        match self.get_mut(id) {
            Some(Thing::Value(value)) => Ok(value),
            _ => Err(unknown("value")),
        }
    }

    pub(crate) fn parts(&mut self, id: u32) -> Answer<&mut Vec<u8>> {
        match self.get_mut(id) {
            Some(Thing::Parts(parts)) => Ok(parts),
            _ => Err(unknown("value")),
        }
    }

    pub(crate) fn export(&mut self, id: u32) -> Answer<&mut Export<Place>> {
        match self.get_mut(id) {
            Some(Thing::Export(export)) => Ok(export),
            _ => Err(unknown("export")),
        }
    }

    pub(crate) fn import(&mut self, id: u32) -> Answer<&mut Import> {
        match self.get_mut(id) {
            Some(Thing::Import(import)) => Ok(import),
            _ => Err(unknown("import")),
        }
    }

    pub(crate) fn verification(&mut self, id: u32) -> Answer<&mut Verification<Place>> {
        match self.get_mut(id) {
            Some(Thing::Verification(verification)) => Ok(verification),
            _ => Err(unknown("verification")),
        }
    }
}

fn unknown(what: &str) -> Fault {
    Fault::invalid(&["there is no ", what, " of this id"].concat())
}
