//! [`Pace`]: keeps merging within its bytes per second.

use std::time::{Duration, Instant};

/// Work is done in steps, and after each a pause is made that is as long as the step's bytes are worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    /// When everything that was done is paid for.
    ready_at: Instant,
}

impl Pace {
    pub(super) fn new(bytes_per_second: u64, now: Instant) -> Pace {
        Pace { bytes_per_second: bytes_per_second.max(1), ready_at: now }
    }

    /// How many bytes one step should do: so few that the thread can answer between two of them.
    pub(super) fn step_bytes(&self) -> u64 {
        (self.bytes_per_second / 20).clamp(4 << 10, 1 << 20)
    }

    /// When the next step may begin.
    pub(super) fn ready_at(&self) -> Instant {
        self.ready_at
    }

    /// A step has ended that did so many bytes. What was not used while there was nothing to do is not saved up.
    pub(super) fn spend(&mut self, bytes: u64, begun: Instant) {
        let worth = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let from = self.ready_at.max(begun);
        self.ready_at = from.checked_add(worth).unwrap_or(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_worth_what_it_should_be() {
        let start = Instant::now();
        for bytes_per_second in [1, 1000, 64 << 20, u64::MAX] {
            let mut pace = Pace::new(bytes_per_second, start);
            for _ in 0..20 {
                // Begun exactly when it may.
                let begun = pace.ready_at();
                pace.spend(bytes_per_second / 20, begun);
            }
            let took = pace.ready_at().duration_since(start).as_secs_f64();
            let worth = (bytes_per_second / 20 * 20) as f64 / bytes_per_second as f64;
            assert!((took - worth).abs() < 0.001, "{bytes_per_second}: {took} s");
        }
    }

    #[test]
    fn time_without_work_is_not_saved_up() {
        let start = Instant::now();
        let mut pace = Pace::new(1000, start);
        let later = start + Duration::from_secs(60);
        pace.spend(500, later);
        assert_eq!(pace.ready_at(), later + Duration::from_millis(500));
    }

    #[test]
    fn a_step_is_short_and_does_something() {
        let now = Instant::now();
        assert_eq!(Pace::new(0, now).step_bytes(), 4096);
        assert_eq!(Pace::new(1 << 20, now).step_bytes(), (1 << 20) / 20);
        assert_eq!(Pace::new(u64::MAX, now).step_bytes(), 1 << 20);
    }
}
