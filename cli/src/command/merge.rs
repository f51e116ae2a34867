//! `bitcask merge`

use std::path::PathBuf;

use clap::Args;
use indicatif::HumanBytes;
use serde::Serialize;

use super::arguments::{Durability, Index, Writing};
use super::failure::{Exit, Failure};
use super::output::{Output, counted};
use super::progress::Progress;
use super::store::{self, Create, Db, Error, Go, MergePolicy, Stats};

/// Give back the space of records that were replaced or deleted
///
/// Writes the live records of segments with dead bytes into new segments, and removes the old ones when the new
/// ones are durable. Nothing is lost when it is interrupted, at any moment. While it runs nobody else can write;
/// readers can read.
///
/// A damaged segment is left alone, with all that is sound in it: the others are merged, and the exit code is 5.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Without --dead-ratio every segment with anything dead in it is merged, and small ones are joined. Tombstones stay for \
as long as an older segment may hold what they delete.

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
    /// How many times segments were merged into one.
    runs: u64,
    /// Segments that were merged, and removed.
    inputs: usize,
    /// Bytes of them that were read.
    bytes_read: u64,
    /// Bytes of live records that were copied.
    bytes_copied: u64,
    /// Bytes that the files are shorter now.
    bytes_freed: u64,
    before: Size,
    after: Size,
    /// What is damaged, if anything is.
    damage: Option<String>,
}

/// How large the store is.
#[derive(Serialize)]
struct Size {
    segments: usize,
    bytes: u64,
    /// Bytes of the files for each live byte.
    amplification: f64,
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
    let (report, damage) = store::writing(&writing, Create::Never, |db| merge(db, &policy))?;
    let mut output = Output::new();
    match args.json {
        true => output.json(&report)?,
        false => output.bytes(report.text().as_bytes())?,
    }
    output.flush()?;
    damage.map_or(Ok(Exit::Done), |error| Err(error.into()))
}

fn merge(db: &Db, policy: &MergePolicy) -> Result<(Report, Option<Error>), Failure> {
    let before = db.stats();
    db.roll_for(policy)?;
    let progress = Progress::bytes("merging", Some(0));
    let merged = db.merge(policy, &mut |step| {
        progress.set_of(step.bytes_read, step.bytes_total);
        Go::On
    });
    drop(progress);
    let damage = match merged {
        Ok(_) => None,
        Err(error) if error.is_damage() => Some(error),
        Err(error) => return Err(error.into()),
    };
    Ok((Report::new(&before, &db.stats(), damage.as_ref()), damage))
}

impl Report {
    fn new(before: &Stats, after: &Stats, damage: Option<&Error>) -> Report {
        let is_gone = |id| after.segments.iter().all(|segment| segment.id != id);
        Report {
            runs: after.merges,
            inputs: before.segments.iter().filter(|segment| is_gone(segment.id)).count(),
            bytes_read: after.merge_bytes_read,
            bytes_copied: after.merge_bytes_copied,
            bytes_freed: before.total_bytes.saturating_sub(after.total_bytes),
            before: Size::of(before),
            after: Size::of(after),
            damage: damage.map(ToString::to_string),
        }
    }

    fn text(&self) -> String {
        match (self.runs, &self.damage) {
            (0, None) => return "nothing to merge\n".to_owned(),
            (0, Some(_)) => return "nothing was merged\n".to_owned(),
            _ => {}
        }
        format!(
            "{} merged in {}: {} read, {} of live records copied, {} freed\n\
             before  {}\nafter   {}\n",
            counted(self.inputs as u64, "segment", "segments"),
            counted(self.runs, "run", "runs"),
            HumanBytes(self.bytes_read),
            HumanBytes(self.bytes_copied),
            HumanBytes(self.bytes_freed),
            self.before.text(),
            self.after.text(),
        )
    }
}

impl Size {
    fn of(stats: &Stats) -> Size {
        Size {
            segments: stats.segments.len(),
            bytes: stats.total_bytes,
            amplification: stats.amplification(),
        }
    }

    fn text(&self) -> String {
        let Size { segments, bytes, amplification } = self;
        format!("{} in {segments} segments, amplification {amplification:.2}", HumanBytes(*bytes))
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("a number from 0 to 1 is wanted".to_owned()),
    }
}
