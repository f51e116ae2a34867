//! `bitcask put`

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Serialize;

use super::arguments::Writing;
use super::encoding::EncodingArgs;
use super::failure::{Exit, Failure};
use super::input::{Role, argument_or_file, is_standard};
use super::output::{Output, say};
use super::store::{self, Conditional, Create, Db, WriteOptions};

/// Store a value under a key
///
/// Creates the store if there is none. When it exits with 0 the record is durable, unless --durability none
/// says that this does not matter. Prints nothing.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  bitcask put ./db user:1 hello
  bitcask put ./db photo --value-file photo.jpg
  date | bitcask put ./db now --value-file -
  bitcask put ./db session:7 open --expires-in 30m
  bitcask put ./db lock mine --if-absent         exits with 1 if the key is there
  bitcask put ./db user:1 bye --if-version 42    exits with 1 if another version is there
  bitcask put ./db --hex 00ff cafe               a key and a value of two bytes each
  bitcask put ./db -- -k -v                      a key and a value that look like options")]
pub(crate) struct Put {
    #[command(flatten)]
    pub(crate) writing: Writing,
    /// The key
    #[arg(value_name = "KEY", required_unless_present = "key_file", allow_negative_numbers = true)]
    key: Option<OsString>,
    /// The value
    #[arg(value_name = "VALUE", allow_negative_numbers = true, conflicts_with = "value_file")]
    value: Option<OsString>,
    /// Take the key from a file, exactly as it is (VALUE then follows STORE); `-` is standard input
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Take the value from a file, exactly as it is; `-` is standard input
    #[arg(long, short = 'f', value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// Let the record expire: 30s, 5m, 12h, 7d, "1h 30m"
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
    /// Only if the key is not there
    #[arg(long, conflicts_with = "if_version")]
    if_absent: bool,
    /// Only if the key is there in this version (see `get --json`)
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
    /// Print the new version as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    encoding: EncodingArgs,
}

#[derive(Serialize)]
struct Report {
    /// Whether the record was written.
    written: bool,
    /// The version of the key, now.
    version: Option<u64>,
}

pub(crate) fn run(args: &Put) -> Result<Exit, Failure> {
    let (key, value) = key_and_value(args)?;
    let expires_at_ms = args.expires_in.map(expiry).transpose()?;
    let options = WriteOptions { expires_at_ms, ..WriteOptions::default() };
    let done = store::writing(&args.writing, Create::IfMissing, |db| {
        Ok(put(args, db, &key, &value, &options)?)
    })?;
    let (exit, report) = match done {
        Conditional::Done(version) => {
            (Exit::Done, Report { written: true, version: Some(version) })
        }
        Conditional::Differs(version) => (Exit::NotFound, Report { written: false, version }),
    };
    if args.json {
        let mut output = Output::new();
        output.json(&report)?;
        output.flush()?;
    } else if !report.written {
        say(&differs(report.version));
    }
    Ok(exit)
}

fn put(
    args: &Put,
    db: &Db,
    key: &[u8],
    value: &[u8],
    options: &WriteOptions,
) -> store::Result<Conditional> {
    match args.if_version {
        Some(version) => db.replace_if(key, version, value, options),
        None if args.if_absent => db.put_if_absent(key, value, options),
        None => db.put_with(key, value, options).map(Conditional::Done),
    }
}

/// Why a conditional write did nothing.
pub(crate) fn differs(version: Option<u64>) -> String {
    match version {
        Some(version) => format!("nothing was changed: the key is there in version {version}"),
        None => "nothing was changed: the key is not there".to_owned(),
    }
}

fn key_and_value(args: &Put) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    // With --key-file the one argument that is left is the value.
    let (key, value): (Option<&OsStr>, Option<&OsStr>) =
        match (&args.key_file, &args.key, &args.value) {
            (Some(_), Some(_), Some(_)) => {
                return Err(Failure::usage(
                    "the key is given twice",
                    "leave out KEY or --key-file",
                ));
            }
            (Some(_), value, _) => (None, value.as_deref()),
            (None, key, value) => (key.as_deref(), value.as_deref()),
        };
    let twice = |what| Err(Failure::usage(format!("{what} twice"), "give one of the two"));
    match (&args.key_file, &args.value_file, value) {
        (_, Some(_), Some(_)) => return twice("the value is given"),
        (Some(a), Some(b), _) if is_standard(a) && is_standard(b) => {
            return twice("standard input is asked for");
        }
        (_, None, None) => {
            return Err(Failure::usage(
                "there is no value",
                "give VALUE, or --value-file FILE (`-` is standard input)",
            ));
        }
        _ => {}
    }
    let encoding = &args.encoding;
    let key = argument_or_file(key, encoding.key(), args.key_file.as_deref(), Role::Key)?;
    let file = args.value_file.as_deref();
    let value = argument_or_file(value, encoding.value(), file, Role::Value)?;
    Ok((key.unwrap_or_default(), value.unwrap_or_default()))
}

fn expiry(after: Duration) -> Result<u64, Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.checked_add(after).and_then(|at| u64::try_from(at.as_millis()).ok()).ok_or_else(|| {
        Failure::usage("the time of expiry is too far away", "leave out --expires-in")
    })
}
