//! A command line whose files have hostile names: what is not named is not touched, and nothing hangs or panics.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use arbitrary::{Result, Unstructured};

use crate::sandbox::{Found, Sandbox, run as run_command};

/// Parts of paths. The folder in which they are looked up lies deep enough for all the `..` that a path may have.
const PARTS: [&[u8]; 22] = [
    b"db",
    b"db",
    b"..",
    b".",
    b"",
    b"link-to-db",
    b"link-to-file",
    b"link-to-nothing",
    b"loop",
    b"pipe",
    b"file",
    b"folder",
    b"000000000001.segment",
    b"LOCK",
    b"--key",
    b"-x",
    b"\xff\xfe",
    b"a\nb",
    b"\x1b[31m",
    b" ",
    b"missing",
    b"db/000000000002.segment",
];

/// Words that are no paths.
const WORDS: [&[u8]; 16] = [
    b"--value-file",
    b"--key-file",
    b"--index",
    b"hash",
    b"--json",
    b"--salvage",
    b"--store",
    b"--check",
    b"--limit",
    b"7",
    b"--format",
    b"csv",
    b"--skip-bad",
    b"k",
    b"--hex",
    b"--",
];

const COMMANDS: [&str; 10] =
    ["get", "put", "delete", "scan", "import", "export", "merge", "verify", "stats", "dump"];

const DEEP: &str = "1/2/3/4/5/6";

/// The bytes are choices of a command and its words.
pub fn run(bytes: &[u8]) {
    let mut choices = Unstructured::new(bytes);
    let sandbox = Sandbox::new();
    let deep = sandbox.path(DEEP);
    fs::create_dir_all(&deep).unwrap();
    fill(&sandbox);
    let before = sandbox.tree();
    let Ok((words, named)) = words(&mut choices, &sandbox) else { return };
    // Where words that are no paths are files, if they are taken for some.
    std::env::set_current_dir(&deep).unwrap();
    let exit = run_command(words.clone());
    let after = sandbox.tree();
    for (path, found) in &before {
        let unchanged = after.get(path) == Some(found);
        assert!(unchanged || may_change(path, &named), "{words:?} ({exit:?}) has changed {path:?}");
        if let Found::Other | Found::Link(_) = found {
            assert!(
                unchanged || named.contains(path),
                "{words:?} ({exit:?}) has replaced {path:?}"
            );
        }
    }
    for path in after.keys().filter(|path| !before.contains_key(*path)) {
        assert!(may_change(path, &named), "{words:?} ({exit:?}) has made {path:?}");
    }
}

/// What is named, what is in a folder that is named, and what a link that is named leads to.
fn may_change(path: &std::path::Path, named: &[PathBuf]) -> bool {
    named.iter().any(|named| path == named || path.parent() == Some(named))
}

/// The words, and all paths among them as they are without links and dots.
fn words(
    choices: &mut Unstructured<'_>,
    sandbox: &Sandbox,
) -> Result<(Vec<OsString>, Vec<PathBuf>)> {
    let deep = sandbox.path(DEEP);
    let mut words = vec![OsString::from(*choices.choose(&COMMANDS)?)];
    let mut named = Vec::new();
    for _ in 0..choices.int_in_range(1..=6)? {
        if choices.ratio(1, 2)? {
            let word = OsString::from_vec(choices.choose(&WORDS)?.to_vec());
            // It may come to stand where a path is wanted.
            named.push(deep.join(&word));
            words.push(word);
            continue;
        }
        let mut path = deep.clone().into_os_string().into_vec();
        for _ in 0..choices.int_in_range(1..=4)? {
            path.push(b'/');
            path.extend(*choices.choose(&PARTS)?);
        }
        if choices.ratio(1, 40)? {
            path.resize(5000, b'x');
        }
        let path = PathBuf::from(OsString::from_vec(path));
        // A pipe that is read from waits for its other end, as it must.
        if fs::metadata(&path).is_ok_and(|about| !about.is_file() && !about.is_dir()) {
            continue;
        }
        let absolute = path.canonicalize().or_else(|_| {
            let parent = path.parent().unwrap_or(&deep).canonicalize()?;
            Ok::<_, std::io::Error>(parent.join(path.file_name().unwrap_or_default()))
        });
        named.extend(absolute);
        words.push(path.into_os_string());
    }
    Ok((words, named))
}

fn fill(sandbox: &Sandbox) {
    let deep = |name: &str| sandbox.path(DEEP).join(name);
    let db = bitcask::Db::options().background(false).open(deep("db")).unwrap();
    db.put(b"k", b"value").unwrap();
    db.close().unwrap();
    drop(db);
    fs::write(deep("file"), b"{\"key\":\"k\",\"value\":\"v\"}\n").unwrap();
    fs::create_dir(deep("folder")).unwrap();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, deep(name)).unwrap();
    link("db", "link-to-db");
    link("file", "link-to-file");
    link("nothing", "link-to-nothing");
    link("loop", "loop");
    make_pipe(&deep("pipe"));
    // Beside and above: never named by what stays inside.
    fs::write(sandbox.path("1/above"), b"above").unwrap();
}

fn make_pipe(path: &std::path::Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}
