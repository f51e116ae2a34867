//! A temporary folder in which the command runs, and what came of it.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Sandbox {
    folder: TempDir,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
    what: String,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        Sandbox { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The command with its arguments: `bitcask COMMAND STORE …`, in the folder.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bitcask"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1").env("COLUMNS", "100");
        command
    }

    /// Runs words that are parted by spaces; an argument with a space needs [`Sandbox::run_args`].
    pub(crate) fn run(&self, words: &str) -> Ran {
        self.run_args(words.split(' '))
    }

    pub(crate) fn run_args<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        Ran::new(&mut self.command(args))
    }

    /// The same with bytes on standard input.
    pub(crate) fn run_with(&self, words: &str, input: &[u8]) -> Ran {
        let mut child = self.spawn(words);
        // A command that fails early does not read all of it.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ran::of(words.to_owned(), child.wait_with_output().unwrap())
    }

    /// Starts the command with pipes on all sides.
    pub(crate) fn spawn(&self, words: &str) -> Child {
        self.command(words.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The segment files of a store, in the order of their ids.
    pub(crate) fn segments(&self, store: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.path(store))
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "segment"))
            .collect();
        files.sort();
        files
    }

    /// Every file of a folder with its bytes: to see that nothing was changed.
    pub(crate) fn image(&self, store: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.path(store))
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|path| !path.ends_with("LOCK"))
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }
}

impl fmt::Debug for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let out = String::from_utf8_lossy(&self.out);
        let out: String = out.chars().take(2_000).collect();
        write!(f, "{}\nended with {}, printed\n{out}\nand said\n{}", self.what, self.code, self.err)
    }
}

impl Ran {
    pub(crate) fn new(command: &mut Command) -> Ran {
        let what = format!("{command:?}");
        // A command that was just copied is open for writing in the child that another test's thread is about to start, until
        // that child has become its own program: a moment later the system lets it run.
        for _ in 0..1000 {
            match command.output() {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                output => return Ran::of(what, output.unwrap()),
            }
        }
        panic!("{what}: the program stays busy");
    }

    fn of(what: String, output: Output) -> Ran {
        let err = String::from_utf8(output.stderr).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), out: output.stdout, err, what }
    }

    /// It ended with this code; nothing panicked.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Ran {
        self.exits(0)
    }

    /// It failed with this code and one sentence that holds these words, then what to do.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Ran {
        let ran = self.exits(code);
        let lines: Vec<&str> = ran.err.lines().collect();
        let last = lines.len().checked_sub(2).map(|at| &lines[at..]);
        let Some([sentence, advice]) = last else { panic!("two lines are missing: {ran:#?}") };
        assert!(sentence.starts_with("bitcask: ") && !sentence.ends_with('.'), "{ran:#?}");
        assert!(advice.starts_with("  help: ") && advice.len() > 20, "{ran:#?}");
        for word in words {
            // What `verify` finds stands on standard output.
            let is_said =
                ran.err.contains(word) || String::from_utf8_lossy(&ran.out).contains(word);
            assert!(is_said, "`{word}` is not in {ran:#?}");
        }
        ran
    }

    /// It printed exactly this.
    #[track_caller]
    pub(crate) fn prints(self, text: impl AsRef<[u8]>) -> Ran {
        let expected = text.as_ref();
        assert!(
            self.out == expected,
            "expected {:?}, found {:?} in {self:#?}",
            String::from_utf8_lossy(expected),
            String::from_utf8_lossy(&self.out)
        );
        self
    }

    /// What it printed holds these words.
    #[track_caller]
    pub(crate) fn prints_words(self, words: &[&str]) -> Ran {
        let text = self.text();
        for word in words {
            assert!(text.contains(word), "`{word}` is not in {self:#?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Ran {
        assert!(self.err.contains(words), "`{words}` is not in {self:#?}");
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.out.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }

    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Copies a folder of files.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
