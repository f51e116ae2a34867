//! Reads and writes at the same time, of keys of which a few are asked for most.

use std::sync::Mutex;
use std::time::Instant;

use crate::Result;
use crate::data::{Values, draws, key, mixed};
use crate::engine::Engine;
use crate::report::Sampler;
use crate::trial::{Trial, end};
use crate::workload::{on_threads, touched};

const THREADS: u64 = 2;

/// Of a thousand operations so many are reads.
const MIXES: [(u64, &str); 2] = [(950, "mixed 95/5"), (500, "mixed 50/50")];

/// Two threads read and write keys that are there, un-synced: 95 reads to 5 writes, and half and half.
///
/// # Errors
///
/// The store's.
pub fn reads_and_writes(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let Trial { keys, values, .. } = *trial;
    let (path, store) = trial.filled("mixed")?;
    let zipf = Zipf::new(keys, 0.99);
    for (reads_of_1000, name) in MIXES {
        let waits = Mutex::new(Waits::default());
        let seconds = on_threads(THREADS, |thread| {
            let own = operations(&*store, &zipf, thread, reads_of_1000, keys, values)?;
            waits.lock().map_err(|_| "another thread panicked")?.add(own);
            Ok(())
        })?;
        let mut waits = waits.into_inner().map_err(|_| "a thread panicked")?;
        to.add(
            format!("{name}, zipfian, {THREADS} threads"),
            "kops/s",
            (keys * THREADS) as f64 / seconds / 1e3,
        );
        to.add(format!("{name}, read p99.9"), "µs", quantile(&mut waits.reads, 0.999) * 1e6);
        to.add(format!("{name}, write p99.9"), "µs", quantile(&mut waits.writes, 0.999) * 1e6);
    }
    end(path, store)
}

/// How long operations took, in seconds.
#[derive(Default)]
pub(crate) struct Waits {
    pub(crate) reads: Vec<f32>,
    pub(crate) writes: Vec<f32>,
}

impl Waits {
    pub(crate) fn add(&mut self, other: Waits) {
        self.reads.extend(other.reads);
        self.writes.extend(other.writes);
    }
}

/// The value below which this part of all lies.
pub(crate) fn quantile(waits: &mut [f32], part: f64) -> f64 {
    waits.sort_by(f32::total_cmp);
    // Of a few thousand samples and more.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ≤ part ≤ 1")]
    let place = (waits.len().saturating_sub(1) as f64 * part) as usize;
    waits.get(place).map_or(f64::NAN, |wait| f64::from(*wait))
}

fn operations(
    store: &dyn Engine,
    zipf: &Zipf,
    thread: u64,
    reads_of_1000: u64,
    count: u64,
    values: &Values,
) -> Result<Waits> {
    let mut waits = Waits::default();
    let mut sum = 0;
    for draw in draws(thread + 21, u64::MAX, count) {
        let number = zipf.number(draw);
        let started = Instant::now();
        let is_read = mixed(draw ^ 5) % 1000 < reads_of_1000;
        if is_read {
            store.get(&key(number), &mut |value| sum ^= touched(value))?;
        } else {
            store.put(&key(number), values.of(draw), false)?;
        }
        let waited = started.elapsed().as_secs_f32();
        if is_read { waits.reads.push(waited) } else { waits.writes.push(waited) }
    }
    std::hint::black_box(sum);
    Ok(waits)
}

/// Numbers of which the small ones come most: the approximation of Gray et al., "Quickly generating billion-record synthetic
/// databases" (1994), as YCSB has it. Which key has which number is no order.
pub(crate) struct Zipf {
    items: f64,
    alpha: f64,
    eta: f64,
    zeta: f64,
    theta: f64,
}

impl Zipf {
    pub(crate) fn new(items: u64, theta: f64) -> Zipf {
        let zeta = |n: u64| (1..=n).map(|i| (i as f64).powf(-theta)).sum::<f64>();
        let all = zeta(items);
        let eta = (1.0 - (2.0 / items as f64).powf(1.0 - theta)) / (1.0 - zeta(2) / all);
        Zipf { items: items as f64, alpha: 1.0 / (1.0 - theta), eta, zeta: all, theta }
    }

    /// The number for random bits.
    pub(crate) fn number(&self, bits: u64) -> u64 {
        let chance = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        let scaled = chance * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(self.theta) {
            return 1;
        }
        let place = self.items * (self.eta * chance - self.eta + 1.0).powf(self.alpha);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below the items"
        )]
        let number = place.clamp(0.0, self.items - 1.0) as u64;
        number
    }
}

#[cfg(test)]
mod tests {
    use super::Zipf;
    use crate::data::draws;

    #[test]
    fn a_few_come_most_and_all_are_within() {
        let zipf = Zipf::new(1000, 0.99);
        let mut counts = vec![0_u32; 1000];
        for bits in draws(1, u64::MAX, 100_000) {
            counts[usize::try_from(zipf.number(bits)).unwrap()] += 1;
        }
        // The first has 1 of ζ(1000) = 7.7: 13 %.
        assert!((12_000..14_500).contains(&counts[0]), "{}", counts[0]);
        assert!(counts[0] > counts[1] && counts[1] > counts[10] && counts[10] > counts[500]);
        assert!(counts.iter().filter(|count| **count > 0).count() > 900);
    }
}
