//! Writes rows so that [`super::Rows`] reads back the same keys, values and expiry times.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::super::encoding::{Encoding, escape};
use super::super::failure::Failure;
use super::Format;

/// How the fields of an exported row are called, and how bytes are written in them.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) expires: String,
    pub(crate) key_encoding: Encoding,
    pub(crate) value_encoding: Encoding,
}

/// Writes rows of one format.
pub(crate) enum RowWriter<W: Write> {
    Json(Columns, W),
    Delimited(Columns, Box<csv::Writer<W>>),
    /// Each value on a line of its own.
    Values(Encoding, W),
}

impl<W: Write> RowWriter<W> {
    /// Writes the line of column names where the format has one.
    pub(crate) fn new(format: Format, columns: Columns, out: W) -> Result<RowWriter<W>, Failure> {
        let delimiter = match format {
            Format::Jsonl => return Ok(RowWriter::Json(columns, out)),
            Format::Csv => b',',
            Format::Tsv => b'\t',
        };
        let mut csv = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out);
        csv.write_record([&columns.key, &columns.value, &columns.expires]).map_err(failed)?;
        Ok(RowWriter::Delimited(columns, Box::new(csv)))
    }

    pub(crate) fn row(
        &mut self,
        key: &[u8],
        value: &[u8],
        expires_at_ms: Option<u64>,
    ) -> Result<(), Failure> {
        match self {
            RowWriter::Json(columns, out) => {
                let row = JsonRow { columns, key, value, expires_at_ms };
                serde_json::to_writer(&mut *out, &row).map_err(|e| Failure::Output(e.into()))?;
                out.write_all(b"\n").map_err(Failure::Output)
            }
            RowWriter::Delimited(columns, csv) => {
                let expires = expires_at_ms.map(|ms| ms.to_string()).unwrap_or_default();
                csv.write_field(columns.key_encoding.exact(key)).map_err(failed)?;
                csv.write_field(columns.value_encoding.exact(value)).map_err(failed)?;
                csv.write_field(expires).map_err(failed)?;
                csv.write_record(None::<&[u8]>).map_err(failed)
            }
            RowWriter::Values(encoding, out) => write_line(out, key, &encoding.exact(value)),
        }
    }

    /// Everything written so far is with the operating system when this returns.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        match self {
            RowWriter::Json(_, out) | RowWriter::Values(_, out) => out.flush(),
            RowWriter::Delimited(_, csv) => csv.flush(),
        }
        .map_err(Failure::Output)
    }
}

fn write_line(out: &mut impl Write, key: &[u8], value: &[u8]) -> Result<(), Failure> {
    if value.contains(&b'\n') {
        return Err(Failure::io(
            format!("the value of `{}` holds a line feed, so it is not one line", escape(key)),
            "leave out --values-only, or add --base64",
        ));
    }
    out.write_all(value).and_then(|()| out.write_all(b"\n")).map_err(Failure::Output)
}

fn failed(error: csv::Error) -> Failure {
    // The error beneath, as it was: a reader of the pipe that went away is told from a full disk by its kind.
    Failure::Output(match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        kind => io::Error::other(format!("{kind:?}")),
    })
}

struct JsonRow<'a> {
    columns: &'a Columns,
    key: &'a [u8],
    value: &'a [u8],
    expires_at_ms: Option<u64>,
}

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(&self.columns.key, &self.columns.key_encoding.json(self.key))?;
        map.serialize_entry(&self.columns.value, &self.columns.value_encoding.json(self.value))?;
        if let Some(ms) = self.expires_at_ms {
            map.serialize_entry(&self.columns.expires, &ms)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fields, Row, Rows};
    use super::*;

    /// Everything that a format could trip over, and every single byte.
    fn hostile() -> Vec<Row> {
        let mut rows: Vec<Row> = (0..=255u8)
            .map(|b| Row { key: vec![b], value: vec![b, b], expires_at_ms: Some(u64::from(b)) })
            .collect();
        for text in [
            "",
            " ",
            "\n",
            "\r\n",
            "\"",
            "\"\"",
            ",",
            "\t",
            "a,b",
            "#",
            "{\"base64\":\"aGk=\"}",
            "null",
            "-0",
            "\u{feff}x",
            "\u{2028}",
            "\\N",
            "é\0é",
        ] {
            let key = format!("k{text}").into_bytes();
            rows.push(Row { key, value: text.as_bytes().to_vec(), expires_at_ms: None });
            let key = [text.as_bytes(), b"\xff"].concat();
            rows.push(Row { value: key.clone(), key, expires_at_ms: Some(u64::MAX) });
        }
        rows
    }

    #[test]
    fn what_is_written_is_read_back_whatever_the_bytes() {
        for format in [Format::Jsonl, Format::Csv, Format::Tsv] {
            for encoding in [Encoding::Text, Encoding::Hex, Encoding::Base64] {
                let columns = Columns {
                    key: "key".into(),
                    value: "value".into(),
                    expires: "expires_at_ms".into(),
                    key_encoding: encoding,
                    value_encoding: encoding,
                };
                let mut text = Vec::new();
                let mut writer = RowWriter::new(format, columns, &mut text).unwrap();
                for row in hostile() {
                    writer.row(&row.key, &row.value, row.expires_at_ms).unwrap();
                }
                writer.flush().unwrap();
                drop(writer);
                let fields = Fields {
                    key: "key".into(),
                    value: Some("value".into()),
                    expires: Some("expires_at_ms".into()),
                    key_encoding: encoding,
                    value_encoding: encoding,
                };
                let mut rows = Rows::new(format, fields, text.as_slice()).unwrap();
                for expected in hostile() {
                    let row = rows.next_row().unwrap().unwrap();
                    assert_eq!(row, Ok(expected), "{format:?} {encoding:?}");
                }
                assert_eq!(rows.next_row().unwrap(), None);
            }
        }
    }
}
