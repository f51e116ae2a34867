//! The bars: what ours has to reach, mostly as ratios within one run.

use crate::report::Report;

/// What a figure is held against.
#[derive(Clone, Copy)]
enum Against {
    /// The best of the other stores in the same row.
    BestPeer,
    /// The same store's figure in this row.
    Own(&'static str),
    /// The figure of ours with the other keydir in this row.
    Other(&'static str),
    /// A number.
    Nothing,
}

/// Which way is better, and how far it has to be.
#[derive(Clone, Copy)]
enum Reach {
    AtLeast(f64),
    AtMost(f64),
}

struct Bar {
    group: &'static str,
    measure: &'static str,
    store: &'static str,
    against: Against,
    reach: Reach,
}

const SMALL: &str = "Values of 100 bytes";
const LARGER: &str = "Values of 1000 bytes";
const LARGE: &str = "Values of 64 KiB";
const SYNCED: &str = "Put with sync, values of 100 bytes";
const MERGING: &str = "Merging, values of 100 bytes";

const fn bar(
    group: &'static str,
    measure: &'static str,
    store: &'static str,
    against: Against,
    reach: Reach,
) -> Bar {
    Bar { group, measure, store, against, reach }
}

use Against::{BestPeer, Nothing, Other, Own};
use Reach::{AtLeast, AtMost};

const BARS: &[Bar] = &[
    bar(SMALL, "load, batches of 1,000, un-synced", "hash", BestPeer, AtLeast(6.0)),
    bar(SMALL, "single put, new key, un-synced", "hash", BestPeer, AtLeast(3.0)),
    // Every get checks its record's checksum, so the bar is that of checked reads.
    bar(SMALL, "get hit, 1 thread", "hash", BestPeer, AtLeast(3.0)),
    bar(SMALL, "get hit, 2 threads", "hash", Own("get hit, 1 thread"), AtLeast(1.9)),
    bar(SMALL, "get miss, 1 thread", "hash", BestPeer, AtLeast(1.4)),
    bar(SMALL, "mixed 95/5, zipfian, 2 threads", "hash", BestPeer, AtLeast(6.0)),
    bar(SMALL, "mixed 50/50, zipfian, 2 threads", "hash", BestPeer, AtLeast(4.0)),
    bar(SMALL, "mixed 50/50, write p99.9", "hash", BestPeer, AtMost(1.0)),
    bar(SMALL, "full scan, ordered", "ordered", BestPeer, AtLeast(0.8)),
    bar(SMALL, "range of 100", "ordered", BestPeer, AtLeast(0.8)),
    bar(SMALL, "delete half, batches of 1,000", "hash", BestPeer, AtLeast(6.0)),
    bar(SMALL, "reopen after close, cold cache, keys", "hash", Nothing, AtLeast(33.0)),
    bar(SMALL, "reopen after SIGKILL", "hash", Nothing, AtLeast(3.0)),
    bar(SMALL, "reopen without close, all of it tail", "hash", Nothing, AtLeast(3.0)),
    bar(SMALL, "get hit, cold cache: waits for the disk", "hash", Nothing, AtMost(1.05)),
    bar(SMALL, "get hit, data 4 × the memory: waits for the disk", "hash", Nothing, AtMost(1.05)),
    bar(SMALL, "disk after load ÷ logical", "hash", Nothing, AtMost(1.35)),
    bar(SMALL, "keydir by its own account", "hash", Nothing, AtMost(15.0)),
    bar(SMALL, "keydir by its own account", "ordered", Nothing, AtMost(56.0)),
    bar(SMALL, "keydir ÷ map of boxed keys, alone", "hash", Nothing, AtMost(0.9)),
    bar(SMALL, "keydir ÷ map of boxed keys, beside a writer", "hash", Nothing, AtMost(0.9)),
    bar(SMALL, "get hit, 1 thread", "ordered", Other("hash"), AtLeast(0.5)),
    bar(SMALL, "single puts of all keys, longest on the processor", "hash", Nothing, AtMost(3.0)),
    bar(LARGER, "load, batches of 1,000, un-synced", "hash", BestPeer, AtLeast(6.0)),
    bar(LARGER, "get hit, 1 thread", "hash", BestPeer, AtLeast(3.0)),
    bar(LARGER, "mixed 95/5, zipfian, 2 threads", "hash", BestPeer, AtLeast(4.0)),
    bar(LARGER, "disk after load ÷ logical", "hash", Nothing, AtMost(1.05)),
    bar(LARGE, "single put ÷ raw page-cache write", "hash", Nothing, AtLeast(0.8)),
    bar(SYNCED, "1 thread ÷ raw fdatasync", "hash", Nothing, AtLeast(0.95)),
    bar(SYNCED, "4 threads", "hash", BestPeer, AtLeast(1.3)),
    bar(SYNCED, "16 threads", "hash", BestPeer, AtLeast(1.3)),
    bar(SYNCED, "64 threads", "hash", BestPeer, AtLeast(4.0)),
    bar(SYNCED, "64 threads, p99", "hash", Nothing, AtMost(3.0)),
    bar(MERGING, "read p99.9, beside ÷ without", "hash", Nothing, AtMost(5.0)),
    bar(MERGING, "write p99.9, beside ÷ without", "hash", Nothing, AtMost(5.0)),
    bar(MERGING, "merge with a budget: bytes read ÷ budget", "hash", Nothing, AtLeast(0.9)),
    bar(MERGING, "merge with a budget: bytes read ÷ budget", "hash", Nothing, AtMost(1.1)),
    bar(MERGING, "full merge: most space beside ÷ segment", "hash", Nothing, AtMost(1.0)),
    // What a store takes that was written once is a bar of its own, and higher than the one for rest: so these are held against it.
    bar(MERGING, "disk, most while overwriting ÷ written once", "hash", Nothing, AtMost(2.0)),
    bar(MERGING, "disk, at rest ÷ written once", "hash", Nothing, AtMost(1.3)),
];

/// What was reached of a bar.
#[derive(Debug)]
pub struct Reached {
    /// The row, the store, and what it was held against.
    pub what: String,
    /// The figure.
    pub figure: f64,
    /// The bar, to read.
    pub bar: String,
    /// Whether it is met.
    pub met: bool,
}

/// All bars whose rows were measured.
#[must_use]
pub fn reached(report: &Report) -> Vec<Reached> {
    BARS.iter().filter_map(|bar| bar.reached(report)).collect()
}

impl Bar {
    fn reached(&self, report: &Report) -> Option<Reached> {
        let own = report.median(self.group, self.measure, self.store)?;
        let (base, against) = match self.against {
            Nothing => (1.0, String::new()),
            Own(measure) => {
                (report.median(self.group, measure, self.store)?, format!(" ÷ {measure}"))
            }
            Other(store) => {
                (report.median(self.group, self.measure, store)?, format!(" ÷ {store}"))
            }
            BestPeer => {
                let is_rate = matches!(self.reach, AtLeast(_));
                let (peer, best) = report.best_peer(self.group, self.measure, is_rate)?;
                (best, format!(" ÷ {peer}"))
            }
        };
        let figure = own / base;
        let (bar, met) = match self.reach {
            AtLeast(least) => (format!("≥ {least}"), least <= figure),
            AtMost(most) => (format!("≤ {most}"), figure <= most),
        };
        let what = format!("{}: {}, {}{against}", self.group, self.measure, self.store);
        Some(Reached { what, figure, bar, met })
    }
}
