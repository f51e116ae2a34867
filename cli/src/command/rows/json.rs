//! JSON Lines: one object on each line. The line, or the field that is asked for, is kept as it stands.

use std::io::{self, BufRead};

use data_encoding::BASE64;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::encoding::Encoding;
use super::{Fields, Row, expiry, missing};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads rows from lines. Empty lines are passed over.
pub(crate) struct JsonLines<R> {
    fields: Fields,
    reader: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> JsonLines<R> {
    pub(super) fn new(fields: Fields, reader: R) -> JsonLines<R> {
        JsonLines { fields, reader, line: Vec::new(), number: 0 }
    }

    pub(super) fn next_row(&mut self) -> io::Result<Option<(u64, Result<Row, String>)>> {
        loop {
            self.line.clear();
            if self.reader.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            self.number = self.number.saturating_add(1);
            let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = match self.number {
                1 => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
                _ => line,
            };
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, parse(line, &self.fields))));
            }
        }
    }
}

fn parse(line: &[u8], fields: &Fields) -> Result<Row, String> {
    let text = std::str::from_utf8(line)
        .map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to().saturating_add(1)))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let picked = Pick(fields).deserialize(&mut json).and_then(|picked| {
        json.end()?;
        Ok(picked)
    });
    let picked = picked.map_err(|e| not_json(&e))?;
    let key = picked.key.ok_or_else(|| missing(&fields.key))?;
    let key = key_bytes(key, fields.key_encoding)
        .map_err(|what| format!("the key `{}` {what}", fields.key))?;
    let value = match &fields.value {
        None => line.to_vec(),
        Some(name) => {
            value_bytes(picked.value.ok_or_else(|| missing(name))?, fields.value_encoding)
                .map_err(|what| format!("the value `{name}` {what}"))?
        }
    };
    let expires_at_ms = picked.expires.map_or(Ok(None), |raw| expiry(raw.get()))?;
    Ok(Row { key, value, expires_at_ms })
}

/// serde_json counts lines from the text it was given, which is one line here.
fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    match error.column() {
        0 => format!("not a JSON object: {what}"),
        column => format!("not a JSON object: {what} at column {column}"),
    }
}

fn key_bytes(raw: &RawValue, encoding: Encoding) -> Result<Vec<u8>, String> {
    match raw.get().as_bytes().first() {
        Some(b'"' | b'{') => match text_or_base64(raw, encoding)? {
            Some(key) => Ok(key),
            None => Err("is an object; a key is a text, a number, true or false".to_owned()),
        },
        Some(b'[') => Err("is a list; a key is a text, a number, true or false".to_owned()),
        Some(b'n') => Err("is null".to_owned()),
        _ => encoding.decode(raw.get().as_bytes()),
    }
}

fn value_bytes(raw: &RawValue, encoding: Encoding) -> Result<Vec<u8>, String> {
    match (text_or_base64(raw, encoding)?, encoding) {
        (Some(value), _) => Ok(value),
        (None, Encoding::Text) => Ok(raw.get().as_bytes().to_vec()),
        (None, _) => Err("is not a text".to_owned()),
    }
}

/// The bytes of `"text"` and of `{"base64": "…"}`, which is how bytes that are no UTF-8 are exported.
fn text_or_base64(raw: &RawValue, encoding: Encoding) -> Result<Option<Vec<u8>>, String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wrapped {
        base64: String,
    }
    let json = raw.get();
    if json.starts_with('"') {
        let text: String = serde_json::from_str(json).map_err(|e| format!("is no text: {e}"))?;
        return encoding
            .decode(text.as_bytes())
            .map(Some)
            .map_err(|what| format!("holds what {what}"));
    }
    match serde_json::from_str::<Wrapped>(json) {
        Ok(wrapped) if json.starts_with('{') => BASE64
            .decode(wrapped.base64.as_bytes())
            .map(Some)
            .map_err(|e| format!("is not base64: {e}")),
        _ => Ok(None),
    }
}

/// The fields that are asked for, as they stand in the line. Of two fields of one name the last counts.
#[derive(Default)]
struct Picked<'a> {
    key: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
    expires: Option<&'a RawValue>,
}

