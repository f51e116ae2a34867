//! What a life needs of a storage beyond the seam.

use bitcask_core::{Memory, Storage};

use super::faulty::{Counts, Fault, Faulty};

/// A storage that a life can run on.
pub trait Machine: Storage + Clone {
    /// Moves the clock.
    fn set_time(&self, now_ms: u64);
    /// Bytes of all segments.
    fn total_bytes(&self) -> u64;
    /// Whether the power went, or the process died.
    fn is_off(&self) -> bool {
        false
    }
    /// Whether it was only the process.
    fn is_killed(&self) -> bool {
        false
    }
    /// Whether a call failed since this was last forgotten: then the store may refuse writes.
    fn has_fired(&self) -> bool {
        false
    }
    /// Whether a call failed in this step: then it may too.
    fn has_fired_lately(&self) -> bool {
        false
    }
    /// Forgets both.
    fn forget_fired(&self) {}
    /// A step begins.
    fn begin_step(&self) {}
    /// Whether what failed is so bad that the store may refuse writes from then on. A full disk is not.
    fn may_poison(&self) -> bool {
        true
    }
    /// Calls since the last power cut: those that change something, and those that look.
    fn calls(&self) -> (u64, u64) {
        (0, 0)
    }
    /// Takes the power away if it is there, brings it back, and says what goes wrong next.
    fn power_on(&self, _next: Fault) {}
    /// Begins the next process on the same machine, and says what goes wrong next.
    fn restart(&self, _next: Fault) {}
    /// Changes a bit of what is durable; says whether it did.
    fn rot(&self) -> bool {
        false
    }
    /// Stands for all calls so far.
    fn trace(&self) -> u64 {
        0
    }
    /// What came to pass that is rare.
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

impl Machine for Memory {
    fn set_time(&self, now_ms: u64) {
        self.set_now_ms(now_ms);
    }

    fn total_bytes(&self) -> u64 {
        self.image().values().map(|bytes| bytes.len() as u64).sum()
    }
}

impl Machine for Faulty {
    fn set_time(&self, now_ms: u64) {
        self.set_now_ms(now_ms);
    }

    fn total_bytes(&self) -> u64 {
        Faulty::total_bytes(self)
    }

    fn is_off(&self) -> bool {
        Faulty::is_off(self)
    }

    fn is_killed(&self) -> bool {
        Faulty::is_killed(self)
    }

    fn has_fired(&self) -> bool {
        Faulty::has_fired(self)
    }

    fn has_fired_lately(&self) -> bool {
        Faulty::has_fired_lately(self)
    }

    fn forget_fired(&self) {
        Faulty::forget_fired(self);
    }

    fn begin_step(&self) {
        Faulty::begin_step(self);
    }

    fn may_poison(&self) -> bool {
        Faulty::may_poison(self)
    }

    fn calls(&self) -> (u64, u64) {
        Faulty::calls(self)
    }

    fn power_on(&self, next: Fault) {
        Faulty::power_on(self);
        self.set_fault(next);
    }

    fn restart(&self, next: Fault) {
        Faulty::restart(self);
        self.set_fault(next);
    }

    fn rot(&self) -> bool {
        Faulty::rot(self)
    }

    fn trace(&self) -> u64 {
        Faulty::trace(self)
    }

    fn counts(&self) -> Counts {
        Faulty::counts(self)
    }
}
