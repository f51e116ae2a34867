//! [`Fault`]: an error as JavaScript gets it.

use std::fmt::Write;
use std::io;

use bitcask_core::Error;
use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

/// What went wrong, for a program (`code`) and for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) advice: &'static str,
    pub(crate) segment: Option<u64>,
    pub(crate) offset: Option<u64>,
}

impl Fault {
    pub(crate) fn invalid(message: &str) -> Fault {
        Fault::new("INVALID", message.to_owned(), "")
    }

    pub(crate) fn closed() -> Fault {
        Fault::from(&Error::Closed)
    }

    /// A failure to open files ahead.
    pub(crate) fn of_files(source: io::Error) -> Fault {
        Fault::from(Error::Io { doing: "opening files ahead", segment: None, source })
    }

    fn new(code: &'static str, message: String, advice: &'static str) -> Fault {
        Fault { code, message, advice, segment: None, offset: None }
    }

    /// The fields as JSON.
    pub(crate) fn json(&self) -> String {
        let mut json = String::from("{\"code\":\"");
        json.push_str(self.code);
        json.push_str("\",\"message\":");
        quote(&self.message, &mut json);
        if !self.advice.is_empty() {
            json.push_str(",\"advice\":");
            quote(self.advice, &mut json);
        }
        for (name, number) in [("segment", self.segment), ("offset", self.offset)] {
            if let Some(number) = number {
                // Writing to a string never fails.
                let _ = write!(json, ",\"{name}\":{number}");
            }
        }
        json.push('}');
        json
    }

    /// A JavaScript `Error` with these fields.
    pub(crate) fn to_js(&self) -> JsValue {
        let error = js_sys::Error::new(&self.message);
        error.set_name("EngineError");
        let set = |name: &str, value: JsValue| {
            // An object that was made here takes fields.
            let _ = Reflect::set(&error, &name.into(), &value);
        };
        set("code", self.code.into());
        if !self.advice.is_empty() {
            set("advice", self.advice.into());
        }
        for (name, number) in [("segment", self.segment), ("offset", self.offset)] {
            if let Some(number) = number {
                set(name, (number as f64).into());
            }
        }
        error.into()
    }
}

impl From<Fault> for JsValue {
    fn from(fault: Fault) -> JsValue {
        fault.to_js()
    }
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Fault {
        let code = match error {
            Error::KeyLen(0) => "INVALID",
            Error::KeyLen(_) | Error::ValueLen(_) | Error::BatchLen(_) | Error::Limit(_) => "LIMIT",
            Error::ReadOnly => "READ_ONLY",
            Error::NoStore => "NO_STORE",
            Error::Closed => "CLOSED",
            Error::Io { .. } if error.is_full() => "QUOTA",
            Error::Io { source, .. } if source.kind() == io::ErrorKind::ResourceBusy => "BUSY",
            Error::Poisoned(_) => "POISONED",
            Error::Damaged { .. }
            | Error::Missing { .. }
            | Error::Foreign { .. }
            | Error::Stream { .. } => "DAMAGED",
            Error::Version { .. } => "VERSION",
            _ => "IO",
        };
        let mut fault = Fault::new(code, error.to_string(), error.advice());
        match error {
            Error::Damaged { segment, offset, .. } => {
                (fault.segment, fault.offset) = (Some(segment.0), Some(*offset));
            }
            Error::Stream { offset, .. } => fault.offset = Some(*offset),
            Error::Io { segment: Some(segment), .. }
            | Error::Foreign { segment, .. }
            | Error::Version { segment, .. } => fault.segment = Some(segment.0),
            _ => {}
        }
        fault
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::from(&error)
    }
}

/// A string as JSON has it.
fn quote(text: &str, into: &mut String) {
    into.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                into.push('\\');
                into.push(character);
            }
            '\u{0}'..='\u{1f}' => {
                let _ = write!(into, "\\u{:04x}", u32::from(character));
            }
            _ => into.push(character),
        }
    }
    into.push('"');
}

/// Sets a field of an object that is being made for JavaScript.
pub(crate) fn set(object: &Object, name: &str, value: impl Into<JsValue>) {
    // An object that was made here takes fields.
    let _ = Reflect::set(object, &name.into(), &value.into());
}
