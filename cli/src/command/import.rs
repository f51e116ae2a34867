//! `bitcask import`

mod stream;

use std::io::{self, BufRead, BufReader, Read};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::HumanCount;
use serde::Serialize;

use super::arguments::{Durability, Writing};
use super::encoding::EncodingArgs;
use super::failure::{Exit, Failure};
use super::input::name;
use super::output::{Output, counted, say};
use super::progress::Progress;
use super::rows::{BadRow, Fields, Format, Row, Rows};
use super::source::Source;
use super::store::{self, Batch, Create, Db, WriteOptions};

/// A batch ends with the record that takes it past this, so that memory is bounded whatever the records are.
const BATCH_BYTES: usize = 4 << 20;
/// Under `--durability interval` a batch is followed by a sync when the last one is so long ago.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// So many bad rows are shown before an import that refuses them; the rest is counted.
const BAD_SHOWN_MAX: u64 = 10;

/// Store the records of a JSON Lines, CSV or TSV file, or of an exported store
///
/// Creates the store if there is none. Without --key the file is one that `bitcask export` wrote. When it exits
/// with 0 all records are durable, unless --durability none says that this does not matter.
///
/// A file with a bad row (not JSON, no key, a key that is empty or too long) is refused before anything is written: it is
/// read twice, and what comes through a pipe is kept in a temporary file (TMPDIR) meanwhile. With --skip-bad the
/// good rows are imported as they come. Bad rows are reported on standard error with their line numbers.
#[derive(Debug, Args)]
#[command(after_long_help = "\
JSON Lines: keys are texts, numbers (as they are written) or true and false. The value is the whole line as it \
stands, or one of its fields: the text of a text, the JSON of anything else. {\"base64\": \"…\"} stands for bytes.

CSV and TSV: the first line names the columns. The value is a column, or the whole row as a JSON object.

Of two rows with one key the later one counts; `replaced` in the summary counts them, and keys that were there \
before.

Records are written in batches, each all or nothing. With --acknowledge each key is printed once its batch is \
written, under --durability always: synced. The keys are escaped like those of `bitcask scan`. An input that does not \
end needs --skip-bad; else nothing is written before all of it was checked.

With --store the file is the stream that `bitcask export --store` wrote, which is checked whole before anything is \
written. A new store is made in a temporary folder beside, and is complete or not there at all. In a store that is there \
the entries are put over what it holds; other keys stay. Records that have expired meanwhile delete what was there.

Memory: one batch, or the longest row, and the index of the whole store (see --index).

Exit codes: as always; 4 also if --skip-bad left rows out, 5 if a stream is damaged or not whole.

Examples:
  bitcask import ./db data.jsonl --key name
  bitcask import ./db users.csv --key id --value email
  zcat backup.jsonl.gz | bitcask import ./db -
  bitcask import ./db data.jsonl --key id --skip-bad 2> bad.txt
  bitcask import ./db backup.bitcask --store
  bitcask import ./db backup.bitcask --store --check
  bitcask import ./db data.jsonl --key id --durability always --acknowledge > stored.txt")]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) writing: Writing,
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Field, or column, that is the key
    #[arg(long, short, value_name = "FIELD", help_heading = "Rows")]
    key: Option<String>,
    /// Field, or column, that is the value; without it the whole row is
    #[arg(long, short, value_name = "FIELD", help_heading = "Rows")]
    value: Option<String>,
    /// Field, or column, with a time of expiry in milliseconds since 1970; a row may go without
    #[arg(long, value_name = "FIELD", help_heading = "Rows")]
    expires: Option<String>,
    /// How the rows are written; without it the file's ending says so, else it is jsonl
    #[arg(long, value_enum, help_heading = "Rows")]
    format: Option<Format>,
    /// Import the good rows where some are bad
    #[arg(long, help_heading = "Rows")]
    skip_bad: bool,
    /// The file is the checked stream that `bitcask export --store` wrote
    #[arg(long = "store", conflicts_with_all = [
        "key", "value", "expires", "format", "skip_bad", "batch", "acknowledge",
        "hex", "base64", "key_format", "value_format",
    ])]
    whole: bool,
    /// Check the stream from its first byte to its last, and write nothing; STORE is not looked at
    #[arg(long, requires = "whole")]
    check: bool,
    /// At most so many records in a batch
    #[arg(long, value_name = "N", default_value = "1000")]
    batch: NonZeroUsize,
    /// Print each key on a line once its record is written
    #[arg(long)]
    acknowledge: bool,
    /// Print the summary as JSON on standard output
    #[arg(long, conflicts_with = "acknowledge")]
    json: bool,
    #[command(flatten)]
    encoding: EncodingArgs,
}

