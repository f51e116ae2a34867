//! [`Trouble`]: what the thread failed at, until it is mended or told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcask_core::{Error, Result};

/// The failures that were not mended, the oldest first.
#[derive(Default)]
pub(super) struct Trouble {
    failures: Mutex<Vec<Failure>>,
}

/// Something that the thread does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Sync,
    Seal,
    Merge,
}

struct Failure {
    /// What mends it by succeeding; `None` where nothing does.
    task: Option<Task>,
    text: String,
    /// Taken by whoever closes.
    error: Option<Error>,
}

impl Trouble {
    /// Keeps a failure. Says whether it is a new one: not the same task failing again, nor the same damage met again.
    pub(super) fn add(&self, task: Option<Task>, error: Error) -> bool {
        let text = error.to_string();
        let mut failures = self.failures();
        let is_known = failures
            .iter()
            .any(|known| known.task == task && (task.is_some() || known.text == text));
        if !is_known {
            failures.push(Failure { task, text, error: Some(error) });
        }
        !is_known
    }

    pub(super) fn mended(&self, task: Task) {
        self.failures().retain(|failure| failure.task != Some(task));
    }

    /// The first failure, in a sentence.
    pub(super) fn told(&self) -> Option<String> {
        self.failures().first().map(|failure| failure.text.clone())
    }

    /// The first failure, once.
    pub(super) fn take(&self) -> Result<()> {
        let first = self.failures().first_mut().and_then(|failure| failure.error.take());
        first.map_or(Ok(()), Err)
    }

    fn failures(&self) -> MutexGuard<'_, Vec<Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same error once more: one for the next write, one for whoever closes.
pub(super) fn copy_of(error: &Error) -> Option<Error> {
    match error {
        Error::Io { doing, segment, source } => {
            let source = std::io::Error::new(source.kind(), source.to_string());
            Some(Error::Io { doing, segment: *segment, source })
        }
        Error::Damaged { segment, offset, what } => {
            Some(Error::Damaged { segment: *segment, offset: *offset, what: what.clone() })
        }
        Error::Limit(what) => Some(Error::Limit(what)),
        _ => None,
    }
}
