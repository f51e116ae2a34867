//! SIGKILL at random moments, life after life of one store, with merges running: what was acknowledged is there, nothing that was
//! deleted returns, and `verify` finds nothing wrong.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bitcask::{Durability, Index};
use tempfile::tempdir;

use crate::child::{Actor, Heard, Work};
use crate::oracle::{State, Thread};
use crate::settings::{Random, Run};
use crate::store::{COMMAND, content, told, verify};

const DURABILITIES: [Durability; 3] = [Durability::None, Durability::Interval, Durability::Always];

/// The library, with threads that share syncs and with merging in the background or in between.
#[test]
fn f03_f04_f05_f10_f15_f16_a_child_that_is_killed_loses_nothing_acknowledged() {
    let mut run = Run::new("sigkill of a child", 25, 0.25);
    let folder = tempdir().unwrap();
    let folder = folder.path().join("store");
    let mut threads: Vec<Thread> = (0..4).map(Thread::new).collect();
    let (mut acknowledged, mut merged) = (0, 0);
    while let Some(cycle) = run.next(|| format!("{acknowledged} operations acknowledged")) {
        let mut random = run.random(cycle);
        let work = Work {
            seed: run.seed,
            durability: *random.pick(&DURABILITIES),
            index: *random.pick(&[Index::Hash, Index::Ordered]),
            background: random.below(4) != 0,
            operations: u64::MAX,
            goes_on: false,
            aborts: false,
        };
        let mut child = Actor::start(&[], &folder, &work, &threads);
        let mut heard = Heard::default();
        for _ in 0..random.below(if cycle % 5 == 0 { 3000 } else { 300 }) {
            assert!(child.hear(&mut threads, &mut heard), "{}: it ended", run.about(cycle));
        }
        std::thread::sleep(Duration::from_micros(random.below(3000)));
        child.kill(&mut threads, &mut heard);
        acknowledged +=
            threads.iter().map(|thread| thread.acknowledged - thread.first).sum::<u64>();
        merged += u64::from(has_a_merge(&folder));
        let failed = |what: String| format!("{}, {work:?}: {what}", run.about(cycle));
        assert_eq!((heard.failures, heard.closed), (0, None), "{}", failed(heard.last_failure));
        // Killed before there was a store: nothing was acknowledged.
        if !has_segments(&folder) {
            assert!(threads.iter().all(|thread| thread.acknowledged == 0), "{}", run.about(cycle));
            continue;
        }
        let mut check = || {
            if random.below(2) == 0 {
                verify(&folder)?;
            }
            let found = content(&folder, random.below(3) != 0, work.index)?;
            for thread in &mut threads {
                thread.settle(run.seed, &found, thread.acknowledged)?;
            }
            verify(&folder)
        };
        check().unwrap_or_else(|what| panic!("{}", failed(what)));
    }
    run.end(&format!(
        "{acknowledged} operations acknowledged, none lost; {merged} kills beside merged segments"
    ));
    assert!(0 < merged, "no merge was ever committed");
}

fn has_segments(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        entry.file_name().to_string_lossy().ends_with(".segment")
            && entry.metadata().is_ok_and(|about| 72 <= about.len())
    })
}

/// Whether a segment is a merge's: FORMAT.md, section 2.
fn has_a_merge(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        std::fs::read(entry.path()).is_ok_and(|bytes| bytes.get(10..12) == Some(&[2, 0]))
    })
}

/// Row `number` of an endless import.
fn row(seed: u64, number: u64) -> (String, String) {
    let mut random = Random(seed ^ number.wrapping_mul(0x9e37_79b9));
    let key = format!("key{:02}", random.below(40));
    (key, format!("{number}.{}", "x".repeat(random.below(300) as usize)))
}

/// The command. `rows` are acknowledged by an import, key by key; deletes, puts and merges by its exit code.
struct Commands {
    seed: u64,
    state: State,
    next_row: u64,
    kills: [u64; 4],
    acknowledged: u64,
}

