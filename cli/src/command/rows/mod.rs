//! Files of records for `import` and `export`: JSON Lines, CSV and TSV, read one row at a time.

mod delimited;
mod json;
mod write;

use std::io::{self, BufRead};
use std::path::Path;

pub(crate) use write::{Columns, RowWriter};

use super::encoding::{Encoding, escape};
use super::failure::Failure;

/// How a file of records is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One JSON object on each line
    Jsonl,
    /// Comma-separated, with a line of column names
    Csv,
    /// The same with tabs instead of commas
    Tsv,
}

impl Format {
    /// What the ending of a file's name says; JSON Lines where it says nothing.
    pub(crate) fn of(path: &Path) -> Format {
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Format::Csv,
            Some("tsv" | "tab") => Format::Tsv,
            _ => Format::Jsonl,
        }
    }
}

/// Which fields of a row are what, and how bytes are written in them.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) key: String,
    /// `None`: the whole row is the value.
    pub(crate) value: Option<String>,
    /// Milliseconds since 1970, or nothing.
    pub(crate) expires: Option<String>,
    pub(crate) key_encoding: Encoding,
    pub(crate) value_encoding: Encoding,
}

/// One record to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) expires_at_ms: Option<u64>,
}

/// A row that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    /// The line of the file where it begins; the first is 1.
    pub(crate) line: u64,
    /// What is wrong with it: a sentence that goes on from "line 7: ".
    pub(crate) what: String,
}

/// The rows of a file, in its order. Holds one row at a time in memory.
pub(crate) enum Rows<R> {
    Json(json::JsonLines<R>),
    Delimited(Box<delimited::Delimited<R>>),
}

impl<R: BufRead> Rows<R> {
    /// Reads the line of column names where the format has one.
    pub(crate) fn new(format: Format, fields: Fields, reader: R) -> Result<Rows<R>, Failure> {
        Ok(match format {
            Format::Jsonl => Rows::Json(json::JsonLines::new(fields, reader)),
            Format::Csv => Rows::Delimited(delimited::Delimited::new(b',', fields, reader)?),
            Format::Tsv => Rows::Delimited(delimited::Delimited::new(b'\t', fields, reader)?),
        })
    }

    /// The next row, good or bad; `None` at the end.
    ///
    /// # Errors
    ///
    /// Reading failed; what a row holds is never an error here.
    pub(crate) fn next_row(&mut self) -> io::Result<Option<Result<Row, BadRow>>> {
        let row = match self {
            Rows::Json(rows) => rows.next_row()?,
            Rows::Delimited(rows) => rows.next_row()?,
        };
        Ok(row.map(|(line, row)| row.and_then(within_limits).map_err(|what| BadRow { line, what })))
    }
}

/// What the store would refuse is a bad row, so that it is known before anything is written.
fn within_limits(row: Row) -> Result<Row, String> {
    if row.key.is_empty() || row.key.len() > usize::from(u16::MAX) {
        return Err(bitcask::Error::KeyLen(row.key.len()).to_string());
    }
    if u32::try_from(row.value.len()).is_err() {
        return Err(bitcask::Error::ValueLen(row.value.len()).to_string());
    }
    Ok(row)
}

/// Milliseconds since 1970, written as a whole number; an empty field means "does not expire".
fn expiry(text: &str) -> Result<Option<u64>, String> {
    match text {
        "" | "null" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            format!("`{}` is no time in milliseconds since 1970", escape(text.as_bytes()))
        }),
    }
}

fn missing(field: &str) -> String {
    format!("there is no field `{}`", escape(field.as_bytes()))
}
