//! The command `bitcask`: everything is in [`command`], one short file for each subcommand.

use std::process::ExitCode;

mod command;

fn main() -> ExitCode {
    command::main()
}