#[test]
fn f03_f04_f12_f15_a_command_that_is_killed_loses_nothing_acknowledged() {
    let mut run = Run::new("sigkill of the command", 25, 0.2);
    let folder = tempdir().unwrap();
    let folder = folder.path().join("store");
    let mut commands = Commands {
        seed: run.seed,
        state: State::new(),
        next_row: 0,
        kills: [0; 4],
        acknowledged: 0,
    };
    while let Some(cycle) = run.next(|| format!("{} rows acknowledged", commands.acknowledged)) {
        let mut random = run.random(cycle);
        let failed = |what: String| panic!("{}: {what}", run.about(cycle));
        let kind = if commands.state.is_empty() { 0 } else { random.below(6) };
        let candidates = match kind {
            0..=2 => commands.import(&folder, &mut random),
            3 | 4 => commands.merge(&folder, &mut random),
            _ => commands.change_one(&folder, &mut random),
        };
        if !has_segments(&folder) && candidates.iter().any(State::is_empty) {
            continue;
        }
        verify(&folder).unwrap_or_else(failed);
        let found = content(&folder, true, Index::Hash)
            .unwrap_or_else(|what| panic!("{}: {what}", run.about(cycle)));
        if !candidates.contains(&found) {
            panic!("{}: LOST OR MADE UP: {found:?} is none of {candidates:?}", run.about(cycle));
        }
        commands.state = found;
    }
    let [imports, merges, puts, deletes] = commands.kills;
    run.end(&format!(
        "{} rows acknowledged, none lost; killed: {imports} imports, {merges} merges, {puts} puts, {deletes} deletes",
        commands.acknowledged
    ));
}

fn durability(random: &mut Random) -> &'static str {
    ["none", "interval", "always"][random.below(3) as usize]
}

impl Commands {
    /// Imports rows until it is killed. The rows of one batch, no more, may be there without having been acknowledged.
    fn import(&mut self, folder: &Path, random: &mut Random) -> Vec<State> {
        let batch = 1 + random.below(7);
        let mut child = Command::new(COMMAND)
            .args(["import", "--key", "k", "--value", "v", "--skip-bad", "--acknowledge"])
            .args(["--batch", &batch.to_string(), "--durability", durability(random)])
            .args(["--segment-bytes", "4096"])
            .arg(folder)
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut input, seed, first) = (child.stdin.take().unwrap(), self.seed, self.next_row);
        let feeder = std::thread::spawn(move || {
            for number in first.. {
                let (key, value) = row(seed, number);
                if writeln!(input, r#"{{"k":"{key}","v":"{value}"}}"#).is_err() {
                    break;
                }
            }
        });
        let mut heard = 0;
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut hear = || {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            let said = line.strip_suffix('\n')?.to_owned();
            assert_eq!(said, row(seed, first + heard).0);
            heard += 1;
            Some(())
        };
        let wanted = random.below(400);
        for _ in 0..wanted {
            if hear().is_none() {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(random.below(2000)));
        child.kill().unwrap();
        child.wait().unwrap();
        while hear().is_some() {}
        feeder.join().unwrap();
        assert!(wanted <= heard, "the import ended by itself");
        self.acknowledged += heard;
        self.kills[0] += 1;
        self.next_row += heard + batch;
        let mut state = self.state.clone();
        let mut apply = |from: u64, to: u64| {
            for number in from..to {
                let (key, value) = row(seed, number);
                state.insert(key.into_bytes(), value.into_bytes());
            }
            state.clone()
        };
        vec![apply(first, first + heard), apply(first + heard, first + heard + batch)]
    }

    /// Merges, and is killed on the way or not. Nothing may change.
    fn merge(&mut self, folder: &Path, random: &mut Random) -> Vec<State> {
        let mut command = Command::new(COMMAND);
        command.args(["merge", "--segment-bytes", "4096"]).arg(folder);
        self.kills[1] += u64::from(run_for(command, random.below(12_000)).is_none());
        vec![self.state.clone()]
    }

    /// Puts or deletes one key.
    fn change_one(&mut self, folder: &Path, random: &mut Random) -> Vec<State> {
        let (key, value) = row(self.seed, self.next_row);
        self.next_row += 1;
        let is_put = random.below(2) == 0;
        let mut command = Command::new(COMMAND);
        command.args([if is_put { "put" } else { "delete" }, "--segment-bytes", "4096"]);
        command.args(["--durability", durability(random)]).arg(folder).arg(&key);
        if is_put {
            command.arg(&value);
        }
        let exit = run_for(command, random.below(25_000));
        let mut after = self.state.clone();
        let key = key.into_bytes();
        match is_put {
            true => drop(after.insert(key, value.into_bytes())),
            false => drop(after.remove(&key)),
        }
        match exit {
            Some(0) => vec![after],
            // The key was not there.
            Some(1) if !is_put && after == self.state => vec![after],
            None => {
                self.kills[if is_put { 2 } else { 3 }] += 1;
                vec![self.state.clone(), after]
            }
            code => panic!("the command ended with {code:?}"),
        }
    }
}

/// Runs a command for so many microseconds, then kills it. Its exit code, or `None` if it was killed.
fn run_for(mut command: Command, micros: u64) -> Option<i32> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_micros(micros));
    _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let code = output.status.code();
    if let Some(code) = code {
        assert!([0, 1].contains(&code), "ended with {code}: {}", told(&output));
    }
    code
}
