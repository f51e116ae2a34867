//! Keys and values as people and scripts write them: text, hexadecimal or base64.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::failure::Failure;

/// How bytes are written in arguments, fields and output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Encoding {
    /// The bytes themselves
    #[default]
    Text,
    /// Two hexadecimal digits for each byte
    Hex,
    /// Base64 (RFC 4648)
    Base64,
}

/// How the keys and values of this command are written.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct EncodingArgs {
    /// Keys and values are hexadecimal, in arguments and in output
    #[arg(long, short = 'x', conflicts_with = "base64", help_heading = "Encoding")]
    hex: bool,
    /// Keys and values are base64, in arguments and in output
    #[arg(long, help_heading = "Encoding")]
    base64: bool,
    /// How keys are written: text, hex or base64
    #[arg(long, value_enum, value_name = "ENCODING", help_heading = "Encoding")]
    #[arg(hide_possible_values = true)]
    key_format: Option<Encoding>,
    /// How values are written: text, hex or base64
    #[arg(long, value_enum, value_name = "ENCODING", help_heading = "Encoding")]
    #[arg(hide_possible_values = true)]
    value_format: Option<Encoding>,
}

impl EncodingArgs {
    pub(crate) fn key(&self) -> Encoding {
        self.key_format.unwrap_or_else(|| self.both())
    }

    pub(crate) fn value(&self) -> Encoding {
        self.value_format.unwrap_or_else(|| self.both())
    }

    fn both(&self) -> Encoding {
        match (self.hex, self.base64) {
            (true, _) => Encoding::Hex,
            (_, true) => Encoding::Base64,
            _ => Encoding::Text,
        }
    }
}

impl Encoding {
    /// The bytes that `text` stands for; what is wrong with it otherwise.
    pub(crate) fn decode(self, text: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Encoding::Text => Ok(text.to_vec()),
            Encoding::Hex => HEXLOWER_PERMISSIVE
                .decode(text)
                .map_err(|e| format!("`{}` is not hexadecimal: {e}", escape(text))),
            Encoding::Base64 => BASE64
                .decode(text)
                .or_else(|e| BASE64_NOPAD.decode(text).map_err(|_| e))
                .map_err(|e| format!("`{}` is not base64: {e}", escape(text))),
        }
    }

    /// The bytes of an argument of the command line.
    pub(crate) fn argument(self, argument: &OsStr) -> Result<Vec<u8>, Failure> {
        self.decode(&argument_bytes(argument)?).map_err(|what| {
            Failure::usage(what, "write the bytes so, or choose another encoding for them")
        })
    }

    /// Printed on a line among others: text is escaped, so that no byte of a key or value can end the
    /// line, drive a terminal or pass for another.
    pub(crate) fn line(self, bytes: &[u8]) -> String {
        match self {
            Encoding::Text => escape(bytes),
            _ => String::from_utf8_lossy(&self.exact(bytes)).into_owned(),
        }
    }

    /// Printed alone or in a field that can hold any byte: text is the bytes themselves.
    pub(crate) fn exact(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Encoding::Text => Cow::Borrowed(bytes),
            Encoding::Hex => Cow::Owned(HEXLOWER.encode(bytes).into_bytes()),
            Encoding::Base64 => Cow::Owned(BASE64.encode(bytes).into_bytes()),
        }
    }

    /// As JSON; see [`JsonBytes`].
    pub(crate) fn json(self, bytes: &[u8]) -> JsonBytes<'_> {
        JsonBytes { encoding: self, bytes }
    }
}

/// Bytes in JSON: a string; where they are to be text and are no UTF-8, `{"base64": "…"}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonBytes<'a> {
    encoding: Encoding,
    bytes: &'a [u8],
}

impl Serialize for JsonBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.encoding.exact(self.bytes)) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &BASE64.encode(self.bytes))?;
                map.end()
            }
        }
    }
}

