//! Waiting for what a thread of the store does, without guessing how long it takes.

use std::thread;
use std::time::{Duration, Instant};

/// Returns once it is so. Panics if it is not in a minute, which no machine needs.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "waited for a minute until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
