//! CSV and TSV: the first line names the columns. Fields may hold any bytes, quoted where they must be.

use std::io::{self, BufRead, Read};

use csv::{ByteRecord, ReaderBuilder};
use serde::ser::{Serialize, Serializer};

use super::super::encoding::{Encoding, escape};
use super::super::failure::Failure;
use super::{Fields, Row, expiry, missing};

/// Reads rows from lines of fields.
pub(crate) struct Delimited<R> {
    reader: csv::Reader<LastChunk<R>>,
    record: ByteRecord,
    columns: Vec<Vec<u8>>,
    fields: Fields,
    key: usize,
    value: Option<usize>,
    expires: Option<usize>,
}

impl<R: BufRead> Delimited<R> {
    pub(super) fn new(delimiter: u8, fields: Fields, reader: R) -> Result<Box<Self>, Failure> {
        // Flexible: a row of another width is a bad row, and reading goes on after it.
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(LastChunk::new(reader));
        let headers = reader
            .byte_headers()
            .map_err(|e| Failure::file("reading", "the line of column names", &io(e)))?;
        let columns: Vec<Vec<u8>> = headers.iter().map(<[u8]>::to_vec).collect();
        let place = |name: &String| {
            columns
                .iter()
                .position(|c| c == name.as_bytes())
                .ok_or_else(|| no_column(name, &columns))
        };
        let key = place(&fields.key)?;
        let value = fields.value.as_ref().map(place).transpose()?;
        // A column of expiry times is optional, as it is in JSON Lines.
        let expires = fields.expires.as_ref().and_then(|name| place(name).ok());
        let record = ByteRecord::new();
        Ok(Box::new(Delimited { reader, record, columns, fields, key, value, expires }))
    }

    pub(super) fn next_row(&mut self) -> io::Result<Option<(u64, Result<Row, String>)>> {
        if !self.reader.read_byte_record(&mut self.record).map_err(io)? {
            return Ok(None);
        }
        Ok(Some((self.line(), self.row())))
    }

    /// The line where the record that was just read begins. The parser's own answer does not count the empty
    /// lines before it, nor the line feed of a CRLF, so this one counts back from the record's end.
    fn line(&self) -> u64 {
        let end = self.reader.position();
        let inside: usize = self
            .record
            .iter()
            .map(|field| field.iter().filter(|byte| **byte == b'\n').count())
            .sum();
        let behind = self.reader.get_ref().byte_before(end.byte()) == Some(b'\n');
        end.line().saturating_sub(inside as u64).saturating_sub(u64::from(behind))
    }

    fn row(&self) -> Result<Row, String> {
        if self.record.len() != self.columns.len() {
            let (found, expected) = (self.record.len(), self.columns.len());
            return Err(format!("has {found} fields where the first line names {expected}"));
        }
        let key = self.field(self.key, &self.fields.key)?;
        let key = self.fields.key_encoding.decode(key).map_err(|what| format!("the key {what}"))?;
        let value = match (self.value, &self.fields.value) {
            (Some(place), Some(name)) => self
                .fields
                .value_encoding
                .decode(self.field(place, name)?)
                .map_err(|what| format!("the value {what}"))?,
            _ => serde_json::to_vec(&WholeRow(self)).map_err(|e| e.to_string())?,
        };
        let expires_at_ms = match self.expires {
            Some(place) => expiry(&String::from_utf8_lossy(self.field(place, "expires_at_ms")?))?,
            None => None,
        };
        Ok(Row { key, value, expires_at_ms })
    }

    fn field(&self, place: usize, name: &str) -> Result<&[u8], String> {
        self.record.get(place).ok_or_else(|| missing(name))
    }
}

/// The whole row as a value: a JSON object of its columns, in their order.
struct WholeRow<'a, R>(&'a Delimited<R>);

impl<R> Serialize for WholeRow<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.0.columns.iter().map(|name| match std::str::from_utf8(name) {
            Ok(name) => name.to_owned(),
            Err(_) => escape(name),
        });
        let values = self.0.record.iter().map(|field| Encoding::Text.json(field));
        serializer.collect_map(names.zip(values))
    }
}

/// A reader that remembers the last bytes it gave: those in which the parser found a record's end.
struct LastChunk<R> {
    reader: R,
    chunk: Vec<u8>,
    /// Offset of the chunk's first byte.
    start: u64,
}

impl<R> LastChunk<R> {
    fn new(reader: R) -> LastChunk<R> {
        LastChunk { reader, chunk: Vec::new(), start: 0 }
    }

    fn byte_before(&self, offset: u64) -> Option<u8> {
        let place = offset.checked_sub(1)?.checked_sub(self.start)?;
        self.chunk.get(usize::try_from(place).ok()?).copied()
    }
}

impl<R: Read> Read for LastChunk<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(buffer)?;
        if let Some(read @ [_, ..]) = buffer.get(..len) {
            self.start = self.start.saturating_add(self.chunk.len() as u64);
            self.chunk.clear();
            self.chunk.extend_from_slice(read);
        }
        Ok(len)
    }
}

