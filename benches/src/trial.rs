//! What every workload is given, and how each begins and ends.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::data::Values;
use crate::engine::{Engine, Kind};
use crate::workload::fill;

/// A kind of store, the keys and values that it is to hold, and the folder where it may lie.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    /// Which store.
    pub kind: Kind,
    /// How many keys.
    pub keys: u64,
    /// Their values.
    pub values: &'a Values,
    /// Where stores are made.
    pub folder: &'a Path,
}

impl Trial<'_> {
    /// A store that has nothing in it, and where it is.
    pub(crate) fn empty(&self, name: &str) -> Result<(PathBuf, Box<dyn Engine>)> {
        let path = self.folder.join(name);
        let store = self.kind.open(&path)?;
        Ok((path, store))
    }

    /// A store with all keys, un-synced, and where it is.
    pub(crate) fn filled(&self, name: &str) -> Result<(PathBuf, Box<dyn Engine>)> {
        let (path, store) = self.empty(name)?;
        fill(&*store, self.keys, self.values)?;
        Ok((path, store))
    }
}

/// Closes a store and takes its files away.
pub(crate) fn end(path: PathBuf, store: Box<dyn Engine>) -> Result<()> {
    store.close()?;
    Ok(std::fs::remove_dir_all(path)?)
}
