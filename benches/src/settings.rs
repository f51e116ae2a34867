//! What a run is told by environment variables.

use std::path::PathBuf;

use crate::Result;

/// How large and how long a run is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `BENCH_KEYS`: keys of 16 bytes in a store with values of 100 bytes.
    pub keys: u64,
    /// `BENCH_LONGER_KEYS`: keys of the rows with values of 1000 bytes.
    pub longer_keys: u64,
    /// `BENCH_LARGE_KEYS`: keys of the row with values of 64 KiB.
    pub large_keys: u64,
    /// `BENCH_RUNS`: how often everything is measured.
    pub runs: u64,
    /// `BENCH_SYNC_MS`: how long each of the rows with syncs is measured, in milliseconds.
    pub sync_ms: u64,
    /// `BENCH_DIR`: a folder on the disk to be measured. What is made in it is removed.
    pub folder: Option<PathBuf>,
    /// `BENCH_ONLY`: runs only stores whose name contains this.
    pub only: String,
    /// `BENCH_PARTS`: runs only these of [`PARTS`].
    pub parts: Vec<String>,
    /// `BENCH_SLOW_S`: where one of the other stores took longer than this many seconds for a part, later runs leave it out there.
    pub slow_s: u64,
    /// `BENCH_WRITE=1`: the results go to `docs/benchmarks/` too.
    pub write: bool,
}

/// What a run is made of.
pub const PARTS: [&str; 5] = ["small", "longer", "large", "merging", "synced"];

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// Where a number is none.
    pub fn from_environment() -> Result<Settings> {
        let keys = number("BENCH_KEYS", 200_000)?.max(1000);
        let parts = std::env::var("BENCH_PARTS").unwrap_or_else(|_| PARTS.join(" "));
        let parts: Vec<String> = parts.split_whitespace().map(String::from).collect();
        if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
            return Err(format!("BENCH_PARTS={unknown}: the parts are {}", PARTS.join(" ")).into());
        }
        Ok(Settings {
            keys,
            longer_keys: number("BENCH_LONGER_KEYS", (keys / 5).max(1000))?.max(1000),
            large_keys: number("BENCH_LARGE_KEYS", 4000)?.max(10),
            runs: number("BENCH_RUNS", 3)?.max(1),
            sync_ms: number("BENCH_SYNC_MS", 1000)?.max(10),
            folder: std::env::var_os("BENCH_DIR").map(PathBuf::from),
            only: std::env::var("BENCH_ONLY").unwrap_or_default(),
            parts,
            slow_s: number("BENCH_SLOW_S", 60)?,
            write: number("BENCH_WRITE", 0)? == 1,
        })
    }

    /// Whether this one of [`PARTS`] is wanted.
    #[must_use]
    pub fn wants(&self, part: &str) -> bool {
        self.parts.iter().any(|wanted| wanted == part)
    }
}

fn number(name: &str, otherwise: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => {
            let number = text.replace('_', "").parse();
            number.map_err(|error| format!("{name}={text}: {error}").into())
        }
        Err(_) => Ok(otherwise),
    }
}
