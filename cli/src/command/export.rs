//! `bitcask export`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::arguments::{Bounds, Reading};
use super::encoding::EncodingArgs;
use super::failure::{Exit, Failure};
use super::input::is_standard;
use super::output::{Output, counted, say, write_file};
use super::progress::Progress;
use super::rows::{Columns, Format, RowWriter};
use super::store::{self, Db};

/// Write all records to a file or to standard output
///
/// What it writes, `bitcask import ./db FILE` (without --key) reads back: the same keys, values and times of
/// expiry, whatever their bytes. A file is complete or not there at all. With --store it is one checked stream, made for
/// backups and for moving whole stores.
#[derive(Debug, Args)]
#[command(after_long_help = "\
JSON Lines: {\"key\": …, \"value\": …, \"expires_at_ms\": N}. Bytes that are no UTF-8 stand as {\"base64\": \"…\"}; \
expires_at_ms (milliseconds since 1970) is there if the record expires.

With --store: one stream of bytes, small and fast, that holds a checksum for every part and one for the whole, so that \
`bitcask import --store` notices any damage, and an end that is missing. It is the store of one moment, whatever is \
written meanwhile.

CSV and TSV: the columns key, value and expires_at_ms. Fields hold the exact bytes, in quotes where they must be; for \
programs that want text, add --base64 or --hex, here and at the import.

Examples:
  bitcask export ./db backup.jsonl
  bitcask export ./db - | gzip > backup.jsonl.gz
  bitcask export ./db backup.bitcask --store
  bitcask export ./db --store | ssh host bitcask import ./db - --store
  bitcask export ./db users.csv --prefix user: --key-field name
  bitcask export ./db data.jsonl --values-only    the lines that `import --key FIELD` took in")]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Where to; `-` is standard output
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// How the records are written; without it the file's ending says so, else it is jsonl
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Name of the field, or the column, that holds the key
    #[arg(long, value_name = "NAME", default_value = "key")]
    key_field: String,
    /// Name of the field, or the column, that holds the value
    #[arg(long, value_name = "NAME", default_value = "value")]
    value_field: String,
    /// Write each value as a line of its own, and nothing else
    #[arg(long, conflicts_with_all = ["format", "key_field", "value_field"])]
    values_only: bool,
    /// Write one checked stream instead of rows: see below
    #[arg(long = "store", conflicts_with_all = ["format", "key_field", "value_field", "values_only"])]
    whole: bool,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    encoding: EncodingArgs,
}

const EXPIRES_FIELD: &str = "expires_at_ms";

pub(crate) fn run(args: &Export) -> Result<Exit, Failure> {
    let (key, value) = (args.key_field.as_str(), args.value_field.as_str());
    if key == value || [key, value].contains(&EXPIRES_FIELD) {
        return Err(Failure::usage("two fields have one name", "choose other names for them"));
    }
    if args.whole && is_standard(&args.file) && Output::is_terminal() {
        let advice = "give it a file, or a pipe";
        return Err(Failure::usage("the stream is not for a terminal", advice));
    }
    let count = store::reading(&args.reading, |db| match is_standard(&args.file) {
        true => {
            let mut output = Output::new();
            export(args, db, &mut output)
        }
        false => write_file(&args.file, |out| export(args, db, out)),
    })?;
    // In a pipe it would stand between what others say.
    if !is_standard(&args.file) {
        say(&counted(count, "record exported", "records exported"));
    }
    Ok(Exit::Done)
}

fn export(args: &Export, db: &Db, out: &mut dyn Write) -> Result<u64, Failure> {
    if args.whole {
        return export_stream(args, db, out);
    }
    let range = args.bounds.range(args.encoding.key())?;
    let progress = Progress::records("exporting", db.len());
    let mut rows = writer(args, out)?;
    let mut count = 0u64;
    for entry in store::entries(&args.reading, db, range) {
        let entry = entry?;
        rows.row(&entry.key, &entry.value, entry.expires_at_ms)?;
        count = count.saturating_add(1);
        progress.set(count);
    }
    rows.flush()?;
    Ok(count)
}

fn export_stream(args: &Export, db: &Db, out: &mut dyn Write) -> Result<u64, Failure> {
    let range = args.bounds.range(args.encoding.key())?;
    let progress = Progress::records("exporting", db.len());
    let mut export = db.export(range);
    while let Some(chunk) = export.next() {
        match chunk {
            Err(error) if args.reading.salvage && error.is_damage() => {
                progress.say(&format!("salvage passes over this: {error}"));
            }
            chunk => out.write_all(&chunk?).map_err(Failure::Output)?,
        }
        progress.set(export.entries());
    }
    out.flush().map_err(Failure::Output)?;
    Ok(export.entries())
}

fn writer<'w>(
    args: &Export,
    out: &'w mut dyn Write,
) -> Result<RowWriter<&'w mut dyn Write>, Failure> {
    if args.values_only {
        return Ok(RowWriter::Values(args.encoding.value(), out));
    }
    let columns = Columns {
        key: args.key_field.clone(),
        value: args.value_field.clone(),
        expires: EXPIRES_FIELD.to_owned(),
        key_encoding: args.encoding.key(),
        value_encoding: args.encoding.value(),
    };
    RowWriter::new(args.format.unwrap_or_else(|| Format::of(&args.file)), columns, out)
}
