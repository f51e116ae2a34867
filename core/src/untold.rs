//! Errors of a binding's thread, on their way to a caller.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::segment::Storage;
use crate::store::Store;

impl<S: Storage> Store<S> {
    /// Makes the next write fail with this error, once; it writes nothing then. For a binding whose thread has failed at
    /// something that a caller must hear of (damage that a merge met), though writing may go on.
    pub fn fail_next_write(&self, error: Error) {
        self.inner().untold.put(error);
    }
}

/// An error that the next write tells.
#[derive(Default)]
pub(crate) struct Untold {
    error: Mutex<Option<Error>>,
    /// Whether there is one, for all the writes that find none.
    any: AtomicBool,
}

impl Untold {
    fn put(&self, error: Error) {
        let mut untold = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        // The first is told; later ones mostly follow from it.
        untold.get_or_insert(error);
        self.any.store(true, Ordering::Release);
    }

    pub(crate) fn take(&self) -> Result<()> {
        if !self.any.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut untold = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Ordering::Release);
        untold.take().map_or(Ok(()), Err)
    }
}
