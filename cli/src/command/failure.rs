//! How a command ends: the exit codes, and failures as one sentence and what to do about it.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use bitcask::{FolderError, OpenError};

use super::store::Error;

/// How a command ended. The numbers are promised in `bitcask --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or found.
    Done = 0,
    /// Not found, or the condition of a write did not hold, or what is watched is not complete.
    NotFound = 1,
    /// The command was not understood, or a key or value is not one that can be stored.
    Usage = 2,
    /// Another process has the store open for writing.
    Locked = 3,
    /// Input or output failed: a file, a folder, the disk, a line that cannot be imported.
    Io = 4,
    /// Bytes of the store, or of an exported one, are damaged or missing.
    Damaged = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command could not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The store says so; its path is added where the failure is shown.
    Store(Error),
    /// The folder of the store could not be opened.
    Folder(FolderError),
    /// Anything else that a person must read.
    Said {
        /// How the process ends.
        exit: Exit,
        /// One sentence without a full stop.
        sentence: String,
        /// What to do, without a full stop; empty where the sentence says it.
        advice: String,
    },
    /// Standard output did not take what was printed.
    Output(io::Error),
}

impl Failure {
    /// The caller's mistake.
    pub(crate) fn usage(sentence: impl Into<String>, advice: impl Into<String>) -> Failure {
        Failure::Said { exit: Exit::Usage, sentence: sentence.into(), advice: advice.into() }
    }

    /// Input or output that failed for a reason of its own.
    pub(crate) fn io(sentence: impl Into<String>, advice: impl Into<String>) -> Failure {
        Failure::Said { exit: Exit::Io, sentence: sentence.into(), advice: advice.into() }
    }

    /// A file (or standard input) that could not be read or written.
    pub(crate) fn file(doing: &str, name: impl Display, source: &io::Error) -> Failure {
        let advice = match source.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check the permissions of the file and its folder",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room and try again",
            io::ErrorKind::IsADirectory => "give a file, not a folder",
            _ => "look at the file and its disk, then try again",
        };
        Failure::io(format!("{doing} {name} failed: {source}"), advice)
    }

    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Said { exit, .. } => *exit,
            // Whoever read the output has seen enough: `bitcask scan ./db | head`.
            Failure::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Failure::Output(_) => Exit::Io,
            Failure::Folder(FolderError::Locked { .. }) => Exit::Locked,
            Failure::Folder(_) => Exit::Io,
            Failure::Store(e) if e.is_damage() => Exit::Damaged,
            Failure::Store(Error::KeyLen(_) | Error::ValueLen(_) | Error::BatchLen(_)) => {
                Exit::Usage
            }
            Failure::Store(_) => Exit::Io,
        }
    }

    /// What is printed on standard error: one sentence, then what to do. `None` for a reader that went away.
    pub(crate) fn text(&self, store: &str) -> Option<String> {
        let (sentence, advice) = match self {
            Failure::Said { sentence, advice, .. } => (sentence.clone(), advice.clone()),
            Failure::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => return None,
            Failure::Output(e) => (
                format!("writing to standard output failed: {e}"),
                "what was printed is not complete; give the command a place with room".to_owned(),
            ),
            Failure::Store(e @ (Error::KeyLen(_) | Error::ValueLen(_))) => {
                (e.to_string(), e.advice().to_owned())
            }
            Failure::Store(e) => (format!("{store}: {e}"), e.advice().to_owned()),
            Failure::Folder(e) => (e.to_string(), e.advice().to_owned()),
        };
        Some(match advice.is_empty() {
            true => format!("bitcask: {sentence}\n"),
            false => format!("bitcask: {sentence}\n  help: {advice}\n"),
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Store(error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        match error {
            OpenError::Folder(error) => Failure::Folder(error),
            OpenError::Store(error) => Failure::Store(error),
            error => Failure::io(error.to_string(), error.advice()),
        }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Failure {
        Failure::Folder(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_exit_code() {
        let io = |kind: io::ErrorKind| io::Error::from(kind);
        let segment = bitcask::SegmentId(3);
        for (failure, exit) in [
            (Failure::Store(Error::KeyLen(0)), Exit::Usage),
            (Failure::Store(Error::ValueLen(5_000_000_000)), Exit::Usage),
            (Failure::Store(Error::NoStore), Exit::Io),
            (Failure::Store(Error::ReadOnly), Exit::Io),
            (Failure::Store(Error::Version { segment, found: "version 9".into() }), Exit::Io),
            (
                Failure::Store(Error::Damaged { segment, offset: 72, what: "x".into() }),
                Exit::Damaged,
            ),
            (
                Failure::Store(Error::Missing { first: 1, last: 2, unreadable: vec![] }),
                Exit::Damaged,
            ),
            (Failure::Store(Error::Foreign { segment, what: "x".into() }), Exit::Damaged),
            (Failure::Output(io(io::ErrorKind::StorageFull)), Exit::Io),
            (Failure::Output(io(io::ErrorKind::BrokenPipe)), Exit::Done),
            (Failure::usage("a", "b"), Exit::Usage),
            (Failure::file("reading", "x", &io(io::ErrorKind::NotFound)), Exit::Io),
        ] {
            assert_eq!(failure.exit(), exit, "{failure:?}");
        }
    }

    #[test]
    fn the_text_is_a_sentence_and_what_to_do() {
        let text = Failure::Store(Error::NoStore).text("./db").unwrap();
        assert_eq!(
            text,
            "bitcask: ./db: there is no store here\n  help: check the path, or write something to create a store there\n"
        );
        let gone = Failure::Output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(gone.text("./db"), None);
    }
}
