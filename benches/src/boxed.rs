//! The keydir beside what a Bitcask usually has in its place: a hash map of boxed keys behind one lock. Of `hash` only: it is a bar of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::Result;
use crate::data::{Values, draws, key};
use crate::engine::Engine;
use crate::report::Sampler;
use crate::trial::{Trial, end};
use crate::workload::{on_threads, timed};

/// Lookups in one turn, and turns.
const LOOKUPS: u64 = 200_000;
const TURNS: u64 = 3;

type Map = RwLock<HashMap<Box<[u8]>, (u16, u32)>>;

/// Lookups of keys that are there in the map, and of keys that are not in the store: these end at the keydir, which looks at as much for one as for
/// the other. Alone, and beside a thread that writes keys that are there.
///
/// # Errors
///
/// The store's.
pub fn beside(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let Trial { keys, values, .. } = *trial;
    let (path, store) = trial.filled("boxed")?;
    let map: HashMap<_, _> = (0..keys).map(|n| (Box::from(&key(n)[..]), (0, 0))).collect();
    let map = RwLock::new(map);
    for turn in 0..TURNS {
        for (writes, when) in [(false, "alone"), (true, "beside a writer")] {
            let seconds =
                [ours(&*store, keys, values, turn, writes)?, boxed(&map, keys, turn, writes)?];
            let [ours, boxed] = seconds.map(|seconds| seconds / LOOKUPS as f64 * 1e9);
            to.add(format!("look into the keydir, {when}"), "ns", ours);
            to.add(format!("look into a map of boxed keys, {when}"), "ns", boxed);
            to.add(format!("keydir ÷ map of boxed keys, {when}"), "", ours / boxed);
        }
    }
    end(path, store)
}

fn ours(store: &dyn Engine, keys: u64, values: &Values, turn: u64, writes: bool) -> Result<f64> {
    watched(
        writes,
        |number| match store.get(&key(keys + number), &mut |_| {})? {
            false => Ok(()),
            true => Err("a key is there that was not written".into()),
        },
        |number| store.put(&key(number % keys), values.of(number), false),
        turn,
    )
}

fn boxed(map: &Map, keys: u64, turn: u64, writes: bool) -> Result<f64> {
    watched(
        writes,
        |number| {
            let map = map.read().unwrap_or_else(PoisonError::into_inner);
            let there = map.get(&key(number % keys)[..]).copied();
            std::hint::black_box(there).map(drop).ok_or_else(|| "a key is gone".into())
        },
        |number| {
            let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
            map.insert(Box::from(&key(number % keys)[..]), (1, 1));
            Ok(())
        },
        turn,
    )
}

/// Seconds that all lookups take.
fn watched(
    writes: bool,
    look: impl Fn(u64) -> Result<()> + Sync,
    write: impl Fn(u64) -> Result<()> + Sync,
    turn: u64,
) -> Result<f64> {
    let done = AtomicBool::new(false);
    let took = std::sync::Mutex::new(0.0);
    on_threads(if writes { 2 } else { 1 }, |thread| {
        let drawn = |count| draws(turn * 2 + thread + 41, u64::MAX >> 1, count);
        if thread == 1 {
            let mut going_on = drawn(u64::MAX).take_while(|_| !done.load(Ordering::Relaxed));
            return going_on.try_for_each(&write);
        }
        let looked = timed(|| drawn(LOOKUPS).try_for_each(&look));
        done.store(true, Ordering::Relaxed);
        let ((), seconds) = looked?;
        *took.lock().unwrap_or_else(PoisonError::into_inner) = seconds;
        Ok(())
    })?;
    Ok(took.into_inner().unwrap_or_else(PoisonError::into_inner))
}
