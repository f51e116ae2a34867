//! A store as this program, which is never tortured, looks at it.

use std::path::Path;
use std::process::{Command, Output};

use bitcask::{Db, Index, Range};

use crate::oracle::State;

/// The released command, or whatever profile this was built with.
pub(crate) const COMMAND: &str = env!("CARGO_BIN_EXE_bitcask");

/// Opens the store, for reading only or not, and returns all that it holds. A scan, gets and `verify` must agree.
pub(crate) fn content(folder: &Path, read_only: bool, index: Index) -> Result<State, String> {
    let options = Db::options().read_only(read_only).index(index).create(false).background(false);
    let db = options.open(folder).map_err(|error| format!("it does not open: {error}"))?;
    let mut state = State::new();
    for entry in db.scan(Range::all()) {
        let entry = entry.map_err(|error| format!("a scan fails: {error}"))?;
        state.insert(entry.key.to_vec(), entry.value.to_vec());
    }
    if db.len() < state.len() as u64 {
        return Err(format!("{} keys are counted, {} are there", db.len(), state.len()));
    }
    for (key, value) in &state {
        let got = db.get(key).map_err(|error| format!("a get fails: {error}"))?;
        if got.as_deref() != Some(value) {
            return Err(format!("get and scan differ at {}", key.escape_ascii()));
        }
    }
    let reversed = db.scan(Range::all().reverse()).map(|entry| entry.unwrap().key.to_vec());
    if !reversed.eq(state.keys().rev().cloned()) {
        return Err("a scan backwards finds other keys".into());
    }
    Ok(state)
}

/// `bitcask verify`, which must find nothing wrong.
pub(crate) fn verify(folder: &Path) -> Result<(), String> {
    let output = Command::new(COMMAND).arg("verify").arg(folder).output().unwrap();
    match output.status.code() {
        Some(0) => Ok(()),
        code => Err(format!("verify ends with {code:?}: {}", told(&output))),
    }
}

/// What a command printed.
pub(crate) fn told(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Copies the files of a store.
pub(crate) fn copy(from: &Path, to: &Path) {
    _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Whether `strace` is there and may inject.
pub(crate) fn has_strace() -> bool {
    let works = Command::new("strace").args(["-e", "inject=fdatasync:error=EIO", "true"]).output();
    let works = works.is_ok_and(|output| output.status.success());
    if !works {
        println!("skipped: strace is not there, or may not inject");
    }
    works
}
