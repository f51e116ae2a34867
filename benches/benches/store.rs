//! The native benchmark: `cargo bench -p bitcask-benches --bench store`, with `--features peers` for other stores beside ours.
//!
//! What the environment can say stands in `settings.rs` and in `docs/benchmarks/README.md`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its results")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bitcask::Index;
use bitcask_benches::data::Values;
use bitcask_benches::engine::Kind;
use bitcask_benches::medium::{self, Before, Fdatasync};
use bitcask_benches::report::{Report, Sampler};
use bitcask_benches::settings::Settings;
use bitcask_benches::trial::Trial;
use bitcask_benches::{
    Result, boxed, chart, child, cold, limited, merging, mixed, pauses, workload,
};

/// Bytes of values.
const SMALL_LEN: usize = 100;
const LONGER_LEN: usize = 1000;
const LARGE_LEN: usize = 64 << 10;

/// Bytes of the raw write to the page cache.
const RAW_BYTES: u64 = 256 << 20;

fn main() -> Result<()> {
    if child::was_one(&mut std::io::stdout())? {
        return Ok(());
    }
    let settings = Settings::from_environment()?;
    let folder = settings.folder.clone().unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    let folder = tempfile::tempdir_in(folder)?;
    let mut bench =
        Bench { folder: folder.path(), report: Report::default(), slow: BTreeSet::new() };
    for run in 1..=settings.runs {
        bench.run(&settings, run)?;
    }
    let report = bench.report;
    let markdown = report.to_markdown(&settings);
    println!("{markdown}");
    let chart = chart::of(&report);
    let json = serde_json::to_string_pretty(&report.to_json(&settings))? + "\n";
    let mut places = vec![PathBuf::from(env!("CARGO_TARGET_TMPDIR"))];
    if settings.write {
        places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks"));
    }
    for place in places {
        std::fs::create_dir_all(&place)?;
        std::fs::write(place.join("native.json"), &json)?;
        std::fs::write(place.join("native.md"), &markdown)?;
        std::fs::write(place.join("native.svg"), &chart)?;
        eprintln!("written: {}", place.join("native.{json,md,svg}").display());
    }
    Ok(())
}

/// The runs so far.
struct Bench<'a> {
    folder: &'a Path,
    report: Report,
    /// Other stores and parts that took too long to be measured more than once.
    slow: BTreeSet<(&'static str, &'static str)>,
}

impl Bench<'_> {
    /// Everything once. Stores take turns within a run, so that what disturbs the machine disturbs them alike.
    fn run(&mut self, settings: &Settings, run: u64) -> Result<()> {
        raw(settings, self.folder, &mut self.report)?;
        for (part, keys, value_len) in
            [("small", settings.keys, SMALL_LEN), ("longer", settings.longer_keys, LONGER_LEN)]
        {
            let group = format!("Values of {value_len} bytes");
            let values = Values::new(value_len);
            self.each(settings, run, part, &group, |kind, folder, to| {
                let trial = Trial { kind, keys, values: &values, folder };
                workload::life(&trial, to)?;
                workload::single_puts(&Trial { keys: keys / 2, ..trial }, to)?;
                mixed::reads_and_writes(&trial, to)?;
                workload::tail(&trial, to)?;
                child::killed(&trial, to)?;
                cold::reopening(&trial, to)?;
                child::memory(&trial, to)?;
                match kind {
                    Kind::Bitcask(index) => {
                        if index == Index::Hash {
                            boxed::beside(&trial, to)?;
                        }
                        limited::reading(&trial, to)?;
                        pauses::growing(&trial, to)
                    }
                    #[cfg(feature = "peers")]
                    Kind::Other(_) => Ok(()),
                }
            })?;
        }
        let values = Values::new(LARGE_LEN);
        self.each(settings, run, "large", "Values of 64 KiB", |kind, folder, to| {
            let keys = settings.large_keys;
            workload::large(&Trial { kind, keys, values: &values, folder }, to)
        })?;
        let values = Values::new(SMALL_LEN);
        self.each(settings, run, "merging", "Merging, values of 100 bytes", |kind, folder, to| {
            if kind != Kind::Bitcask(Index::Hash) {
                return Ok(());
            }
            merging::beside(settings.keys, &values, folder, to)?;
            merging::budget(settings.keys, &values, folder, to)?;
            merging::space(settings.keys, &values, folder, to)?;
            merging::endless(settings.keys, &values, folder, to)
        })?;
        let time = Duration::from_millis(settings.sync_ms);
        for threads in [1, 4, 16, 64] {
            let group = "Put with sync, values of 100 bytes";
            self.each(settings, run, "synced", group, |kind, folder, to| {
                workload::synced_puts(kind, threads, time, &values, folder, to)
            })?;
        }
        Ok(())
    }

    /// A part of a run with every store that takes part in it.
    fn each(
        &mut self,
        settings: &Settings,
        run: u64,
        part: &'static str,
        group: &str,
        measure: impl Fn(Kind, &Path, &mut Sampler<'_>) -> Result<()>,
    ) -> Result<()> {
        let kinds = Kind::ALL.iter().copied().filter(|kind| kind.name().contains(&settings.only));
        for kind in kinds.filter(|_| settings.wants(part)) {
            let name = kind.name();
            if self.slow.contains(&(part, name)) {
                continue;
            }
            let started = Instant::now();
            let to = &mut Sampler { report: &mut self.report, group: group.into(), store: name };
            measure(kind, self.folder, to)?;
            let took = started.elapsed().as_secs_f64();
            eprintln!("run {run}: {group}: {name}, {took:.1} s");
            if !matches!(kind, Kind::Bitcask(_)) && settings.slow_s as f64 <= took {
                self.slow.insert((part, name));
            }
        }
        Ok(())
    }
}

fn raw(settings: &Settings, folder: &Path, report: &mut Report) -> Result<()> {
    let to = &mut Sampler { report, group: "The machine".into(), store: "raw" };
    for (more, measure) in [
        (0, "write to the page cache, blocks of 64 KiB"),
        (medium::HEAD_LEN, "write to the page cache, blocks of 64 KiB and 40 bytes"),
    ] {
        let bytes = medium::page_cache(folder, RAW_BYTES, more)?;
        to.add(measure, "MB/s", bytes / 1e6);
    }
    let time = Duration::from_millis(settings.sync_ms);
    for (before, measure) in [
        (Before::Append, "append 144 bytes and fdatasync"),
        (Before::Overwrite, "overwrite 144 bytes and fdatasync"),
    ] {
        let mut raw = Fdatasync::new(folder, before)?;
        raw.go_on(time)?;
        to.add(measure, "syncs/s", raw.rate());
    }
    Ok(())
}