/// What was done.
#[derive(Default, Serialize)]
struct Summary {
    /// Records written.
    imported: u64,
    /// Of these: keys that were not there before.
    new: u64,
    /// Of these: keys that were there before, or came before in the same input.
    replaced: u64,
    /// Rows that were not imported.
    bad: u64,
}

pub(crate) fn run(args: &Import) -> Result<Exit, Failure> {
    if args.whole {
        return stream::run(args);
    }
    let mut source = Source::open(&args.file)?;
    if !args.skip_bad {
        let instead = "import what is good as it comes with --skip-bad";
        source = source.checked(instead, |progress, reader| check(args, progress, reader))?;
    }
    let progress = Progress::bytes("importing", source.len);
    let rows = rows(args, BufReader::with_capacity(1 << 16, source.read(&progress)))?;
    let summary = store::writing(&args.writing, Create::IfMissing, |db| {
        let mut importer = Importer::new(args, db, &progress);
        let done = importer.run(rows);
        if done.is_err() && importer.summary.imported > 0 {
            let records = counted(importer.summary.imported, "record", "records");
            progress.say(&format!("imported before this: {records}"));
        }
        done.map(|()| importer.summary)
    });
    drop(progress);
    report(args, &summary?)
}

fn report(args: &Import, summary: &Summary) -> Result<Exit, Failure> {
    if args.json {
        let mut output = Output::new();
        output.json(summary)?;
        output.flush()?;
    } else {
        let imported = counted(summary.imported, "record", "records");
        let new = counted(summary.new, "new key", "new keys");
        let bad = match summary.bad {
            0 => String::new(),
            bad => format!("; {} skipped", counted(bad, "bad row", "bad rows")),
        };
        say(&format!("{imported} imported: {new}, {} replaced{bad}", HumanCount(summary.replaced)));
    }
    Ok(if summary.bad > 0 { Exit::Io } else { Exit::Done })
}

fn rows<R: BufRead>(args: &Import, reader: R) -> Result<Rows<R>, Failure> {
    let exported = args.key.is_none();
    let or = |field: &Option<String>, name: &str| {
        field.clone().or_else(|| exported.then(|| name.to_owned()))
    };
    let fields = Fields {
        key: args.key.clone().unwrap_or_else(|| "key".to_owned()),
        value: or(&args.value, "value"),
        expires: or(&args.expires, "expires_at_ms"),
        key_encoding: args.encoding.key(),
        value_encoding: args.encoding.value(),
    };
    Rows::new(args.format.unwrap_or_else(|| Format::of(&args.file)), fields, reader)
}

/// Reads everything once, so that a bad row is known before anything is written.
fn check(args: &Import, progress: &Progress, reader: &mut dyn Read) -> Result<(), Failure> {
    let mut rows = rows(args, BufReader::with_capacity(1 << 16, reader))?;
    let (mut good, mut bad) = (0u64, 0u64);
    while let Some(row) = rows.next_row().map_err(|e| reading_failed(args, &e))? {
        match row {
            Ok(_) => good = good.saturating_add(1),
            Err(row) => {
                bad = bad.saturating_add(1);
                if bad <= BAD_SHOWN_MAX {
                    progress.say(&bad_row(args, &row));
                }
            }
        }
    }
    if bad > 0 {
        let all = good.saturating_add(bad);
        return Err(Failure::io(
            format!("nothing was imported: {bad} of {all} rows in {} are bad", name(&args.file)),
            "correct them, or import the good ones with --skip-bad",
        ));
    }
    Ok(())
}