/// Text that is safe on a line and on a terminal: `\\`, `\n`, `\r`, `\t`, `\x1b` for other control
/// characters and for bytes that are no UTF-8, `\u{202e}` for characters that steer the direction of writing.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\0'..='\x1f' | '\x7f' => push(&mut out, format_args!("\\x{:02x}", u32::from(c))),
                c if c.is_control() || steers(c) => {
                    push(&mut out, format_args!("\\u{{{:x}}}", u32::from(c)));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            push(&mut out, format_args!("\\x{byte:02x}"));
        }
    }
    out
}

/// Characters that break a line or turn the direction of what follows.
fn steers(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A `String` takes every write.
    let _ = out.write_fmt(text);
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere an argument may be no text")]
fn argument_bytes(argument: &OsStr) -> Result<Cow<'_, [u8]>, Failure> {
    use std::os::unix::ffi::OsStrExt;
    Ok(Cow::Borrowed(argument.as_bytes()))
}

#[cfg(not(unix))]
fn argument_bytes(argument: &OsStr) -> Result<Cow<'_, [u8]>, Failure> {
    match argument.to_str() {
        Some(text) => Ok(Cow::Borrowed(text.as_bytes())),
        None => Err(Failure::usage("an argument is not valid Unicode", "give it with --hex")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_gives_back_every_byte() {
        let bytes: Vec<u8> = (0..=255).collect();
        for encoding in [Encoding::Text, Encoding::Hex, Encoding::Base64] {
            assert_eq!(encoding.decode(&encoding.exact(&bytes)).unwrap(), bytes, "{encoding:?}");
        }
        assert_eq!(Encoding::Hex.decode(b"00fF").unwrap(), [0, 255]);
        assert_eq!(Encoding::Base64.decode(b"AP8=").unwrap(), [0, 255]);
        assert_eq!(Encoding::Base64.decode(b"AP8").unwrap(), [0, 255]);
        for (encoding, bad) in [
            (Encoding::Hex, "0"),
            (Encoding::Hex, "0g"),
            (Encoding::Hex, "0x00"),
            (Encoding::Base64, "A"),
            (Encoding::Base64, "AP8=="),
            (Encoding::Base64, "\x1b[2J"),
        ] {
            let what = encoding.decode(bad.as_bytes()).unwrap_err();
            assert!(what.contains("is not"), "{what}");
            assert!(!what.contains('\x1b'), "{what:?}");
        }
    }

    #[test]
    fn no_byte_string_drives_a_terminal_and_no_two_print_alike() {
        let mut seen = std::collections::HashMap::new();
        for first in 0..=255u8 {
            for second in [0u8, b'\\', b'n', b'x', b'0', 0x1b, 0x80, 0x9b, 0xc2, 0xff] {
                let bytes = [first, second];
                let text = escape(&bytes);
                assert!(text.chars().all(|c| !c.is_control()), "{bytes:?} -> {text:?}");
                assert_eq!(seen.insert(text, bytes), None, "{bytes:?}");
            }
        }
        assert_eq!(escape("a\u{202e}b\u{9b}c\u{feff}".as_bytes()), "a\\u{202e}b\\u{9b}c\\u{feff}");
        assert_eq!(escape(b"\x1b]0;gone\x07\xff\\\n"), "\\x1b]0;gone\\x07\\xff\\\\\\n");
        assert_eq!(escape("Grüße 👩‍👧 日本".as_bytes()), "Grüße 👩‍👧 日本");
    }

    #[test]
    fn json_keeps_text_as_text_and_wraps_the_rest() {
        let json = |e: Encoding, b: &[u8]| serde_json::to_string(&e.json(b)).unwrap();
        assert_eq!(json(Encoding::Text, b"a\"\n"), r#""a\"\n""#);
        assert_eq!(json(Encoding::Text, b"\xff"), r#"{"base64":"/w=="}"#);
        assert_eq!(json(Encoding::Hex, b"\xff"), r#""ff""#);
        assert_eq!(json(Encoding::Base64, b"a"), r#""YQ==""#);
    }
}
