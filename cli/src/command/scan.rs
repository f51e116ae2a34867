//! `bitcask scan`

use clap::Args;
use serde::Serialize;

use super::arguments::{Bounds, Reading};
use super::encoding::{EncodingArgs, JsonBytes};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::store::{self, Entry};

/// Print records in the order of their keys
///
/// One record on each line: the key, a tab, the value. Control characters, backslashes and bytes that are no
/// UTF-8 are escaped (\n, \t, \\, \x1b, \xff), so that a line is a record and no key can drive a terminal.
/// For programs there are --json, --hex and --base64. Exits with 0, also when no key is in the range.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Keys are compared byte by byte. What is printed is the store at one moment, whatever is written meanwhile.

With --json each line is an object: {\"key\": …, \"value\": …, \"version\": N, \"expires_at_ms\": N}. Bytes that are no \
UTF-8 stand as {\"base64\": \"…\"}; expires_at_ms (milliseconds since 1970) is there if the record expires.

Examples:
  bitcask scan ./db
  bitcask scan ./db --prefix user: --limit 10 --reverse --json
  bitcask scan ./db --from 2024-01 --before 2024-02
  bitcask scan ./db --prefix user: --keys-only | wc -l")]
pub(crate) struct Scan {
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    bounds: Bounds,
    /// At most so many records
    #[arg(long, short = 'n', value_name = "N", help_heading = "Keys")]
    limit: Option<usize>,
    /// From the last key to the first
    #[arg(long, short, help_heading = "Keys")]
    reverse: bool,
    /// Print keys without their values
    #[arg(long, short)]
    keys_only: bool,
    /// Print JSON Lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    encoding: EncodingArgs,
}

/// One record in JSON.
#[derive(Serialize)]
pub(crate) struct Record<'a> {
    key: JsonBytes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<JsonBytes<'a>>,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<u64>,
}

impl<'a> Record<'a> {
    pub(crate) fn new(entry: &'a Entry, encoding: &EncodingArgs, with_value: bool) -> Record<'a> {
        Record {
            key: encoding.key().json(&entry.key),
            value: with_value.then(|| encoding.value().json(&entry.value)),
            version: entry.version,
            expires_at_ms: entry.expires_at_ms,
        }
    }
}

pub(crate) fn run(args: &Scan) -> Result<Exit, Failure> {
    let mut range = args.bounds.range(args.encoding.key())?;
    if args.reverse {
        range = range.reverse();
    }
    if let Some(limit) = args.limit {
        range = range.limit(limit);
    }
    store::reading(&args.reading, |db| {
        let mut output = Output::new();
        for entry in store::entries(&args.reading, db, range) {
            print(args, &mut output, &entry?)?;
        }
        output.flush()?;
        Ok(Exit::Done)
    })
}

fn print(args: &Scan, output: &mut Output, entry: &Entry) -> Result<(), Failure> {
    if args.json {
        return output.json(&Record::new(entry, &args.encoding, !args.keys_only));
    }
    output.bytes(args.encoding.key().line(&entry.key).as_bytes())?;
    if !args.keys_only {
        output.bytes(b"\t")?;
        output.bytes(args.encoding.value().line(&entry.value).as_bytes())?;
    }
    output.bytes(b"\n")
}
