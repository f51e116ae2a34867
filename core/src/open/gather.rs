//! Loading in the order of the keydir's shards: records are gathered, and then each shard is loaded from those that are its
//! own, so that it is in the processor's cache meanwhile, and several threads can load beside each other.

use crate::error::Result;
use crate::keydir::Loaded;
use crate::open::load::Loader;
use crate::segment::Segment;
use crate::sync::{Mutex, PoisonError};

/// Records that are gathered before they are loaded: 16 bytes each.
const GATHERED_MAX: usize = 1 << 21;

/// Threads that a binding lends to an opening.
pub trait Threads: Sync {
    /// Calls `work` once with each number below `parts`, from as many threads as it likes, and returns when all calls have.
    fn run(&self, parts: usize, work: &(dyn Fn(usize) + Sync));
}

/// What loads the shards: the caller's thread, or several.
pub(crate) trait Spread<G>: Sync {
    fn each_shard(&self, loader: &Loader<'_, G>, shards: &[Vec<Loaded>]) -> Result<()>;
}

/// The caller's thread.
pub(crate) struct Here;

impl<G: Segment> Spread<G> for Here {
    fn each_shard(&self, loader: &Loader<'_, G>, shards: &[Vec<Loaded>]) -> Result<()> {
        shards.iter().enumerate().try_for_each(|(shard, records)| loader.shard(shard, records))
    }
}

/// Threads of a binding.
pub(crate) struct Beside<'a>(pub(crate) &'a dyn Threads);

impl<G: Segment + Send + Sync> Spread<G> for Beside<'_> {
    fn each_shard(&self, loader: &Loader<'_, G>, shards: &[Vec<Loaded>]) -> Result<()> {
        let first = Mutex::new(Ok(()));
        self.0.run(shards.len(), &|shard| {
            let records = shards.get(shard).map_or(&[][..], Vec::as_slice);
            let Err(error) = loader.shard(shard, records) else { return };
            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
            if first.is_ok() {
                *first = Err(error);
            }
        });
        first.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records that were read and are not in the keydir yet, by shard, in the order of the log.
pub(super) struct Gathered {
    shards: Vec<Vec<Loaded>>,
    len: usize,
}

impl Gathered {
    pub(super) fn new(shards: usize) -> Gathered {
        Gathered { shards: (0..shards).map(|_| Vec::new()).collect(), len: 0 }
    }

    /// Makes room for so many records, which hashes spread evenly. The number comes from the file, and is not believed beyond
    /// what is gathered at a time.
    pub(super) fn reserve(&mut self, records: u64) {
        let records = usize::try_from(records).unwrap_or(usize::MAX).min(GATHERED_MAX);
        let of_each = records / self.shards.len().max(1);
        self.shards.iter_mut().for_each(|shard| shard.reserve(of_each + of_each / 8));
    }

    pub(super) fn push(&mut self, shard: usize, record: Loaded) {
        if let Some(records) = self.shards.get_mut(shard) {
            records.push(record);
            self.len += 1;
        }
    }

    pub(super) fn is_full(&self) -> bool {
        GATHERED_MAX <= self.len
    }

    /// Loads them all.
    pub(super) fn load<G>(&mut self, loader: &Loader<'_, G>, spread: &dyn Spread<G>) -> Result<()> {
        if 0 < self.len {
            spread.each_shard(loader, &self.shards)?;
            self.shards.iter_mut().for_each(Vec::clear);
            self.len = 0;
        }
        Ok(())
    }
}
