//! `bitcask stats`

mod held;

use std::fmt::Write;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::arguments::Reading;
use super::failure::{Exit, Failure};
use super::output::{Output, counted};
use super::store::{self, Db, Index, SegmentState, SegmentStats, Stats as StoreStats};
use held::Held;

/// Show how large a store is, what of it is live, and why the rest is held
///
/// Live bytes are those of the latest records of keys that are there; all other records are dead, until a merge drops
/// them. The amplification is the bytes of all files for each live byte.
#[derive(Debug, Args)]
#[command(after_long_help = "\
What stands before the last record of a segment is never changed, so dead records stay until `bitcask merge`, or a \
merge in the background of a program, writes the live ones to another segment.

Examples:
  bitcask stats ./db
  bitcask stats ./db --json")]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// The table holds so many segments; the others are counted.
const SEGMENTS_SHOWN_MAX: usize = 24;
/// Characters of a bar, above the table and in it.
const BAR_LEN: usize = 20;
const TABLE_BAR_LEN: usize = 12;

#[derive(Serialize)]
struct Report {
    keys: u64,
    sequence: u64,
    total_bytes: u64,
    live_bytes: u64,
    dead_bytes: u64,
    amplification: f64,
    index: &'static str,
    /// Bytes of memory that the index takes, about.
    index_bytes: u64,
    /// What the bytes are that are not live.
    held: Held,
    recovery: Recovery,
    segments: Vec<Segment>,
}

/// What opening found.
#[derive(Serialize)]
struct Recovery {
    /// Whether the last writer closed the store.
    clean: bool,
    took_ms: u64,
    /// Segments that were loaded from their hints, and those that had to be walked.
    from_hints: usize,
    walked: usize,
    /// Bytes of torn tails, which the next writer cuts.
    torn_bytes: u64,
    /// Damaged places that salvage passed over.
    passed_over: usize,
}

#[derive(Serialize)]
struct Segment {
    id: u64,
    state: &'static str,
    merged: bool,
    first_position: u64,
    last_position: u64,
    total_bytes: u64,
    live_bytes: u64,
    dead_bytes: u64,
    tombstone_bytes: u64,
    records: u64,
    live_records: u64,
    tombstones: u64,
    minimum_sequence: u64,
    maximum_sequence: u64,
}

pub(crate) fn run(args: &Stats) -> Result<Exit, Failure> {
    store::reading(&args.reading, |db| {
        let report = Report::new(db);
        let mut output = Output::new();
        match args.json {
            true => output.json(&report)?,
            false => output.bytes(report.text(&args.reading).as_bytes())?,
        }
        output.flush()?;
        Ok(Exit::Done)
    })
}

impl Report {
    fn new(db: &Db) -> Report {
        let stats = db.stats();
        let recovery = db.recovery();
        Report {
            keys: stats.keys,
            sequence: stats.sequence,
            total_bytes: stats.total_bytes,
            live_bytes: stats.live_bytes,
            dead_bytes: stats.dead_bytes,
            amplification: stats.amplification(),
            index: match stats.index {
                Index::Hash => "hash",
                Index::Ordered => "ordered",
            },
            index_bytes: stats.keydir_bytes,
            held: Held::of(&stats),
            recovery: Recovery {
                clean: recovery.clean,
                took_ms: recovery.took_ms,
                from_hints: recovery.from_hints,
                walked: recovery.walked,
                torn_bytes: recovery.cuts.iter().map(|cut| cut.bytes).sum(),
                passed_over: recovery.passed_over.len(),
            },
            segments: segments(&stats),
        }
    }

    fn text(&self, args: &Reading) -> String {
        let mut text = format!(
            "{}: {} in {}\n\n",
            args.store.display(),
            counted(self.keys, "key", "keys"),
            HumanBytes(self.total_bytes)
        );
        let overhead = self.total_bytes.saturating_sub(self.live_bytes + self.dead_bytes);
        for (name, bytes) in
            [("live", self.live_bytes), ("dead", self.dead_bytes), ("overhead", overhead)]
        {
            line(
                &mut text,
                format_args!(
                    "  {name:<14}{:>11}  {} {:>4}",
                    HumanBytes(bytes).to_string(),
                    bar(bytes, self.total_bytes, BAR_LEN),
                    percent(bytes, self.total_bytes),
                ),
            );
        }
        let amplification = match self.live_bytes {
            0 => "-".to_owned(),
            _ => format!("{:.2}", self.amplification),
        };
        line(&mut text, format_args!("  {:<14}{amplification:>11}", "amplification"));
        let memory = HumanBytes(self.index_bytes).to_string();
        line(&mut text, format_args!("  {:<14}{memory:>11}  of memory, {}", "index", self.index));
        self.recovery.add_to(&mut text);
        self.add_table(&mut text);
        self.held.add_to(&mut text);
        text
    }

