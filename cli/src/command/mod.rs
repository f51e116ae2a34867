//! The command line: `bitcask COMMAND STORE [ARGS] [OPTIONS]`.
//!
//! Each subcommand is one file with its arguments and one function; what several share has a file of its
//! own: [`arguments`], [`encoding`] (how bytes are written), [`input`], [`output`], [`rows`] (files of
//! records), [`failure`] (exit codes and messages). Only [`store`] opens stores.

mod arguments;
mod delete;
mod dump;
mod encoding;
mod export;
mod failure;
mod get;
mod import;
mod input;
mod merge;
mod output;
mod progress;
mod put;
mod rows;
mod scan;
mod source;
mod stats;
mod store;
mod verify;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use failure::Exit;
use failure::Failure;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or found
  1  not found, or the condition of a write did not hold, or what is watched is not complete
  2  usage: the command was not understood, or a key or value is not one that can be stored
  3  locked: another process writes to the store
  4  input or output failed: a file, a folder, the disk, lines that cannot be imported
  5  damaged: bytes of the store, or of an exported one, are damaged or missing";

const MORE: &str = "\
A STORE is the path of a folder. `put` and `import` create it; the other commands want it to be there. One process at \
a time writes to a store. Commands that only read (get, scan, export, watch, stats, verify, dump) take no lock: they work \
beside a writer.

A put, delete, import or merge that exits with 0 is durable: closing the store syncs it. Only --durability none \
promises less.

Examples:
  bitcask put ./db user:1 hello
  bitcask get ./db user:1
  bitcask scan ./db --prefix user: --limit 10 --reverse --json
  bitcask import ./db data.jsonl --key name
  bitcask stats ./db

";

/// An embedded key-value store: an append-only log on disk and an index in memory
#[derive(Debug, Parser)]
#[command(name = "bitcask", version, disable_help_subcommand = false)]
#[command(after_help = EXIT_CODES, after_long_help = format!("{MORE}{EXIT_CODES}"))]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Get(get::Get),
    Put(put::Put),
    Delete(delete::Delete),
    Scan(scan::Scan),
    Import(import::Import),
    Export(export::Export),
    Watch(watch::Watch),
    Merge(merge::Merge),
    Verify(verify::Verify),
    Stats(stats::Stats),
    Dump(dump::Dump),
}

/// Runs the command of this process.
pub(crate) fn main() -> ExitCode {
    match run_words(std::env::args_os()) {
        Ok(exit) => exit.into(),
        // Also where help was asked for.
        Err(error) => error.exit(),
    }
}

/// Parses the words of a command line, of which the first is the program's name, runs the subcommand and says on standard
/// error what went wrong.
///
/// # Errors
///
/// What is to be said to words that are not understood.
pub(crate) fn run_words(words: impl IntoIterator<Item = OsString>) -> Result<Exit, clap::Error> {
    let command = CommandLine::try_parse_from(words)?.command;
    Ok(match run(&command) {
        Ok(exit) => exit,
        Err(failure) => {
            let store = command.store().display().to_string();
            if let Some(text) = failure.text(&store) {
                // Where standard error takes nothing, the exit code still says it.
                let _ = io::stderr().write_all(text.as_bytes());
            }
            failure.exit()
        }
    })
}

fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Get(get) => get::run(get),
        Command::Put(put) => put::run(put),
        Command::Delete(delete) => delete::run(delete),
        Command::Scan(scan) => scan::run(scan),
        Command::Import(import) => import::run(import),
        Command::Export(export) => export::run(export),
        Command::Watch(watch) => watch::run(watch),
        Command::Merge(merge) => merge::run(merge),
        Command::Verify(verify) => verify::run(verify),
        Command::Stats(stats) => stats::run(stats),
        Command::Dump(dump) => dump::run(dump),
    }
}

impl Command {
    fn store(&self) -> &Path {
        match self {
            Command::Get(get) => &get.reading.store,
            Command::Put(put) => &put.writing.store,
            Command::Delete(delete) => &delete.writing.store,
            Command::Scan(scan) => &scan.reading.store,
            Command::Import(import) => &import.writing.store,
            Command::Export(export) => &export.reading.store,
            Command::Watch(watch) => &watch.store,
            Command::Merge(merge) => &merge.store,
            Command::Verify(verify) => &verify.store,
            Command::Stats(stats) => &stats.reading.store,
            Command::Dump(dump) => &dump.store,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_fit_together() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_subcommand_has_examples_in_its_long_help() {
        for command in CommandLine::command().get_subcommands() {
            let name = command.get_name();
            let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("  bitcask {name} ./db")), "{name}");
        }
    }
}
