//! `bitcask get`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::arguments::Reading;
use super::encoding::{Encoding, EncodingArgs, escape};
use super::failure::{Exit, Failure};
use super::input::{Role, argument_or_file, is_standard};
use super::output::{Output, write_file};
use super::scan::Record;
use super::store::{self, Entry};

/// Print the value of a key
///
/// Prints exactly the bytes of the value and nothing else. On a terminal, control characters are escaped
/// and the line is ended. Exits with 1 if the key is not there.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  bitcask get ./db user:1
  bitcask get ./db photo --output photo.jpg
  bitcask get ./db user:1 --json             key, value, version and time of expiry
  bitcask get ./db --hex 00ff                a key of two bytes; its value in hexadecimal
  bitcask get ./db --key-file key.bin        the key is what the file holds")]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The key
    #[arg(value_name = "KEY", required_unless_present = "key_file", allow_negative_numbers = true)]
    key: Option<OsString>,
    /// Take the key from a file, exactly as it is; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    key_file: Option<PathBuf>,
    /// Write the exact value to a file instead; `-` is standard output, also where that is a terminal
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// End the value with a line feed
    #[arg(long, short, conflicts_with = "output")]
    newline: bool,
    /// Print key, value, version and time of expiry as JSON
    #[arg(long, conflicts_with_all = ["output", "newline"])]
    json: bool,
    #[command(flatten)]
    encoding: EncodingArgs,
}

pub(crate) fn run(args: &Get) -> Result<Exit, Failure> {
    let (key, file) = (args.key.as_deref(), args.key_file.as_deref());
    let key = argument_or_file(key, args.encoding.key(), file, Role::Key)?.unwrap_or_default();
    store::reading(&args.reading, |db| match db.get_entry(&key)? {
        Some(entry) => print(args, &entry).map(|()| Exit::Done),
        None => Ok(Exit::NotFound),
    })
}

fn print(args: &Get, entry: &Entry) -> Result<(), Failure> {
    let encoding = args.encoding.value();
    if let Some(path) = args.output.as_deref().filter(|path| !is_standard(path)) {
        return write_file(path, |out| out.write_all(&entry.value).map_err(Failure::Output));
    }
    let mut output = Output::new();
    if args.json {
        output.json(&Record::new(entry, &args.encoding, true))?;
    } else if args.output.is_some() {
        output.bytes(&entry.value)?;
    } else if Output::is_terminal() && encoding == Encoding::Text {
        output.line(&for_terminal(&entry.value))?;
    } else {
        output.bytes(&encoding.exact(&entry.value))?;
        if args.newline || Output::is_terminal() {
            output.bytes(b"\n")?;
        }
    }
    output.flush()
}

/// Lines and tabs stay; what else could drive a terminal is escaped. Backslashes stay too: this is for eyes.
fn for_terminal(value: &[u8]) -> String {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let mut text = String::with_capacity(value.len());
    for piece in value.split_inclusive(|b| matches!(b, b'\n' | b'\t' | b'\\')) {
        match piece {
            [body @ .., last @ (b'\n' | b'\t' | b'\\')] => {
                text.push_str(&escape(body));
                text.push(char::from(*last));
            }
            body => text.push_str(&escape(body)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_with_its_lines_and_without_its_controls() {
        assert_eq!(for_terminal(b"a\tb\n\x1b[31mc\\d\n"), "a\tb\n\\x1b[31mc\\d");
        assert_eq!(for_terminal(b""), "");
        assert_eq!(for_terminal(b"\xff\r\n\n"), "\\xff\\r\n");
    }
}
