//! A folder on which the command runs, and what it looks like from outside.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Exit, run_words};

/// What stands at a path: the bytes of a file, or what else it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    File(Vec<u8>),
    Folder,
    Link(PathBuf),
    Other,
}

/// All that is below a folder.
pub(crate) type Tree = BTreeMap<PathBuf, Found>;

pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    /// In memory where the system has a file system in it: syncs cost nothing there.
    pub(crate) fn new() -> Sandbox {
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Sandbox { folder: folder.unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                let found = if kind.is_dir() {
                    folders.push(path.clone());
                    Found::Folder
                } else if kind.is_symlink() {
                    Found::Link(fs::read_link(&path).unwrap())
                } else if kind.is_file() {
                    Found::File(fs::read(&path).unwrap())
                } else {
                    Found::Other
                };
                tree.insert(path, found);
            }
        }
        tree
    }
}

/// Runs the command with these words. `None`: they are not understood.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>) -> Option<Exit> {
    run_words(std::iter::once(OsString::from("bitcask")).chain(words)).ok()
}
