//! `bitcask dump`

mod item;

use std::num::NonZeroU64;
use std::path::PathBuf;

use bitcask::Disk;
use bitcask_core::Storage;
use clap::Args;

use super::encoding::EncodingArgs;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::store::{self, Error, Go, SegmentId};

/// Show segments record by record, damaged ones too
///
/// One line for the header, each record, the seal and each of its hints, in the order of the file: where it begins, its length,
/// what it is. What cannot be read stands there as `unsound`, and the dump goes on behind it. Works on stores that no
/// longer open, and changes nothing. Exits with 0 whatever it shows: `bitcask verify` judges.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The bytes are explained in FORMAT.md. The offset and the length of a hint are those of the record that it stands for. \
Keys and values are escaped like those of `bitcask scan`.

With --json each line is an object with segment, offset, length and kind, and what else that kind has.

Examples:
  bitcask dump ./db
  bitcask dump ./db 3 --values
  bitcask dump ./db --json | grep '\"kind\":\"unsound\"'")]
pub(crate) struct Dump {
    /// Folder of the store
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// Number of the segment; all of them if none is given
    #[arg(value_name = "SEGMENT")]
    segment: Option<NonZeroU64>,
    /// Show values, not only their lengths
    #[arg(long)]
    values: bool,
    /// Print JSON Lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    encoding: EncodingArgs,
}

pub(crate) fn run(args: &Dump) -> Result<Exit, Failure> {
    let folder = store::folder(&args.store)?;
    let mut output = Output::new();
    for id in segments(args, &folder)? {
        let mut printed = Ok(());
        let read = bitcask::dump(&folder, id, &mut |item| {
            let item = item::Item::new(id, &item, args);
            printed = match args.json {
                true => output.json(&item),
                false => output.line(&item.text()),
            };
            if printed.is_ok() { Go::On } else { Go::Stop }
        });
        printed?;
        match read {
            // A writer that works beside has merged it away since the folder was listed.
            Err(Error::Io { source, .. })
                if args.segment.is_none() && source.kind() == std::io::ErrorKind::NotFound => {}
            read => read?,
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn segments(args: &Dump, folder: &Disk) -> Result<Vec<SegmentId>, Failure> {
    let listing = |source| Error::Io { doing: "listing the segments", segment: None, source };
    let mut ids = folder.list().map_err(listing)?;
    ids.sort_unstable();
    let Some(wanted) = args.segment else { return Ok(ids) };
    let wanted = SegmentId(wanted.get());
    if !ids.contains(&wanted) {
        let there: Vec<String> = ids.iter().take(20).map(ToString::to_string).collect();
        let more = if ids.len() > there.len() { ", …" } else { "" };
        return Err(Failure::io(
            format!("{}: there is no segment {wanted}", args.store.display()),
            format!("there are these: {}{more}", there.join(", ")),
        ));
    }
    Ok(vec![wanted])
}
