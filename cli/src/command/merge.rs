//! `bitcask merge`

use std::path::PathBuf;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::arguments::{Durability, Index, Writing};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::progress::Progress;
use super::store::{self, Create, Go, MergePolicy, MergeReport};

/// Give back the space of records that were replaced or deleted
///
/// Writes the live records of segments with dead bytes into new segments, and removes the old ones when the new
/// ones are durable. Nothing is lost when it is interrupted, at any moment. While it runs nobody else can write; readers can read.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Without --dead-ratio every segment with anything dead in it is merged, and small ones are joined.

Examples:
  bitcask merge ./db
  bitcask merge ./db --dead-ratio 0.4    only where at least 40 % of the bytes are dead
  bitcask merge ./db --json")]
pub(crate) struct Merge {
    /// Folder of the store
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// Leave alone what has a smaller part of dead bytes, from 0 to 1
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    dead_ratio: Option<f64>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// How keys are held in memory
    #[arg(long, value_enum, default_value_t, help_heading = "Store")]
    index: Index,
    /// Begin another segment before one grows longer than this; 64 MiB if nothing is said
    #[arg(long, value_name = "BYTES", help_heading = "Store")]
    segment_bytes: Option<u64>,
}

/// What the merge did.
#[derive(Serialize)]
struct Report {
    /// Merges that were committed.
    runs: u64,
    /// Segments that were merged and removed.
    inputs: u64,
    /// Segments that replace them.
    outputs: u64,
    bytes_read: u64,
    bytes_copied: u64,
    bytes_freed: u64,
    records_copied: u64,
    tombstones_dropped: u64,
}

pub(crate) fn run(args: &Merge) -> Result<Exit, Failure> {
    let policy = match args.dead_ratio {
        Some(dead_ratio) => MergePolicy::default().dead_ratio(dead_ratio),
        None => MergePolicy::full(),
    };
    let writing = Writing {
        store: args.store.clone(),
        index: args.index,
        durability: Durability::Interval,
        segment_bytes: args.segment_bytes,
    };
    let report = store::writing(&writing, Create::Never, |db| {
        let progress = Progress::bytes("merging", Some(0));
        Ok(db.merge(&policy, &mut |step| {
            progress.set_of(step.bytes_read, step.bytes_total);
            Go::On
        })?)
    })?;
    let report = Report::new(&report);
    let mut output = Output::new();
    match args.json {
        true => output.json(&report)?,
        false => output.line(&report.sentence())?,
    }
    output.flush()?;
    Ok(Exit::Done)
}

impl Report {
    fn new(report: &MergeReport) -> Report {
        Report {
            runs: report.runs,
            inputs: report.inputs,
            outputs: report.outputs,
            bytes_read: report.bytes_read,
            bytes_copied: report.bytes_copied,
            bytes_freed: report.bytes_freed,
            records_copied: report.records_copied,
            tombstones_dropped: report.tombstones_dropped,
        }
    }

    fn sentence(&self) -> String {
        if self.inputs == 0 {
            return "nothing to merge".to_owned();
        }
        format!(
            "{} segments merged into {}: {} records ({}) copied, {} freed",
            self.inputs,
            self.outputs,
            HumanCount(self.records_copied),
            HumanBytes(self.bytes_copied),
            HumanBytes(self.bytes_freed)
        )
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("a number from 0 to 1 is wanted".to_owned()),
    }
}