/// Reads an object without keeping more of it than those fields.
struct Pick<'f>(&'f Fields);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Picked<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Picked<'de>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Picked<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Picked<'de>, A::Error> {
        let mut picked = Picked::default();
        while let Some(name) = map.next_key::<String>()? {
            let is = |field: &Option<String>| field.as_ref() == Some(&name);
            let (value, expires) = (is(&self.0.value), is(&self.0.expires));
            if !(value || expires || name == self.0.key) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let raw = map.next_value::<&'de RawValue>()?;
            if name == self.0.key {
                picked.key = Some(raw);
            }
            if value {
                picked.value = Some(raw);
            }
            if expires {
                picked.expires = Some(raw);
            }
        }
        Ok(picked)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BadRow, Format, Rows};
    use super::*;

    fn fields(key: &str, value: Option<&str>) -> Fields {
        Fields {
            key: key.into(),
            value: value.map(Into::into),
            expires: Some("expires_at_ms".into()),
            key_encoding: Encoding::Text,
            value_encoding: Encoding::Text,
        }
    }

    /// Key, value and expiry.
    type Parts = (Vec<u8>, Vec<u8>, Option<u64>);

    fn read(text: &[u8], fields: Fields) -> Vec<Result<Parts, BadRow>> {
        let mut rows = Rows::new(Format::Jsonl, fields, text).unwrap();
        let mut all = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            all.push(row.map(|r| (r.key, r.value, r.expires_at_ms)));
        }
        all
    }

    fn one(line: &str, value: Option<&str>) -> Result<(String, String), String> {
        let rows = read(line.as_bytes(), fields("k", value));
        assert_eq!(rows.len(), 1, "{line}");
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        rows.into_iter().next().unwrap().map(|r| (text(r.0), text(r.1))).map_err(|bad| bad.what)
    }

    #[test]
    fn a_line_is_kept_as_it_stands() {
        let line = r#" {"x" : 1.50,"k": "a\u0041", "k2":[ ]} "#;
        assert_eq!(one(line, None), Ok(("aA".into(), line.into())));
    }

    #[test]
    fn keys_are_texts_numbers_and_truths_as_written() {
        for (json, key) in
            [("1", "1"), ("1.50", "1.50"), ("-1e3", "-1e3"), ("true", "true"), ("\"é\"", "é")]
        {
            assert_eq!(one(&format!("{{\"k\":{json}}}"), None).unwrap().0, key);
        }
        for json in ["null", "[1]", "{}", "{\"base64\":1}", "\"\"", "{\"base64\":\"*\"}"] {
            let what = one(&format!("{{\"k\":{json}}}"), None).unwrap_err();
            assert!(what.contains("key"), "{json}: {what}");
        }
    }

    #[test]
    fn a_value_field_is_its_text_or_its_json() {
        for (json, value) in [
            ("\"a\\n\"", "a\n"),
            ("\"\"", ""),
            ("[1, {\"a\":2 }]", "[1, {\"a\":2 }]"),
            ("null", "null"),
            ("{\"base64\":\"aGk=\"}", "hi"),
            ("{\"base64\":\"aGk=\",\"more\":1}", "{\"base64\":\"aGk=\",\"more\":1}"),
            ("\"{\\\"base64\\\":\\\"aGk=\\\"}\"", "{\"base64\":\"aGk=\"}"),
        ] {
            let line = format!("{{\"k\":\"a\",\"v\":{json}}}");
            assert_eq!(one(&line, Some("v")).unwrap().1, value, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let text = b"\xef\xbb\xbf{\"k\":\"a\"}\r\n\n{\"k\":\"b\"\n[1]\n{\"j\":1}\n\xff\n{\"k\":\"c\"} x\n   \n{\"k\":\"d\"}";
        let rows = read(text, fields("k", None));
        let lines: Vec<(u64, &str)> = rows
            .iter()
            .filter_map(|r| r.as_ref().err())
            .map(|b| (b.line, b.what.as_str()))
            .collect();
        assert_eq!(
            lines,
            [
                (3, "not a JSON object: EOF while parsing an object at column 8"),
                (4, "not a JSON object: invalid type: sequence, expected a JSON object"),
                (5, "there is no field `k`"),
                (6, "not UTF-8 at byte 1"),
                (7, "not a JSON object: trailing characters at column 11"),
            ]
        );
        let good: Vec<&[u8]> =
            rows.iter().filter_map(|r| r.as_ref().ok()).map(|r| r.1.as_slice()).collect();
        assert_eq!(good, [&b"{\"k\":\"a\"}"[..], b"{\"k\":\"d\"}"]);
    }

    #[test]
    fn limits_are_bad_rows() {
        let long = "x".repeat(65_536);
        assert!(one(&format!("{{\"k\":\"{long}\"}}"), None).unwrap_err().contains("65,535"));
        assert!(one(&format!("{{\"k\":\"{}\"}}", &long[1..]), None).is_ok());
    }

    #[test]
    fn expiry_is_a_whole_number_of_milliseconds() {
        let at = |json: &str| {
            let text = format!("{{\"k\":\"a\",\"expires_at_ms\":{json}}}");
            read(text.as_bytes(), fields("k", None)).remove(0).map(|r| r.2).map_err(|b| b.what)
        };
        assert_eq!(at("1700000000000"), Ok(Some(1_700_000_000_000)));
        assert_eq!(at("null"), Ok(None));
        assert!(at("-1").is_err() && at("1.5").is_err() && at("\"soon\"").is_err());
    }

    #[test]
    fn of_two_fields_of_one_name_the_last_counts_and_one_field_may_be_both() {
        assert_eq!(one(r#"{"k":"a","k":"b"}"#, Some("k")), Ok(("b".into(), "b".into())));
    }

    #[test]
    fn hexadecimal_fields_are_decoded() {
        let mut fields = fields("k", Some("v"));
        (fields.key_encoding, fields.value_encoding) = (Encoding::Hex, Encoding::Base64);
        let rows = read(
            b"{\"k\":\"00ff\",\"v\":\"aGk=\"}\n{\"k\":\"zz\",\"v\":\"\"}\n{\"k\":\"00\",\"v\":[1]}",
            fields,
        );
        assert_eq!(rows[0], Ok((vec![0, 255], b"hi".to_vec(), None)));
        assert!(rows[1].is_err() && rows[2].is_err());
    }
}
