//! System calls that fail under a store at work, one kind after another: what was acknowledged is there, a failed sync ends writing, nobody
//! panics, and the exit code is one that the README has.
//!
//! Not here: `fallocate`, which is never called (files grow by `ftruncate`), and writes in part by `strace`, which could only say that bytes were written
//! that were not. A limit on the length of files makes real ones.

use std::path::Path;
use std::process::{Command, Stdio};

use bitcask::{Durability, Index};
use tempfile::tempdir;

use crate::child::{Actor, Heard, Work};
use crate::oracle::Thread;
use crate::settings::{Random, Run};
use crate::store::{COMMAND, content, has_strace, told, verify};

/// Where a call must be to be met: nearly all of these calls are made for the store alone.
#[derive(Clone, Copy, PartialEq)]
enum On {
    Any,
    /// The folder, not the files in it.
    Folder,
    /// A segment.
    Segments,
}

/// A call, how it fails, from which one on at most, and whether all later ones fail too.
struct Fault(&'static str, &'static str, On, u64, bool);

const FAULTS: &[Fault] = &[
    Fault("pwrite64", "EIO", On::Any, 40, false),
    Fault("pwrite64", "EIO", On::Any, 40, true),
    Fault("pwrite64", "ENOSPC", On::Any, 40, false),
    Fault("pwrite64", "ENOSPC", On::Any, 40, true),
    Fault("pwrite64", "EDQUOT", On::Any, 40, true),
    Fault("pwrite64", "EINTR", On::Any, 40, false),
    Fault("fdatasync", "EIO", On::Any, 40, false),
    Fault("fdatasync", "EIO", On::Any, 40, true),
    Fault("fdatasync", "ENOSPC", On::Any, 40, false),
    Fault("fdatasync", "EDQUOT", On::Any, 40, false),
    Fault("fdatasync", "EINTR", On::Any, 40, false),
    Fault("fsync", "EIO", On::Any, 8, false),
    Fault("fsync", "EIO", On::Any, 8, true),
    Fault("fsync", "EIO", On::Folder, 6, false),
    Fault("fsync", "EIO", On::Folder, 6, true),
    Fault("ftruncate", "EIO", On::Any, 12, false),
    Fault("ftruncate", "EIO", On::Any, 12, true),
    Fault("ftruncate", "ENOSPC", On::Any, 12, true),
    Fault("openat", "EIO", On::Segments, 8, false),
    Fault("openat", "EMFILE", On::Segments, 8, true),
    Fault("openat", "ENOSPC", On::Segments, 8, true),
    Fault("unlink", "EIO", On::Any, 5, false),
    Fault("unlink", "EIO", On::Any, 5, true),
    Fault("mmap", "ENOMEM", On::Segments, 6, false),
    Fault("mmap", "ENOMEM", On::Segments, 6, true),
    Fault("pread64", "EIO", On::Segments, 30, false),
    Fault("pread64", "EIO", On::Segments, 30, true),
    Fault("getdents64", "EIO", On::Folder, 2, false),
    Fault("fadvise64", "EIO", On::Segments, 2, false),
];

/// Ids that a store of this test comes to.
const IDS_MAX: u64 = 150;

fn strace(fault: &Fault, number: u64, folder: &Path, log: &Path) -> Vec<String> {
    let Fault(call, error, on, _, is_for_good) = fault;
    let more = if *is_for_good { "+" } else { "" };
    let mut words: Vec<String> =
        ["strace", "-f", "--seccomp-bpf", "-o", log.to_str().unwrap(), "-e"]
            .map(str::to_owned)
            .into();
    // What stood before a sync tells what it was for.
    words.push(format!(
        "trace={call}{}",
        if *call == "fdatasync" { ",ftruncate,pwrite64" } else { "" }
    ));
    words.push("-e".into());
    words.push(format!("inject={call}:error={error}:when={number}{more}"));
    let mut only = |path: &Path| words.extend(["-P".to_owned(), path.to_str().unwrap().to_owned()]);
    match on {
        On::Any => {}
        On::Folder => only(folder),
        On::Segments => {
            (1..IDS_MAX).for_each(|id| only(&folder.join(format!("{id:012}.segment"))));
        }
    }
    words
}

/// A store of one kind of fault.
struct Victim<'a> {
    run: &'a Run,
    folder: &'a Path,
    threads: Vec<Thread>,
    /// The command's own keys.
    next_row: u64,
    met: u64,
    refused: u64,
}

