//! Errors of the browser as [`io::Error`]s.

use std::fmt;
use std::io;

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// What a call of an open handle said.
pub(crate) fn io_error(thrown: &JsValue) -> io::Error {
    let kind = match kind_of(&text(thrown, "name")) {
        io::ErrorKind::Other => kind_of(&text(thrown, "code")),
        kind => kind,
    };
    io::Error::new(kind, sentence(thrown))
}

/// The browsers agree on the names of the standard; `NS_ERROR_…` are Firefox's own, the short ones Node's codes.
fn kind_of(name: &str) -> io::ErrorKind {
    match name {
        "QuotaExceededError" | "EDQUOT" => io::ErrorKind::QuotaExceeded,
        "NS_ERROR_FILE_NO_DEVICE_SPACE" | "NS_ERROR_FILE_DISK_FULL" | "ENOSPC" => {
            io::ErrorKind::StorageFull
        }
        "EFBIG" => io::ErrorKind::FileTooLarge,
        "NotFoundError" | "ENOENT" => io::ErrorKind::NotFound,
        "EEXIST" => io::ErrorKind::AlreadyExists,
        "NoModificationAllowedError" => io::ErrorKind::ResourceBusy,
        "SecurityError" | "NotAllowedError" | "EACCES" | "EPERM" | "EROFS" => {
            io::ErrorKind::PermissionDenied
        }
        "NotSupportedError" => io::ErrorKind::Unsupported,
        _ => io::ErrorKind::Other,
    }
}

fn sentence(thrown: &JsValue) -> String {
    match (text(thrown, "name"), text(thrown, "message")) {
        (name, message) if !message.is_empty() => format!("{name}: {message}"),
        (name, _) if !name.is_empty() => name,
        _ => format!("{thrown:?}"),
    }
}

fn text(thrown: &JsValue, property: &str) -> String {
    Reflect::get(thrown, &property.into())
        .ok()
        .and_then(|value| value.as_string())
        .unwrap_or_default()
}

/// Whether a write wrote what it was asked to.
///
/// Firefox tells of a full quota by a short count or 0 instead of an exception; Chromium does once on a
/// full disk, and some of its versions answer 2³² − 8, which is its code −8, "no space".
pub(crate) fn check_written(asked: usize, count: f64) -> io::Result<()> {
    let all = asked as f64;
    if count == all {
        return Ok(());
    }
    const NO_SPACE: f64 = 4_294_967_288.0;
    let full = (0.0..all).contains(&count) || count == NO_SPACE || count == -8.0;
    Err(if full {
        let count = Shown(count);
        let text = format!("{count} of {asked} bytes written: the quota or the disk is full");
        io::Error::new(io::ErrorKind::QuotaExceeded, text)
    } else {
        io::Error::other(format!("a write of {asked} bytes answered {}", Shown(count)))
    })
}

/// Whether a read read what it was asked to. A short one is a failure: the range was in the file.
pub(crate) fn check_read(asked: usize, count: f64) -> io::Result<()> {
    if count == asked as f64 {
        return Ok(());
    }
    Err(io::Error::other(format!("a read of {asked} bytes answered {}", Shown(count))))
}

/// A number in a sentence. Rust's own way to show fractions takes 17 kB of the engine, and counts have none.
struct Shown(f64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_possible_truncation, reason = "compared with what it was")]
        match self.0 as i64 {
            whole if whole as f64 == self.0 => write!(f, "{whole}"),
            _ => f.write_str("no whole number"),
        }
    }
}

/// A length that the browser gave as a number.
pub(crate) fn whole(number: f64) -> io::Result<u64> {
    // 2⁵³: above it a number no longer tells neighbours apart.
    if !(0.0..=9_007_199_254_740_992.0).contains(&number) || number.fract() != 0.0 {
        return Err(io::Error::other(format!("{} is no length", Shown(number))));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and in the range of u64, by the check above"
    )]
    Ok(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_count_is_a_success() {
        let kind = |count| check_written(10, count).map_err(|error| error.kind());
        assert_eq!(kind(10.0), Ok(()));
        for full in [0.0, 1.0, 9.0, 4_294_967_288.0, -8.0] {
            assert_eq!(kind(full), Err(io::ErrorKind::QuotaExceeded), "{full}");
        }
        for wrong in [11.0, -1.0, 4_294_967_295.0, f64::NAN, f64::INFINITY] {
            assert_eq!(kind(wrong), Err(io::ErrorKind::Other), "{wrong}");
        }
        assert!(check_read(10, 10.0).is_ok());
        for wrong in [0.0, 9.0, 11.0, 4_294_967_288.0, f64::NAN] {
            assert!(check_read(10, wrong).is_err(), "{wrong}");
        }
        assert!(check_written(0, 0.0).is_ok() && check_read(0, 0.0).is_ok());
    }

    #[test]
    fn lengths_are_whole() {
        assert_eq!(whole(0.0).ok(), Some(0));
        assert_eq!(whole(4_294_967_296.0).ok(), Some(1 << 32));
        for wrong in [-1.0, 0.5, 1e300, f64::NAN, f64::INFINITY] {
            assert!(whole(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_become_kinds() {
        assert_eq!(kind_of("QuotaExceededError"), io::ErrorKind::QuotaExceeded);
        assert_eq!(kind_of("NS_ERROR_FILE_NO_DEVICE_SPACE"), io::ErrorKind::StorageFull);
        assert_eq!(kind_of("NotFoundError"), io::ErrorKind::NotFound);
        assert_eq!(kind_of("a name of next year"), io::ErrorKind::Other);
    }
}