    fn add_table(&self, text: &mut String) {
        let heads = ("segment", "state", "size", "live", "records", "live", "tombstones");
        line(
            text,
            format_args!(
                "\n  {:>7}  {:<14} {:>10}  {:<bar$} {:>10} {:>10} {:>10}",
                heads.0,
                heads.1,
                heads.2,
                heads.3,
                heads.4,
                heads.5,
                heads.6,
                bar = TABLE_BAR_LEN + 5
            ),
        );
        // Where there are many, those with the most to gain, in the order of the log.
        let mut by_dead: Vec<&Segment> = self.segments.iter().collect();
        by_dead.sort_by_key(|segment| std::cmp::Reverse(segment.dead_bytes));
        let least = by_dead.get(SEGMENTS_SHOWN_MAX.saturating_sub(1));
        let least = least.map_or(0, |segment| segment.dead_bytes);
        let shown = self.segments.iter().filter(|segment| segment.dead_bytes >= least);
        let mut count = 0usize;
        for segment in shown.take(SEGMENTS_SHOWN_MAX) {
            segment.add_to(text);
            count += 1;
        }
        if let more @ 1.. = self.segments.len().saturating_sub(count) {
            let more = HumanCount(more as u64);
            line(text, format_args!("  {more} more with less to gain; --json lists all"));
        }
    }
}

impl Recovery {
    fn add_to(&self, text: &mut String) {
        let Recovery { took_ms, from_hints, walked, .. } = self;
        line(
            text,
            format_args!(
                "  {:<14}{:>11}  {} from hints, {walked} walked",
                "opened in",
                format!("{took_ms} ms"),
                counted(*from_hints as u64, "segment", "segments")
            ),
        );
        if self.torn_bytes > 0 {
            let torn = HumanBytes(self.torn_bytes).to_string();
            line(
                text,
                format_args!(
                    "  {:<14}{torn:>11}  never synced; the next writer cuts it",
                    "torn tail"
                ),
            );
        }
        if self.passed_over > 0 {
            let places = self.passed_over;
            line(text, format_args!("  {:<14}{places:>11}  passed over by salvage", "damage"));
        }
    }
}

impl Segment {
    fn add_to(&self, text: &mut String) {
        let state =
            if self.merged { format!("{}, merged", self.state) } else { self.state.to_owned() };
        line(
            text,
            format_args!(
                "  {:>7}  {state:<14} {:>10}  {} {:>4} {:>10} {:>10} {:>10}",
                self.id,
                HumanBytes(self.total_bytes).to_string(),
                bar(self.live_bytes, self.total_bytes, TABLE_BAR_LEN),
                percent(self.live_bytes, self.total_bytes),
                HumanCount(self.records).to_string(),
                HumanCount(self.live_records).to_string(),
                HumanCount(self.tombstones).to_string(),
            ),
        );
    }
}

fn segments(stats: &StoreStats) -> Vec<Segment> {
    let each = |segment: &SegmentStats| Segment {
        id: segment.id.0,
        state: state(segment),
        merged: segment.is_merge,
        first_position: segment.first_position,
        last_position: segment.last_position,
        total_bytes: segment.total_bytes,
        live_bytes: segment.live_bytes,
        dead_bytes: segment.dead_bytes,
        tombstone_bytes: segment.tombstone_bytes,
        records: segment.records,
        live_records: segment.live_records,
        tombstones: segment.tombstones,
        minimum_sequence: segment.minimum_sequence,
        maximum_sequence: segment.maximum_sequence,
    };
    stats.segments.iter().map(each).collect()
}

fn state(segment: &SegmentStats) -> &'static str {
    match segment.state {
        SegmentState::Active => "active",
        SegmentState::Spare => "spare",
        SegmentState::Pending => "pending",
        SegmentState::Sealed => "sealed",
        SegmentState::Quarantined => "quarantined",
        SegmentState::Retired => "retired",
        _ => "unknown",
    }
}

fn bar(part: u64, whole: u64, len: usize) -> String {
    let filled = |at: usize| (at as f64 + 0.5) / len as f64 <= ratio(part, whole);
    (0..len).map(|at| if filled(at) { '█' } else { '░' }).collect()
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.0} %", ratio(part, whole) * 100.0)
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // A `String` takes every write.
    let _ = writeln!(text, "{what}");
}
