//! `bitcask import --store`: the stream of an exported store.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::super::arguments::Writing;
use super::super::failure::{Exit, Failure};
use super::super::input::{is_standard, name};
use super::super::output::{Output, counted, say};
use super::super::progress::Progress;
use super::super::source::Source;
use super::super::store::{self, Batch, Create, Db, ImportReport, Importer, WriteOptions};
use super::Import;

/// Bytes that are read at a time.
const PIECE_LEN: usize = 1 << 16;

/// What was in the stream, and what became of it.
#[derive(Default, Serialize)]
struct Summary {
    /// Entries of the stream.
    entries: u64,
    /// Bytes of their keys and values.
    bytes: u64,
    /// The store that was exported, and its last sequence number at that moment.
    store_id: String,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<Imported>,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Imported {
    /// Keys that were not there before.
    new: u64,
    /// Keys that were there.
    replaced: u64,
}

pub(super) fn run(args: &Import) -> Result<Exit, Failure> {
    let source = Source::open(&args.file)?;
    let summary = if args.check {
        let progress = Progress::bytes("checking", source.len);
        Summary::new(&read(args, source.read(&progress), |_| Ok(()))?, None)
    } else if is_new(&args.writing.store) {
        into_new(args, source)?
    } else {
        let checked = source.checked("import the stream from a file", |_, reader| {
            read(args, reader, |_| Ok(())).map(drop)
        });
        into(args, &args.writing, Create::Never, checked?)?
    };
    if args.json {
        let mut output = Output::new();
        output.json(&summary)?;
        output.flush()?;
    } else {
        say(&summary.text());
    }
    Ok(Exit::Done)
}

/// Whether there is no store to keep: nothing at all, or an empty folder.
fn is_new(store: &Path) -> bool {
    match fs::read_dir(store) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Makes a new store in a temporary folder beside, and gives it its name when it is complete and durable.
fn into_new(args: &Import, source: Source) -> Result<Summary, Failure> {
    // A link to an empty folder is followed.
    let path = &args.writing.store;
    let path = path.canonicalize().unwrap_or_else(|_| path.clone());
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |e: io::Error| Failure::file("making a store in", parent.display(), &e);
    let beside = tempfile::Builder::new().prefix(".bitcask-").tempdir_in(parent).map_err(failed)?;
    let made: PathBuf = beside.path().join("store");
    let writing = Writing { store: made.clone(), ..args.writing.clone() };
    let summary = into(args, &writing, Create::IfMissing, source)?;
    rename(&made, &path).map_err(|e| Failure::file("giving its name to", path.display(), &e))?;
    sync_folder(parent).map_err(failed)?;
    Ok(summary)
}

#[cfg(unix)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    // An empty folder is replaced, another one is not.
    fs::rename(from, to)
}

#[cfg(not(unix))]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::remove_dir(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(from, to)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes what a stream holds into a store.
fn into(
    args: &Import,
    writing: &Writing,
    create: Create,
    source: Source,
) -> Result<Summary, Failure> {
    let progress = Progress::bytes("importing", source.len);
    store::writing(writing, create, |db| {
        let mut imported = Imported::default();
        let write = |batch: &Batch| imported.write(db, batch);
        let report = read(args, source.read(&progress), write)?;
        Ok(Summary::new(&report, Some(imported)))
    })
}

/// Reads a stream to its end, and gives out what is whole and right.
fn read(
    args: &Import,
    mut reader: impl Read,
    mut each: impl FnMut(&Batch) -> Result<(), Failure>,
) -> Result<ImportReport, Failure> {
    let damaged = |error: store::Error| {
        match error {
        error @ store::Error::Stream { .. } => Failure::Said {
            exit: Exit::Damaged,
            sentence: format!("{}: {error}", name(&args.file)),
            advice: match is_standard(&args.file) {
                true => "nothing was imported: export again, or use another copy".to_owned(),
                false => "nothing was imported: check that it is a file of `bitcask export --store`, or use another copy".to_owned(),
            },
        },
        error => error.into(),
    }
    };
    let (mut importer, mut piece) = (Importer::new(), vec![0; PIECE_LEN]);
    loop {
        let len = match reader.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|e| super::reading_failed(args, &e))?,
        };
        if len == 0 {
            return importer.finish().map_err(damaged);
        }
        importer.push(piece.get(..len).unwrap_or_default());
        while let Some(batch) = importer.next_batch().map_err(damaged)? {
            each(&batch)?;
        }
    }
}

impl Imported {
    fn write(&mut self, db: &Db, batch: &Batch) -> Result<(), Failure> {
        let before = db.len();
        db.write(batch, &WriteOptions::default())?;
        let new = db.len().saturating_sub(before);
        self.new = self.new.saturating_add(new);
        let replaced = (batch.len() as u64).saturating_sub(new);
        self.replaced = self.replaced.saturating_add(replaced);
        Ok(())
    }
}

impl Summary {
    fn new(report: &ImportReport, imported: Option<Imported>) -> Summary {
        Summary {
            entries: report.entries,
            bytes: report.bytes,
            store_id: data_encoding::HEXLOWER.encode(&report.store_id),
            sequence: report.sequence,
            imported,
        }
    }

    fn text(&self) -> String {
        let entries = counted(self.entries, "record", "records");
        match self.imported {
            None => {
                let bytes = HumanBytes(self.bytes);
                format!("the stream is whole: {entries}, {bytes} of keys and values")
            }
            Some(Imported { new, replaced }) => {
                let new = counted(new, "new key", "new keys");
                format!("{entries} imported: {new}, {} replaced", HumanCount(replaced))
            }
        }
    }
}