#[test]
fn f07_f08_f18_f19_f25_calls_that_fail_lose_nothing_acknowledged() {
    if !has_strace() {
        return;
    }
    let mut run = Run::new("failing calls", 2, 0.3);
    let (mut table, mut all_done) = (String::new(), 0);
    let cycles = run.cycles_of_each(FAULTS.len() + 1, 0.25);
    for (kind, fault) in FAULTS.iter().map(Some).chain([None]).enumerate() {
        let name = fault.map_or("writes in part, by a limit on files".to_owned(), |fault| {
            let on = match fault.2 {
                On::Any => "",
                On::Folder => " of the folder",
                On::Segments => " of segments",
            };
            format!("{} {}{on}{}", fault.0, fault.1, if fault.4 { ", for good" } else { "" })
        });
        let (mut done, mut met, mut refused) = (0, 0, 0);
        let started = std::time::Instant::now();
        while cycles.wants(done, started) {
            // A new store now and then, so that its first moments are met too.
            let parent = tempdir().unwrap();
            let folder = parent.path().join("store");
            let threads = (0..2).map(Thread::new).collect();
            let mut victim =
                Victim { run: &run, folder: &folder, threads, next_row: 0, met: 0, refused: 0 };
            for life in 0..4 {
                if !cycles.wants(done, started) {
                    break;
                }
                let mut random = run.random(kind as u64 * 1_000_003 + done);
                let about = format!("{name}, {}", run.about(done));
                match (done + life) % 3 {
                    2 if folder.exists() => victim.command(fault, &mut random, &about),
                    _ => victim.child(fault, &mut random, &about),
                }
                done += 1;
            }
            met += victim.met;
            refused += victim.refused;
        }
        let line = format!("  {name:44} {done:5} cycles, met in {met}, {refused} calls refused\n");
        eprint!("{line}");
        table += &line;
        all_done += done;
        assert!(0 < met || done < 20, "{name}: never met");
    }
    run.count(all_done);
    run.end(&format!("nothing lost\n{table}"));
}

/// Whether each sync that failed, in what `strace` has seen, is one that nothing depends on: right behind a cut of the same file's growth, or, on a full
/// disk, behind the mark of a close, which only says that all before it is durable.
fn all_without_harm(said: &str) -> bool {
    let lines: Vec<&str> = said.lines().collect();
    // `12 fdatasync(7 <unfinished ...>` may be long before `12 <... fdatasync resumed>) = -1 EIO (INJECTED)`.
    let begun = |at: usize| {
        let process = lines[at].split_whitespace().next()?;
        let is_begin = |line: &&&str| line.starts_with(process) && line.contains("sync(");
        let line = lines[..=at].iter().rfind(is_begin)?;
        let from = lines[..=at].iter().rposition(|other| other == line)?;
        Some((from, line.split("sync(").nth(1)?.split([')', ' ']).next()?))
    };
    let is_full = |at: usize| lines[at].contains("ENOSPC") || lines[at].contains("EDQUOT");
    let is_harmless = |at: usize| {
        let (from, file) = begun(at)?;
        let of_it = |line: &&&str| {
            line.contains(&format!("({file},")) || line.contains(&format!("sync({file}"))
        };
        let before = lines[..from].iter().rfind(of_it)?;
        let is_mark = before.contains("pwrite64(") && before.contains(", 32, ");
        Some(before.contains("ftruncate(") || (is_mark && is_full(at)))
    };
    let mut failed = (0..lines.len()).filter(|at| lines[*at].contains("(INJECTED)"));
    failed.all(|at| is_harmless(at) == Some(true))
}

