//! The longest that a put ever waits while the keydir grows. Of ours only: it is a bar of its own.

use std::time::{Duration, Instant};

use crate::Result;
use crate::data::key;
use crate::mixed::quantile;
use crate::report::Sampler;
use crate::trial::{Trial, end};

/// Puts from this long on are looked at more closely.
const LONG: Duration = Duration::from_micros(200);

/// After so many puts at most the processor's time is asked for.
const ASKED_EVERY: u64 = 64;

/// Puts all keys one by one. What a put waits for the disk or for its turn on a busy machine is in its time; what it is on
/// the processor is not, and that is what growing takes.
///
/// # Errors
///
/// The store's.
pub fn growing(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let Trial { keys, values, .. } = *trial;
    let (path, store) = trial.empty("pauses")?;
    let mut waits = Vec::new();
    let (mut longest, mut longest_busy) = (Duration::ZERO, Duration::ZERO);
    let mut asked = own_time();
    for number in 0..keys {
        let started = Instant::now();
        store.put(&key(number), values.of(number), false)?;
        let waited = started.elapsed();
        waits.push(waited.as_secs_f32());
        let is_long = LONG < waited;
        if is_long || number % ASKED_EVERY == 0 {
            let now = own_time();
            if is_long {
                // With the few puts since it was last asked for, so it is this at most.
                longest_busy = longest_busy.max(now.saturating_sub(asked).min(waited));
                longest = longest.max(waited);
            }
            asked = now;
        }
    }
    to.add("single puts of all keys, p99.99", "µs", quantile(&mut waits, 0.9999) * 1e6);
    to.add("single puts of all keys, longest", "ms", longest.as_secs_f64() * 1e3);
    let busy = "single puts of all keys, longest on the processor";
    to.add(busy, "ms", longest_busy.as_secs_f64() * 1e3);
    end(path, store)
}

/// The processor's time of this thread.
#[cfg(target_os = "linux")]
fn own_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
    seconds + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

/// Elsewhere the time of the day: what a put waits for is in it.
#[cfg(not(target_os = "linux"))]
fn own_time() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
