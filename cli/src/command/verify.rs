//! `bitcask verify`

use std::path::PathBuf;

use bitcask::Disk;
use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::failure::{Exit, Failure};
use super::output::{Output, counted};
use super::progress::Progress;
use super::store::{self, Error, Go, VerifyReport};

/// Check every byte of every segment
///
/// Reads all records and compares them with their checksums and with the hints. Works on stores that no longer
/// open, beside a writer too, and changes nothing. Exits with 5 if anything is wrong.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A torn tail is what a crash, or a writer at work, leaves behind the last whole record. It was never durable, so it is \
told, and is no damage: the next writer cuts it.

Examples:
  bitcask verify ./db
  bitcask verify ./db --json")]
pub(crate) struct Verify {
    /// Folder of the store
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// How often a store is looked at where a writer changes its segments all the time.
const ATTEMPTS: u32 = 8;

#[derive(Serialize)]
struct Report<'r> {
    sound: bool,
    segments: u64,
    /// Of these: sealed ones, whose hints were compared.
    sealed: u64,
    /// Puts and tombstones in these.
    sealed_records: u64,
    bytes: u64,
    problems: Vec<Problem>,
    torn: Vec<Torn<'r>>,
}

#[derive(Serialize)]
struct Problem {
    /// The segment and the offset, where the problem has a place.
    segment: Option<u64>,
    offset: Option<u64>,
    what: String,
    /// Sound records of the same segment that were found behind it.
    sound_behind: u64,
}

/// Bytes that a crash left incomplete.
#[derive(Serialize)]
struct Torn<'r> {
    segment: u64,
    offset: u64,
    bytes: u64,
    why: &'r str,
}

pub(crate) fn run(args: &Verify) -> Result<Exit, Failure> {
    let folder = store::folder(&args.store)?;
    let found = look(&folder)?;
    let report = Report::new(&found);
    let mut output = Output::new();
    match args.json {
        true => output.json(&report)?,
        false => output.bytes(report.text().as_bytes())?,
    }
    output.flush()?;
    match report.problems.len() {
        0 => Ok(Exit::Done),
        problems => Err(damaged(args, problems)),
    }
}

/// A writer that rolls, seals or merges meanwhile can make a sound store look damaged; what is wrong twice in a row is
/// wrong.
fn look(folder: &Disk) -> Result<VerifyReport, Failure> {
    let mut seen_before = None;
    let mut attempt = 1;
    loop {
        let progress = Progress::bytes("verifying", Some(0));
        let found = store::verify(folder, &mut |done| {
            progress.set_of(done.bytes_read, done.bytes_total);
            Go::On
        });
        drop(progress);
        let seen = match &found {
            Ok(report) if report.is_sound() => return Ok(found?),
            Ok(report) => report.problems.iter().map(|problem| problem.error.to_string()).collect(),
            Err(error) => vec![error.to_string()],
        };
        if attempt == ATTEMPTS || seen_before.as_ref() == Some(&seen) {
            return Ok(found?);
        }
        seen_before = Some(seen);
        attempt += 1;
    }
}

fn damaged(args: &Verify, problems: usize) -> Failure {
    let problems = counted(problems as u64, "problem", "problems");
    Failure::Said {
        exit: Exit::Damaged,
        sentence: format!("{}: {problems} found", args.store.display()),
        advice: "restore the damaged segments from a backup, or read what is sound with `bitcask export --salvage`"
            .to_owned(),
    }
}

impl<'r> Report<'r> {
    fn new(found: &'r VerifyReport) -> Report<'r> {
        let problem = |problem: &store::Problem| {
            let (segment, offset) = place(&problem.error);
            let what = problem.error.to_string();
            Problem { segment, offset, what, sound_behind: problem.sound_behind }
        };
        let torn = found.torn.iter().map(|cut| Torn {
            segment: cut.segment.0,
            offset: cut.offset,
            bytes: cut.bytes,
            why: cut.why,
        });
        Report {
            sound: found.is_sound(),
            segments: found.segments,
            sealed: found.sealed,
            sealed_records: found.records,
            bytes: found.bytes,
            problems: found.problems.iter().map(problem).collect(),
            torn: torn.collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for Problem { what, sound_behind, .. } in &self.problems {
            let behind = match *sound_behind {
                0 => String::new(),
                behind => {
                    let records = counted(behind, "sound record", "sound records");
                    format!(" ({records} behind it)")
                }
            };
            text += &format!("problem: {what}{behind}\n");
        }
        for Torn { segment, offset, bytes, why } in &self.torn {
            text += &format!(
                "note: segment {segment} has a torn tail at offset {offset}: {bytes} bytes, never synced ({why})\n"
            );
        }
        let verdict = if self.sound { "sound" } else { "damaged" };
        text + &format!(
            "{verdict}: {} segments, {} sealed, {} read\n",
            HumanCount(self.segments),
            HumanCount(self.sealed),
            HumanBytes(self.bytes)
        )
    }
}

/// Where a problem is, as far as it has one place.
fn place(error: &Error) -> (Option<u64>, Option<u64>) {
    match error {
        Error::Damaged { segment, offset, .. } => (Some(segment.0), Some(*offset)),
        Error::Foreign { segment, .. } | Error::Version { segment, .. } => (Some(segment.0), None),
        _ => (None, None),
    }
}