impl Victim<'_> {
    /// The program that makes a call fail, and where it will say that it has.
    fn before(&self, fault: Option<&Fault>, random: &mut Random, log: &Path) -> Vec<String> {
        match fault {
            Some(fault) => strace(fault, 1 + random.below(fault.3), self.folder, log),
            None => {
                // In blocks of 1024 bytes. The signal that comes with the error is ignored, as programs with a limit of their own do.
                let limit = 1 + random.below(9);
                let script = format!(r#"trap "" XFSZ; ulimit -f {limit} && exec "$0" "$@""#);
                ["bash", "-c", &script].map(str::to_owned).into()
            }
        }
    }

    /// A sync of bytes that failed is told to somebody, unless all that it was for was durable before.
    fn note(
        &mut self,
        fault: Option<&Fault>,
        log: &Path,
        refused: u64,
        has_closed: bool,
        about: &str,
    ) {
        let said = std::fs::read_to_string(log).unwrap_or_default();
        // (`fsync` is for names: the thread tries again to create and to remove, and is then well.)
        let is_sync = fault.is_some_and(|fault| fault.0 == "fdatasync" && fault.1 != "EINTR");
        if is_sync && has_closed && refused == 0 && !all_without_harm(&said) {
            panic!("{about}: nobody was told:\n{said}");
        }
        self.met += u64::from(said.contains("(INJECTED)") || (said.is_empty() && 0 < refused));
        self.refused += refused;
    }

    fn child(&mut self, fault: Option<&Fault>, random: &mut Random, about: &str) {
        let work = Work {
            seed: self.run.seed,
            durability: *random.pick(&[
                Durability::None,
                Durability::Interval,
                Durability::Always,
                Durability::Always,
            ]),
            index: *random.pick(&[Index::Hash, Index::Ordered]),
            background: random.below(2) == 0,
            operations: 60,
            goes_on: random.below(4) != 0,
            aborts: random.below(4) == 0,
        };
        let log = self.folder.with_file_name("log");
        let before = self.before(fault, random, &log);
        let mut heard = Heard::default();
        let child = Actor::start(&before, self.folder, &work, &self.threads);
        let (status, complaint) = child.finish(&mut self.threads, &mut heard);
        assert!(status.success(), "{about}, {work:?}: {status}\n{complaint}");
        let refused = heard.failures + u64::from(heard.closed.is_some());
        // What a merge met on a full disk is told by a close, and there was none.
        self.note(fault, &log, refused, !work.aborts, about);
        if fault.is_some_and(|fault| fault.1 == "EINTR") {
            assert_eq!(
                (heard.failures, heard.closed),
                (0, None),
                "{about}: {}",
                heard.last_failure
            );
        }
        let acknowledged = |thread: &Thread| thread.answered_well();
        if self.threads.iter().all(|thread| thread.first == 0 && acknowledged(thread) == 0)
            && content(self.folder, true, work.index).is_err()
        {
            // The first moments failed: there is no store, and no one was told that there is.
            self.threads = (0..2).map(Thread::new).collect();
            return;
        }
        self.check(&work).unwrap_or_else(|what| {
            panic!("{about}, {work:?}: {what}\nlast refused: {}", heard.last_failure)
        });
    }

    fn check(&mut self, work: &Work) -> Result<(), String> {
        verify(self.folder)?;
        let found = content(self.folder, true, work.index)?;
        for thread in &mut self.threads {
            thread.settle(self.run.seed, &found, thread.acknowledged)?;
        }
        if work.aborts {
            // What it has left is for the next life's opening, in which calls fail too.
            return Ok(());
        }
        // A writer puts in order what the failure has left.
        if content(self.folder, false, work.index)? != found {
            return Err("opening it for writing changes what it holds".into());
        }
        verify(self.folder)
    }

    fn command(&mut self, fault: Option<&Fault>, random: &mut Random, about: &str) {
        let Ok(state) = content(self.folder, true, Index::Hash) else { return };
        self.next_row += 1;
        let (key, value) =
            (format!("row{}", self.next_row % 7), format!("value {}", self.next_row));
        let kind = *random.pick(&["put", "delete", "merge", "get", "scan"]);
        let mut words: Vec<&str> = vec![COMMAND, kind];
        if matches!(kind, "put" | "delete") {
            words.extend(["--durability", "always"]);
        }
        words.push(self.folder.to_str().unwrap());
        match kind {
            "put" => words.extend([key.as_str(), value.as_str()]),
            "delete" | "get" => words.push(key.as_str()),
            _ => {}
        }
        let log = self.folder.with_file_name("log");
        let before = self.before(fault, random, &log);
        let mut command = Command::new(&before[0]);
        command.args(&before[1..]).args(&words).stdin(Stdio::null());
        let output = command.output().unwrap();
        let code = output.status.code();
        let key = key.into_bytes();
        let mut after = state.clone();
        match kind {
            "put" => drop(after.insert(key.clone(), value.into_bytes())),
            "delete" => drop(after.remove(&key)),
            _ => {}
        }
        let is_there = state.contains_key(&key);
        let allowed = match (kind, code) {
            (_, Some(0)) if kind == "get" && !is_there => panic!("{about}: got what is not there"),
            ("get", Some(0)) => {
                assert_eq!(output.stdout, state[&key], "{about}: another value");
                vec![state.clone()]
            }
            (_, Some(0)) => vec![after],
            ("get" | "delete", Some(1)) if !is_there => vec![state.clone()],
            (_, Some(4)) => vec![state.clone(), after],
            _ => panic!("{about}: {kind} ended with {code:?}: {}", told(&output)),
        };
        self.note(fault, &log, u64::from(code == Some(4)), true, about);
        let mut check = || {
            verify(self.folder)?;
            let found = content(self.folder, random.below(2) == 0, Index::Hash)?;
            if allowed.contains(&found) {
                Ok(())
            } else {
                Err(format!("{kind} ended with {code:?}, and then: {found:?}"))
            }
        };
        check().unwrap_or_else(|what: String| panic!("{about}: {what}\n{}", told(&output)));
    }
}
