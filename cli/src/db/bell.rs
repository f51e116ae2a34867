//! [`Bell`]: how the background thread is woken.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Wakes the background thread. Ringing costs next to nothing, also where nobody waits.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    stopped: bool,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Somebody rang since the last wait.
    Rung,
    /// It is time.
    Due,
    /// For good.
    Stopped,
}

impl Bell {
    /// A segment was created: there may soon be one to seal.
    pub(crate) fn ring(&self) {
        self.state().rung = true;
        self.changed.notify_all();
    }

    /// Ends all waits, now and later.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Waits until somebody rings or it is time.
    pub(super) fn wait_until(&self, due: Instant) -> Woken {
        let wait = due.saturating_duration_since(Instant::now());
        let state = self
            .changed
            .wait_timeout_while(self.state(), wait, |state| !state.rung && !state.stopped);
        let (mut state, _) = state.unwrap_or_else(PoisonError::into_inner);
        match (state.stopped, std::mem::take(&mut state.rung)) {
            (true, _) => Woken::Stopped,
            (false, true) => Woken::Rung,
            (false, false) => Woken::Due,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