fn no_column(name: &str, columns: &[Vec<u8>]) -> Failure {
    let names: Vec<String> = columns.iter().map(|c| format!("`{}`", escape(c))).collect();
    let there = match names.is_empty() {
        true => "the file has no line of column names".to_owned(),
        false => format!("the first line names the columns {}", names.join(", ")),
    };
    Failure::io(
        format!("there is no column `{}`", escape(name.as_bytes())),
        format!("{there}; choose with --key and --value, and the format with --format"),
    )
}

/// Bytes are never wrong for a reader of bytes, so what fails is reading.
fn io(error: csv::Error) -> io::Error {
    error.into()
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Rows};
    use super::*;

    /// A row, or the line of a bad one and what is said of it.
    type Outcome = Result<Row, (u64, String)>;

    fn read(
        format: Format,
        text: &[u8],
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<Outcome>, Failure> {
        let fields = Fields {
            key: key.into(),
            value: value.map(Into::into),
            expires: Some("expires_at_ms".into()),
            key_encoding: Encoding::Text,
            value_encoding: Encoding::Text,
        };
        let mut rows = Rows::new(format, fields, text)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            all.push(row.map_err(|bad| (bad.line, bad.what)));
        }
        Ok(all)
    }

    fn row(key: &[u8], value: &[u8]) -> Row {
        Row { key: key.to_vec(), value: value.to_vec(), expires_at_ms: None }
    }

    #[test]
    fn columns_are_found_by_name_also_behind_a_byte_order_mark() {
        let rows = read(
            Format::Csv,
            b"\xef\xbb\xbfid,n\r\n1,\"a,\"\"b\"\"\r\n\"\r\n2,\xff\r\n",
            "id",
            Some("n"),
        );
        assert_eq!(rows.unwrap(), [Ok(row(b"1", b"a,\"b\"\r\n")), Ok(row(b"2", b"\xff"))]);
    }

    #[test]
    fn the_whole_row_is_an_object_in_the_order_of_the_columns() {
        let rows = read(Format::Tsv, b"z\tid\nhello \"there\"\t7\n\xff\t8\n", "id", None).unwrap();
        assert_eq!(rows[0], Ok(row(b"7", br#"{"z":"hello \"there\"","id":"7"}"#)));
        assert_eq!(rows[1], Ok(row(b"8", br#"{"z":{"base64":"/w=="},"id":"8"}"#)));
    }

    #[test]
    fn bad_rows_are_said_with_their_line_and_reading_goes_on() {
        let text = b"id,n\n1,\"two\nlines\"\n2\n\n3,4,5\n,6\n7,8\n";
        let rows = read(Format::Csv, text, "id", Some("n")).unwrap();
        assert_eq!(
            rows,
            [
                Ok(row(b"1", b"two\nlines")),
                Err((4, "has 1 fields where the first line names 2".into())),
                Err((6, "has 3 fields where the first line names 2".into())),
                Err((7, "the key is empty".into())),
                Ok(row(b"7", b"8")),
            ]
        );
    }

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        // Every row is bad and holds, in its key, the line on which it stands.
        for end in ["\n", "\r\n"] {
            for mark in ["", "\u{feff}"] {
                let mut text = format!("{mark}id,n{end}");
                let mut line = 2;
                let mut expected = Vec::new();
                for i in 0..4_000u64 {
                    let gap = i % 3;
                    (0..gap).for_each(|_| text.push_str(end));
                    line += gap;
                    text.push_str(&format!("{line},\"a\nb\",3{end}"));
                    expected.push(line);
                    line += 2;
                }
                for text in [text.as_str(), text.trim_end()] {
                    let rows = read(Format::Csv, text.as_bytes(), "id", Some("n")).unwrap();
                    let lines: Vec<u64> = rows.into_iter().map(|r| r.unwrap_err().0).collect();
                    assert!(lines == expected, "{end:?} {mark:?}: {:?}", &lines[..9]);
                }
            }
        }
    }

    #[test]
    fn a_column_that_is_not_there_is_said_with_those_that_are() {
        for (text, there) in [(&b"a,b\n1,2\n"[..], "`a`, `b`"), (b"", "no line of column names")] {
            let failure = read(Format::Csv, text, "id", None).unwrap_err();
            let text = failure.text("db").unwrap();
            assert!(text.contains("no column `id`") && text.contains(there), "{text}");
        }
        assert!(read(Format::Csv, b"a,b\n1,2\n", "a", Some("c")).is_err());
    }

    #[test]
    fn expiry_has_a_column_of_its_own() {
        let rows = read(Format::Csv, b"k,expires_at_ms\na,5\nb,\nc,x\n", "k", Some("k")).unwrap();
        assert_eq!(rows[0].as_ref().unwrap().expires_at_ms, Some(5));
        assert_eq!(rows[1].as_ref().unwrap().expires_at_ms, None);
        assert!(rows[2].is_err());
    }
}
