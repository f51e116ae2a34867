//! The command.
mod encoding;
mod failure;
mod output;
mod progress;
mod rows;
mod store;

pub(crate) fn main() -> std::process::ExitCode {
    failure::Exit::Done.into()
}
