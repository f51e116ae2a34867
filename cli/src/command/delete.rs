//! `bitcask delete`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::arguments::{Bounds, Writing};
use super::encoding::EncodingArgs;
use super::failure::{Exit, Failure};
use super::input::{Role, argument_or_file};
use super::output::{Output, say};
use super::put::differs;
use super::store::{self, Batch, Conditional, Create, Db, WriteOptions};

/// Records in one batch of deletes: all of it or nothing, and one sync.
const BATCH_RECORDS: usize = 1_000;

/// Delete keys
///
/// Either keys, or all keys of a range. Exits with 1 if a key was not there, or the range was empty. When it
/// exits with 0 the deletes are durable, unless --durability none says that this does not matter. A range
/// is deleted in batches of 1,000 keys, each all or nothing.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  bitcask delete ./db user:1 user:2
  bitcask delete ./db --prefix session:        prints how many there were
  bitcask delete ./db --from 2024 --before 2025
  bitcask delete ./db user:1 --if-version 42   exits with 1 if another version is there")]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) writing: Writing,
    /// The keys
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    keys: Vec<OsString>,
    /// Take the key from a file, exactly as it is; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "keys")]
    key_file: Option<PathBuf>,
    /// Only if the key is there in this version (see `get --json`)
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    encoding: EncodingArgs,
}

#[derive(Default, Serialize)]
struct Report {
    deleted: u64,
    /// Keys that were not there.
    missing: u64,
}

pub(crate) fn run(args: &Delete) -> Result<Exit, Failure> {
    let mut keys = Vec::with_capacity(args.keys.len());
    for key in &args.keys {
        let key = args.encoding.key().argument(key)?;
        Role::Key.check(key.len() as u64)?;
        keys.push(key);
    }
    keys.extend(argument_or_file(None, args.encoding.key(), args.key_file.as_deref(), Role::Key)?);
    check(args, keys.len())?;
    let report = store::writing(&args.writing, Create::Never, |db| {
        if !args.bounds.is_empty() {
            delete_range(args, db)
        } else if let (Some(version), [key]) = (args.if_version, keys.as_slice()) {
            delete_version(db, key, version)
        } else {
            delete_keys(db, &keys)
        }
    })?;
    if args.json {
        let mut output = Output::new();
        output.json(&report)?;
        output.flush()?;
    } else if !args.bounds.is_empty() {
        let mut output = Output::new();
        output.line(&format!("{} deleted", report.deleted))?;
        output.flush()?;
    }
    Ok(match report {
        Report { deleted, missing: 0 } if deleted > 0 => Exit::Done,
        _ => Exit::NotFound,
    })
}

/// A slip of the hand must not delete more than was meant.
fn check(args: &Delete, keys: usize) -> Result<(), Failure> {
    let give = "give KEYs, or a range: --prefix, --from, --after, --to, --before";
    if args.bounds.prefix.as_ref().is_some_and(|prefix| prefix.is_empty()) {
        return Err(Failure::usage("the prefix is empty: every key begins so", give));
    }
    match (keys, args.bounds.is_empty(), args.if_version) {
        (0, true, _) => Err(Failure::usage("nothing is named that could be deleted", give)),
        (1.., false, _) => Err(Failure::usage("there are keys and a range", "give one of the two")),
        (2.., _, Some(_)) | (_, false, Some(_)) => {
            Err(Failure::usage("--if-version is for one key", "delete the keys one by one"))
        }
        _ => Ok(()),
    }
}

fn delete_keys(db: &Db, keys: &[Vec<u8>]) -> Result<Report, Failure> {
    let mut report = Report::default();
    for key in keys {
        match db.delete(key)? {
            true => report.deleted = report.deleted.saturating_add(1),
            false => report.missing = report.missing.saturating_add(1),
        }
    }
    Ok(report)
}

fn delete_version(db: &Db, key: &[u8], version: u64) -> Result<Report, Failure> {
    Ok(match db.delete_if(key, version, &WriteOptions::default())? {
        Conditional::Done(_) => Report { deleted: 1, missing: 0 },
        Conditional::Differs(there) => {
            say(&differs(there));
            Report { deleted: 0, missing: u64::from(there.is_none()) }
        }
    })
}

fn delete_range(args: &Delete, db: &Db) -> Result<Report, Failure> {
    let options = WriteOptions::default();
    let mut batch = Batch::new();
    let mut deleted = 0u64;
    for entry in db.scan(args.bounds.range(args.encoding.key())?) {
        batch.delete(&entry?.key)?;
        deleted = deleted.saturating_add(1);
        if batch.len() >= BATCH_RECORDS {
            db.write(&batch, &options)?;
            batch.clear();
        }
    }
    db.write(&batch, &options)?;
    Ok(Report { deleted, missing: 0 })
}
