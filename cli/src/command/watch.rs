//! `bitcask watch`

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use serde::Serialize;

use super::arguments::{Index, Reading};
use super::encoding::{EncodingArgs, JsonBytes};
use super::failure::{Exit, Failure};
use super::output::{Output, say};
use super::store::{self, ChangeKind, Db};

/// How often the folder is looked at. Opening takes longer in a large store, and gets a part of the time only.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSES_PER_OPENING: u32 = 4;
/// Two writes within this time may leave the same time on a file.
const TIME_STEP: Duration = Duration::from_millis(50);

/// Print what was written, in the order in which it was
///
/// One JSON object on each line: {"sequence": N, "key": …, "value": …} for a put, with expires_at_ms if it expires,
/// {"sequence": N, "key": …, "deleted": true} for a delete. "batch_goes_on": true says that the next line belongs to
/// the same batch. A line {"until": N, "complete": …} ends what was there at one moment: up to this number all was told.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The log is what is printed, so a merge makes it shorter: of several writes of a key it keeps the last, and a delete \
is forgotten when no older record needs it. Whoever has the store as it was at N and applies what `--since N` prints \
has the store as it is, if the line at the end says \"complete\": true. Else deletes may be missing: take all records \
(`bitcask scan`, `bitcask export`) and go on from \"until\". From 0 on it is complete always.

A put whose expires_at_ms is over counts as a delete. What is printed may not be synced yet: a power cut can take it, and \
then a later `--since` of its number is not complete.

With --follow the command works beside a process that writes, and goes on until it is interrupted. What it prints is \
in the order of the log, and nothing is left out, but a line with \"complete\": false may come where a merge was faster.

Exit codes: as always; 1 without --follow if it is not complete.

Examples:
  bitcask watch ./db
  bitcask watch ./db --since 4509
  bitcask watch ./db --follow --since now --keys-only")]
pub(crate) struct Watch {
    /// Folder of the store
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// What was written behind this sequence number, or from now on
    #[arg(long, value_name = "N|now", default_value = "0")]
    since: Since,
    /// Go on until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Print keys without their values, which are not read then
    #[arg(long, short)]
    keys_only: bool,
    #[command(flatten)]
    encoding: EncodingArgs,
}

#[derive(Clone, Copy, Debug)]
enum Since {
    Number(u64),
    Now,
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Since, &'static str> {
        match text {
            "now" => Ok(Since::Now),
            text => text.parse().map(Since::Number).map_err(|_| "a number, or `now`, is wanted"),
        }
    }
}

/// A write.
#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    key: JsonBytes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<JsonBytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    deleted: bool,
    #[serde(skip_serializing_if = "is_false")]
    batch_goes_on: bool,
}

/// The end of what was there at one moment.
#[derive(Serialize)]
struct End {
    until: u64,
    complete: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

pub(crate) fn run(args: &Watch) -> Result<Exit, Failure> {
    let mut output = Output::new();
    // The state of the files before they are read: what changes later shows next time.
    let mut seen = State::of(&args.store);
    let mut began = Instant::now();
    let mut end = read(args, args.since, &mut output)?;
    output.json(&end)?;
    output.flush()?;
    if !args.follow {
        return Ok(if end.complete { Exit::Done } else { Exit::NotFound });
    }
    loop {
        thread::sleep(PAUSE.max(began.elapsed().saturating_mul(PAUSES_PER_OPENING)));
        began = Instant::now();
        let now = State::of(&args.store);
        if now.is_known_to_be(&seen) {
            continue;
        }
        seen = now;
        let since = end.until;
        end = read(args, Since::Number(since), &mut output)?;
        // While nothing happens nothing is printed.
        if end.until != since {
            output.json(&end)?;
            output.flush()?;
        }
    }
}

/// Prints what is there, and says how far that is.
fn read(args: &Watch, since: Since, output: &mut Output) -> Result<End, Failure> {
    // The feed needs no index; this is the smaller one.
    let reading = Reading { store: args.store.clone(), index: Index::Hash, salvage: false };
    store::reading(&reading, |db| {
        let since = match since {
            Since::Number(since) => since,
            Since::Now => db.sequence(),
        };
        let end = print(args, db, since, output)?;
        if !end.complete {
            say(&format!(
                "not complete: deletes after {since} may be missing, or {since} is not a number of this log; take all records and go on from {}",
                end.until
            ));
        }
        Ok(end)
    })
}

fn print(args: &Watch, db: &Db, since: u64, output: &mut Output) -> Result<End, Failure> {
    let mut feed = db.changes(since)?;
    if args.keys_only {
        feed = feed.keys_only();
    }
    for change in feed.by_ref() {
        let change = change?;
        let (value, expires_at_ms, deleted) = match &change.kind {
            ChangeKind::Put { value, expires_at_ms } => (value.as_deref(), *expires_at_ms, false),
            ChangeKind::Delete => (None, None, true),
        };
        output.json(&Line {
            sequence: change.sequence,
            key: args.encoding.key().json(&change.key),
            value: value.map(|value| args.encoding.value().json(value)),
            expires_at_ms,
            deleted,
            batch_goes_on: change.batch_goes_on,
        })?;
    }
    Ok(End { until: feed.until(), complete: feed.is_complete() })
}

/// What tells whether anything was written: the files of the store, their lengths, and when they were last changed.
struct State {
    files: io::Result<Vec<(OsString, u64, Option<SystemTime>)>>,
    looked: SystemTime,
}

impl State {
    fn of(store: &Path) -> State {
        let looked = SystemTime::now();
        let files = || {
            let mut files = Vec::new();
            for entry in fs::read_dir(store)? {
                let entry = entry?;
                if entry.path().extension().is_some_and(|ending| ending == "segment") {
                    let about = entry.metadata()?;
                    files.push((entry.file_name(), about.len(), about.modified().ok()));
                }
            }
            files.sort();
            Ok(files)
        };
        State { files: files(), looked }
    }

    /// Whether nothing can have happened between.
    fn is_known_to_be(&self, before: &State) -> bool {
        match (&self.files, &before.files) {
            (Ok(now), Ok(then)) => {
                // A change shortly after the look may have left the time that was seen.
                let is_old = |changed: &Option<SystemTime>| {
                    changed.is_some_and(|at| {
                        before.looked.duration_since(at).is_ok_and(|since| TIME_STEP < since)
                    })
                };
                now == then && then.iter().all(|(.., changed)| is_old(changed))
            }
            _ => false,
        }
    }
}
