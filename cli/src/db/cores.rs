//! [`Cores`]: threads for an opening, one for each processor.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bitcask_core::Threads;

/// Threads that live for as long as the work they are lent for.
pub(super) struct Cores;

impl Threads for Cores {
    fn run(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let take_parts = || {
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if parts <= part {
                    return;
                }
                work(part);
            }
        };
        let count = thread::available_parallelism().map_or(1, |count| count.get().min(parts));
        thread::scope(|scope| {
            for _ in 1..count {
                // Where there is no thread to be had, the others do its part.
                _ = thread::Builder::new()
                    .name("bitcask-open".into())
                    .spawn_scoped(scope, take_parts);
            }
            take_parts();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn every_part_is_done_once() {
        for parts in [0, 1, 2, 256] {
            let done: Vec<AtomicU64> = (0..parts).map(|_| AtomicU64::new(0)).collect();
            Cores.run(parts, &|part| _ = done[part].fetch_add(1, Ordering::Relaxed));
            assert!(done.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{parts} parts");
        }
    }
}
