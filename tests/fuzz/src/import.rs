//! Rows of JSON Lines, CSV or TSV, or a stream: what the command `import` reads.

use std::ffi::OsString;
use std::fs;

use crate::command::Exit;
use crate::sandbox::{self, Sandbox, Tree};

/// The first two bytes say how the others are to be read. Either all of it is imported, or nothing is changed.
pub fn run(bytes: &[u8]) {
    let [how, more, text @ ..] = bytes else { return };
    let sandbox = Sandbox::new();
    let store = sandbox.path("db");
    fill(&sandbox);
    let file = sandbox.path("rows");
    fs::write(&file, text).unwrap();
    let before = sandbox.tree();
    let skips_bad = more & 1 == 1;
    let mut words: Vec<OsString> = ["import".into(), store.into(), file.into()].into();
    words.extend(options(*how, *more).into_iter().map(OsString::from));
    let Some(exit) = sandbox::run(words) else { panic!("the options are right") };
    if exit == Exit::Done || skips_bad {
        // A store that was written to is still sound.
        let verified = sandbox::run(["verify".into(), sandbox.path("db").into(), "--quiet".into()]);
        assert!(verified == Some(Exit::Done) || verified.is_none(), "{verified:?}");
        let scanned =
            sandbox::run(["export".into(), sandbox.path("db").into(), sandbox.path("out").into()]);
        assert_eq!(scanned, Some(Exit::Done));
        return;
    }
    assert!(matches!(exit, Exit::Io | Exit::Damaged | Exit::Usage), "{exit:?}");
    let after = sandbox.tree();
    let same = |tree: &Tree| tree.iter().filter(|(path, _)| !path.ends_with("LOCK")).count();
    assert!(same(&before) == same(&after), "{exit:?}, and there are other files");
    for (path, found) in &before {
        assert!(
            path.ends_with("LOCK") || after.get(path) == Some(found),
            "{exit:?}, and {path:?} has changed"
        );
    }
}

fn options(how: u8, more: u8) -> Vec<&'static str> {
    let mut options = vec![];
    match how % 4 {
        0 => options.extend(["--format", "jsonl"]),
        1 => options.extend(["--format", "csv"]),
        2 => options.extend(["--format", "tsv"]),
        _ => return vec!["--store"],
    }
    if how & 4 == 4 {
        options.extend(["--key", "k"]);
    }
    if how & 8 == 8 {
        options.extend(["--value", "v"]);
    }
    if how & 16 == 16 {
        options.extend(["--expires", "e"]);
    }
    match how >> 5 & 3 {
        1 => options.push("--hex"),
        2 => options.push("--base64"),
        _ => {}
    }
    if more & 1 == 1 {
        options.push("--skip-bad");
    }
    if more & 2 == 2 {
        options.extend(["--batch", "2"]);
    }
    options.extend(["--durability", "none"]);
    options
}

/// A store with something in it that an import could spoil.
fn fill(sandbox: &Sandbox) {
    let db = bitcask::Db::options().background(false).open(sandbox.path("db")).unwrap();
    db.put(b"a", b"there before").unwrap();
    db.put(b"1", b"there before").unwrap();
    db.close().unwrap();
}
