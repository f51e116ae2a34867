//! What a life needs of a storage beyond the seam.

use bitcask_core::{Memory, Storage};

use super::faulty::{Fault, Faulty};

/// A storage that a life can run on.
pub trait Machine: Storage + Clone {
    /// Moves the clock.
    fn set_time(&self, now_ms: u64);
    /// Bytes of all segments.
    fn total_bytes(&self) -> u64;
    /// Whether the power went.
    fn is_off(&self) -> bool {
        false
    }
    /// Whether a call failed since this was last forgotten: then the store may fail too.
    fn has_fired(&self) -> bool {
        false
    }
    /// Forgets that.
    fn forget_fired(&self) {}
    /// Whether what fails is so bad that the store may refuse writes from then on. A full disk is not.
    fn may_poison(&self) -> bool {
        true
    }
    /// Calls since the last power cut: those that change something, and those that look.
    fn calls(&self) -> (u64, u64) {
        (0, 0)
    }
    /// Takes the power away if it is there, brings it back, and says what goes wrong next.
    fn power_on(&self, _next: Fault) {}
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
        self.image().values().map(|bytes| bytes.len() as u64).sum()
    }

    fn is_off(&self) -> bool {
        Faulty::is_off(self)
    }

    fn has_fired(&self) -> bool {
        Faulty::has_fired(self)
    }

    fn forget_fired(&self) {
        Faulty::forget_fired(self);
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
}
