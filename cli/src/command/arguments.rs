//! Arguments that several subcommands share.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::encoding::Encoding;
use super::failure::Failure;
use super::store::Range;

/// The store of a command that only reads.
#[derive(Clone, Debug, Args)]
pub(crate) struct Reading {
    /// Folder of the store
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// How keys are held in memory
    #[arg(long, value_enum, default_value_t, help_heading = "Store")]
    pub(crate) index: Index,
    /// Open a damaged store with the records that are sound; older values may show where newer ones are lost
    #[arg(long, help_heading = "Store")]
    pub(crate) salvage: bool,
}

/// The store of a command that writes records.
#[derive(Clone, Debug, Args)]
pub(crate) struct Writing {
    /// Folder of the store
    #[arg(value_name = "STORE")]
    pub(crate) store: PathBuf,
    /// How keys are held in memory
    #[arg(long, value_enum, default_value_t, help_heading = "Store")]
    pub(crate) index: Index,
    /// When a write counts as done
    #[arg(long, value_enum, default_value_t, help_heading = "Store")]
    pub(crate) durability: Durability,
    /// Begin another segment before one grows longer than this; 64 MiB if nothing is said
    #[arg(long, value_name = "BYTES", help_heading = "Store")]
    pub(crate) segment_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Index {
    /// 15 bytes a key, whatever its length; a scan has to sort
    Hash,
    /// Whole keys, in order
    #[default]
    Ordered,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Durability {
    /// When the operating system has it: survives the process, not a power cut before it has ended
    None,
    /// The same; synced before the command ends, and by an import every second
    #[default]
    Interval,
    /// When it is synced: survives a power cut
    Always,
}

/// Which keys are meant, in the order of their bytes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Bounds {
    /// Keys that begin with this
    #[arg(long, value_name = "KEY", help_heading = "Keys")]
    pub(crate) prefix: Option<OsString>,
    /// This key and those behind it
    #[arg(long, value_name = "KEY", conflicts_with = "after", help_heading = "Keys")]
    pub(crate) from: Option<OsString>,
    /// Keys behind this one
    #[arg(long, value_name = "KEY", help_heading = "Keys")]
    pub(crate) after: Option<OsString>,
    /// Keys up to this one, and this one
    #[arg(long, value_name = "KEY", conflicts_with = "before", help_heading = "Keys")]
    pub(crate) to: Option<OsString>,
    /// Keys before this one
    #[arg(long, value_name = "KEY", help_heading = "Keys")]
    pub(crate) before: Option<OsString>,
}

impl Bounds {
    pub(crate) fn range(&self, encoding: Encoding) -> Result<Range, Failure> {
        let key = |argument: &Option<OsString>| {
            argument.as_ref().map(|a| encoding.argument(a)).transpose()
        };
        let mut range = Range::all();
        if let Some(prefix) = key(&self.prefix)? {
            range = range.and_prefix(&prefix);
        }
        if let Some(from) = key(&self.from)? {
            range = range.gte(&from);
        }
        if let Some(after) = key(&self.after)? {
            range = range.gt(&after);
        }
        if let Some(to) = key(&self.to)? {
            range = range.lte(&to);
        }
        if let Some(before) = key(&self.before)? {
            range = range.lt(&before);
        }
        Ok(range)
    }

    /// Whether none is given, so that every key is meant.
    pub(crate) fn is_empty(&self) -> bool {
        [&self.prefix, &self.from, &self.after, &self.to, &self.before].iter().all(|b| b.is_none())
    }
}
