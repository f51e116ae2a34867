//! The native benchmark: `cargo bench -p bitcask-benches`, with `--features peers` for other stores beside ours.
//!
//! Environment: `BENCH_KEYS` (200000), `BENCH_LARGE_KEYS` (1500), `BENCH_RUNS` (3), `BENCH_SYNC_MS` (1000), `BENCH_DIR`
//! (a folder on the disk to be measured; the target folder), `BENCH_ONLY` (only stores whose name contains this),
//! `BENCH_WRITE=1` (the results go to `docs/benchmarks/` too, not only to the target folder).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its results")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bitcask::Index;
use bitcask_benches::data::Values;
use bitcask_benches::engine::Kind;
use bitcask_benches::medium::{self, Before, Fdatasync};
use bitcask_benches::report::{Report, Sampler};
use bitcask_benches::settings::Settings;
use bitcask_benches::{Result, chart, merging, mixed, workload};

/// Set where this program runs itself to measure the memory of a store, in a process of its own.
const MEMORY_OF: &str = "BENCH_MEMORY_OF";

/// Bytes of values.
const VALUE_LENS: [usize; 2] = [100, 1000];
const LARGE_LEN: usize = 64 << 10;

/// Bytes of the raw write to the page cache.
const RAW_BYTES: u64 = 256 << 20;

fn main() -> Result<()> {
    let settings = Settings::from_environment()?;
    if let Some(path) = std::env::var_os(MEMORY_OF) {
        return print_memory(&settings, Path::new(&path));
    }
    let folder = settings.folder.clone().unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    let folder = tempfile::tempdir_in(folder)?;
    let mut report = Report::default();
    for run in 1..=settings.runs {
        measure(&settings, folder.path(), run, &mut report)?;
    }
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

/// Everything once. Stores take turns within a run, so that what disturbs the machine disturbs them alike.
fn measure(settings: &Settings, folder: &Path, run: u64, report: &mut Report) -> Result<()> {
    let kinds = || Kind::ALL.iter().copied().filter(|kind| kind.name().contains(&settings.only));
    raw(settings, folder, report)?;
    for value_len in VALUE_LENS {
        let values = Values::new(value_len);
        for kind in kinds() {
            eprintln!("run {run}: {} with values of {value_len} bytes", kind.name());
            let group = format!("Values of {value_len} bytes");
            let to = &mut Sampler { report, group, store: kind.name() };
            workload::life(kind, settings.keys, &values, folder, to)?;
            workload::single_puts(kind, settings.keys / 2, &values, folder, to)?;
            mixed::reads_and_writes(kind, settings.keys, &values, folder, to)?;
            workload::tail(kind, settings.keys, &values, folder, to)?;
            memory(settings, kind, &values, folder, to)?;
        }
    }
    let values = Values::new(LARGE_LEN);
    for kind in kinds() {
        eprintln!("run {run}: {} with values of 64 KiB", kind.name());
        let to = &mut Sampler { report, group: "Values of 64 KiB".into(), store: kind.name() };
        workload::large(kind, settings.large_keys, &values, folder, to)?;
    }
    let values = Values::new(100);
    if kinds().any(|kind| kind == Kind::Bitcask(Index::Hash)) {
        eprintln!("run {run}: merging");
        let to =
            &mut Sampler { report, group: "Merging, values of 100 bytes".into(), store: "hash" };
        merging::beside(settings.keys, &values, folder, to)?;
        merging::budget(settings.keys, &values, folder, to)?;
        merging::endless(settings.keys, &values, folder, to)?;
    }
    let time = Duration::from_millis(settings.sync_ms);
    for threads in [1, 4, 16, 64] {
        for kind in kinds() {
            eprintln!("run {run}: {}, put with sync by {threads} threads", kind.name());
            let group = "Put with sync, values of 100 bytes".into();
            let to = &mut Sampler { report, group, store: kind.name() };
            workload::synced_puts(kind, threads, time, &values, folder, to)?;
        }
    }
    Ok(())
}

fn raw(settings: &Settings, folder: &Path, report: &mut Report) -> Result<()> {
    let to = &mut Sampler { report, group: "The machine".into(), store: "raw" };
    let bytes = medium::page_cache(folder, RAW_BYTES)?;
    to.add("write to the page cache, blocks of 64 KiB", "MB/s", bytes / 1e6);
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

/// What an open store adds to the memory of a process that did nothing else.
fn memory(
    settings: &Settings,
    kind: Kind,
    values: &Values,
    folder: &Path,
    to: &mut Sampler<'_>,
) -> Result<()> {
    let path = folder.join("memory");
    let store = kind.open(&path)?;
    workload::fill(&*store, settings.keys, values)?;
    store.close()?;
    let output = Command::new(std::env::current_exe()?)
        .env(MEMORY_OF, &path)
        .env("BENCH_ONLY", kind.name())
        .output()?;
    std::fs::remove_dir_all(path)?;
    // Where the platform does not tell, the row is left out.
    if let Ok(bytes) = String::from_utf8(output.stdout)?.trim().parse::<f64>() {
        to.add("memory of an open store", "bytes/key", bytes / settings.keys as f64);
    }
    Ok(())
}

fn print_memory(settings: &Settings, path: &Path) -> Result<()> {
    let kind = Kind::ALL.iter().find(|kind| kind.name() == settings.only);
    let kind = kind.ok_or("there is no such store")?;
    let before = own_memory_bytes()?;
    let store = kind.open(path)?;
    let after = own_memory_bytes()?;
    println!("{}", after.saturating_sub(before));
    store.close()
}

/// Memory of this process that no file backs; Linux only.
fn own_memory_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).ok_or("no RssAnon")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}