fn bad_row(args: &Import, row: &BadRow) -> String {
    format!("{} line {}: {}", name(&args.file), row.line, row.what)
}

fn reading_failed(args: &Import, error: &io::Error) -> Failure {
    Failure::file("reading", name(&args.file), error)
}

/// Writes rows in batches and acknowledges them.
struct Importer<'i> {
    args: &'i Import,
    db: &'i Db,
    progress: &'i Progress,
    batch: Batch,
    /// What is printed once the batch is written.
    acknowledged: Vec<u8>,
    output: Output,
    synced: Instant,
    summary: Summary,
}

impl<'i> Importer<'i> {
    fn new(args: &'i Import, db: &'i Db, progress: &'i Progress) -> Importer<'i> {
        let (batch, output) = (Batch::new(), Output::new());
        Importer {
            args,
            db,
            progress,
            batch,
            output,
            acknowledged: Vec::new(),
            synced: Instant::now(),
            summary: Summary::default(),
        }
    }

    fn run<R: BufRead>(&mut self, mut rows: Rows<R>) -> Result<(), Failure> {
        while let Some(row) = rows.next_row().map_err(|e| reading_failed(self.args, &e))? {
            match row {
                Ok(row) => self.add(&row)?,
                Err(bad) if self.args.skip_bad => {
                    self.summary.bad = self.summary.bad.saturating_add(1);
                    self.progress.say(&bad_row(self.args, &bad));
                }
                Err(bad) => {
                    return Err(Failure::io(
                        format!("{}; the file was changed meanwhile", bad_row(self.args, &bad)),
                        "import it again when nobody writes to it",
                    ));
                }
            }
        }
        self.write()
    }

    fn add(&mut self, row: &Row) -> Result<(), Failure> {
        match row.expires_at_ms {
            Some(at_ms) => self.batch.put_expiring(&row.key, &row.value, at_ms)?,
            None => self.batch.put(&row.key, &row.value)?,
        };
        if self.args.acknowledge {
            let line = self.args.encoding.key().line(&row.key);
            self.acknowledged.extend_from_slice(line.as_bytes());
            self.acknowledged.push(b'\n');
        }
        if self.batch.len() >= self.args.batch.get() || self.batch.bytes() >= BATCH_BYTES {
            self.write()?;
        }
        Ok(())
    }

    /// The keys of a batch are printed after the write has returned: what is printed is stored.
    fn write(&mut self) -> Result<(), Failure> {
        let before = self.db.len();
        self.db.write(&self.batch, &WriteOptions::default())?;
        let records = self.batch.len() as u64;
        let new = self.db.len().saturating_sub(before);
        self.summary.imported = self.summary.imported.saturating_add(records);
        self.summary.new = self.summary.new.saturating_add(new);
        self.summary.replaced = self.summary.replaced.saturating_add(records.saturating_sub(new));
        self.batch.clear();
        if self.args.writing.durability == Durability::Interval
            && self.synced.elapsed() >= SYNC_INTERVAL
        {
            self.db.sync()?;
            self.synced = Instant::now();
        }
        if self.args.acknowledge {
            let printed = self.output.bytes(&self.acknowledged).and_then(|()| self.output.flush());
            self.acknowledged.clear();
            printed.map_err(not_acknowledged)?;
        }
        Ok(())
    }
}

/// An import whose reader went away is not finished, so it does not end quietly.
fn not_acknowledged(failure: Failure) -> Failure {
    match failure {
        Failure::Output(e) => Failure::io(
            format!("standard output takes no more keys: {e}"),
            "import the file again; what is there already is stored once more",
        ),
        failure => failure,
    }
}
