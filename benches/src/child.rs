//! The benchmark as a process of its own: to see what memory a store takes, and to kill one that has a store open.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Result;
use crate::cold::Reads;
use crate::data::{Values, draws, key};
use crate::engine::Kind;
use crate::limited;
use crate::report::Sampler;
use crate::trial::{Trial, end};
use crate::workload::{fill, timed};

/// Set where this program runs itself: the folder, the store's name and what to do with it.
const FOLDER: &str = "BENCH_CHILD_FOLDER";
const STORE: &str = "BENCH_CHILD_STORE";
const TASK: &str = "BENCH_CHILD_TASK";
const VALUE_LEN: &str = "BENCH_CHILD_VALUE_LEN";

/// The control group that it joins first.
const GROUP: &str = "BENCH_CHILD_GROUP";

const MEMORY: &str = "memory";

/// Before the number of keys.
const READS: &str = "reads:";

/// How many keys are looked up after a kill.
const LOOKED_AT: u64 = 1000;

/// Does what a process was started for by the other functions here; says whether it was.
///
/// # Errors
///
/// The store's.
pub fn was_one(out: &mut dyn std::io::Write) -> Result<bool> {
    let Some(path) = std::env::var_os(FOLDER) else { return Ok(false) };
    let (name, task) = (std::env::var(STORE)?, std::env::var(TASK)?);
    let kind = Kind::ALL.iter().find(|kind| kind.name() == name).ok_or("there is no such store")?;
    if let Some(group) = std::env::var_os(GROUP) {
        std::fs::write(Path::new(&group).join("cgroup.procs"), std::process::id().to_string())?;
    }
    if let Some(keys) = task.strip_prefix(READS) {
        let store = kind.open(Path::new(&path))?;
        let Reads { per_second, bytes, waits } = limited::read(&*store, keys.parse()?)?;
        writeln!(out, "{per_second} {bytes} {waits}")?;
        store.close()?;
    } else if task == MEMORY {
        let before = own_memory_bytes()?;
        let store = kind.open(Path::new(&path))?;
        let after = own_memory_bytes()?;
        writeln!(out, "{}", after.saturating_sub(before))?;
        store.close()?;
    } else {
        let values = Values::new(std::env::var(VALUE_LEN)?.parse()?);
        let store = kind.open(Path::new(&path))?;
        fill(&*store, task.parse()?, &values)?;
        // So that what is timed afterwards is opening, not writing it all to the disk; and some promise nothing before.
        store.sync()?;
        writeln!(out, "filled")?;
        out.flush()?;
        // Until it is killed, or whoever started it is gone.
        std::io::stdin().lock().read_line(&mut String::new())?;
    }
    Ok(true)
}

fn start(kind: Kind, path: &Path, task: &str, value_len: usize) -> Result<Child> {
    Ok(command(kind, path, task, value_len)?.spawn()?)
}

fn command(kind: Kind, path: &Path, task: &str, value_len: usize) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(FOLDER, path).env(STORE, kind.name()).env(TASK, task);
    command.env(VALUE_LEN, value_len.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command)
}

/// Gets by a process in this control group.
///
/// # Errors
///
/// The store's.
pub(crate) fn reads_in(group: &Path, trial: &Trial<'_>, path: &Path) -> Result<Reads> {
    let task = format!("{READS}{}", trial.keys);
    let mut command = command(trial.kind, path, &task, trial.values.len())?;
    let output = command.env(GROUP, group).spawn()?.wait_with_output()?;
    let told = String::from_utf8(output.stdout)?;
    let numbers: std::result::Result<Vec<f64>, _> =
        told.split_whitespace().map(str::parse).collect();
    match numbers?[..] {
        [per_second, bytes, waits] => Ok(Reads { per_second, bytes, waits }),
        _ => Err("the process that was to read failed".into()),
    }
}

/// What an open store adds to the memory of a process that did nothing else.
///
/// # Errors
///
/// The store's.
pub fn memory(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let Trial { kind, keys, values, .. } = *trial;
    let (path, store) = trial.filled("memory")?;
    store.close()?;
    let output = start(kind, &path, MEMORY, values.len())?.wait_with_output()?;
    std::fs::remove_dir_all(path)?;
    // Where the platform does not tell, the row is left out.
    if let Ok(bytes) = String::from_utf8(output.stdout)?.trim().parse::<f64>() {
        to.add("memory of an open store", "bytes/key", bytes / keys as f64);
    }
    Ok(())
}

/// Opens a store whose process was ended by SIGKILL, after it had filled and synced it.
///
/// # Errors
///
/// The store's, or that a key is missing.
pub fn killed(trial: &Trial<'_>, to: &mut Sampler<'_>) -> Result<()> {
    let Trial { kind, keys, values, folder } = *trial;
    let path = folder.join("killed");
    let mut child = start(kind, &path, &keys.to_string(), values.len())?;
    let mut line = String::new();
    let told = child.stdout.take().ok_or("the other process has no output")?;
    BufReader::new(told).read_line(&mut line)?;
    child.kill()?;
    child.wait()?;
    if line.trim() != "filled" {
        return Err("the process that was to fill a store failed".into());
    }
    let (store, seconds) = timed(|| kind.open(&path))?;
    to.add("reopen after SIGKILL", "M keys/s", keys as f64 / seconds / 1e6);
    for number in draws(17, keys, LOOKED_AT) {
        if !store.get(&key(number), &mut |_| {})? {
            return Err(format!("key number {number} is gone after SIGKILL").into());
        }
    }
    end(path, store)
}

/// Memory of this process that no file backs; Linux only.
fn own_memory_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).ok_or("no RssAnon")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}
