//! Takes rules out of the engine, one at a time, and sees that a test notices: `make mutants`.
//!
//! ```text
//! ONLY=tombstones,lock   those whose names have one of these
//! ```
//!
//! Works on a copy of the project in `target/mutants`, so that each build is a small one. First the exhaustive run, then the simulator, which
//! between them find most in seconds; what they do not find is for the test suites, and so is what is taken out of the binding to files. One that
//! survives makes the run fail.
use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use bitcask_tests::mutants::{Mutant, all};

/// Lives that the simulator has for one.
const LIVES: &str = "150000";

/// A mutant may make the engine run for ever.
const LONGEST: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project")?;
    let lab = Lab { root: root.to_owned(), folder: root.join("target/mutants") };
    lab.copy()?;
    // The suites are for `make test`; what is run here must pass by itself.
    let nothing = lab.find_by_running("nothing at all")?;
    nothing.map_or(Ok(()), |by| Err(format!("without any mutant, {by}")))?;
    let only = env::var("ONLY").unwrap_or_default();
    let wanted = |mutant: &Mutant| only.split(',').any(|part| mutant.name.contains(part));
    let mutants: Vec<Mutant> = all()?.into_iter().filter(wanted).collect();
    let mut survivors = Vec::new();
    for (number, mutant) in mutants.iter().enumerate() {
        let started = Instant::now();
        let caught = lab.with(mutant)?;
        let seconds = started.elapsed().as_secs_f64();
        let by = caught.as_deref().unwrap_or("SURVIVED");
        println!(
            "{:>3}/{}  {seconds:>6.1} s  {}\n           {by}",
            number + 1,
            mutants.len(),
            mutant.name
        );
        if caught.is_none() {
            survivors.push(mutant.name.as_str());
        }
    }
    println!("{} mutants, {} survived", mutants.len(), survivors.len());
    if survivors.is_empty() { Ok(()) } else { Err(format!("no test noticed: {survivors:#?}")) }
}

/// A copy of the project.
struct Lab {
    root: PathBuf,
    folder: PathBuf,
}

impl Lab {
    /// Copies what has changed, so that cargo builds no more than that.
    fn copy(&self) -> Result<(), String> {
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .map_err(|error| format!("git ls-files: {error}"))?;
        let wanted =
            ["core/", "cli/", "tests/", "wasm/", "benches/", "Cargo.", "clippy.toml", "FORMAT.md"];
        let mut kept = BTreeSet::new();
        for name in String::from_utf8_lossy(&listed.stdout).lines() {
            if !wanted.iter().any(|wanted| name.starts_with(wanted)) {
                continue;
            }
            let to = self.folder.join("tree").join(name);
            // A file that was deleted and is still listed.
            let Ok(bytes) = fs::read(self.root.join(name)) else { continue };
            kept.insert(to.clone());
            if fs::read(&to).ok().as_ref() != Some(&bytes) {
                let failed = |error| format!("{}: {error}", to.display());
                fs::create_dir_all(to.parent().unwrap_or(&to)).map_err(failed)?;
                fs::write(&to, bytes).map_err(failed)?;
            }
        }
        remove_others(&self.folder.join("tree"), &kept)
    }

    /// What notices this mutant.
    fn with(&self, mutant: &Mutant) -> Result<Option<String>, String> {
        let file = self.folder.join("tree").join(&mutant.file);
        let failed = |error| format!("{}: {error}", file.display());
        let text = fs::read_to_string(&file).map_err(failed)?;
        fs::write(&file, mutant.apply(&text)?).map_err(failed)?;
        let found = match mutant.file.starts_with("core/") {
            true => self.find(&mutant.name),
            // Neither the exhaustive run nor the simulator has files.
            false => self.find_by_testing(&["disk"]),
        };
        fs::write(&file, text).map_err(failed)?;
        found
    }

    fn find(&self, name: &str) -> Result<Option<String>, String> {
        if let Some(how) = self.find_by_running(name)? {
            return Ok(Some(how));
        }
        self.find_by_testing(&["damage", "model"])
    }

    fn find_by_testing(&self, suites: &[&str]) -> Result<Option<String>, String> {
        for suite in suites {
            let tested = self.cargo(&["test", "--test", suite])?;
            if let Some(how) = tested.failure() {
                return Ok(Some(format!("the tests, {suite}: {how}")));
            }
        }
        Ok(None)
    }

    fn find_by_running(&self, name: &str) -> Result<Option<String>, String> {
        let built = self.cargo(&["build", "--bins"])?;
        if !built.worked {
            return Err(format!("mutant \"{name}\" does not compile:\n{}", built.said));
        }
        let bin = |name: &str| self.folder.join("target/mutants").join(name);
        let exhaust = self.call(Command::new(bin("exhaust")).env("STEPS", "3"))?;
        if let Some(how) = exhaust.failure() {
            return Ok(Some(format!("the exhaustive run: {how}")));
        }
        let mut simulate = Command::new(bin("simulate"));
        let simulated = self.call(simulate.env("LIVES", LIVES).env("QUICK", "1"))?;
        if let Some(how) = simulated.failure() {
            return Ok(Some(format!("the simulator: {how}")));
        }
        Ok(None)
    }

    fn cargo(&self, what: &[&str]) -> Result<Called, String> {
        let mut cargo = Command::new("cargo");
        cargo.args(what).args(["--quiet", "--profile", "mutants", "--package", "bitcask-tests"]);
        cargo
            .current_dir(self.folder.join("tree"))
            .env("CARGO_TARGET_DIR", self.folder.join("target"));
        self.call(&mut cargo)
    }

    /// Runs a command to its end, or for as long as is sensible. What it says is kept.
    fn call(&self, command: &mut Command) -> Result<Called, String> {
        let failed = |error: std::io::Error| format!("running a command: {error}");
        let log = self.folder.join("said");
        let file = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let other = file.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file).stderr(other).process_group(0);
        let started = Instant::now();
        let mut child = command.spawn().map_err(failed)?;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                break Some(status);
            }
            // Other tests of the suite may go on for ever.
            if LONGEST < started.elapsed() || said(&log).lines().any(is_failure) {
                // With what cargo has started; it may have ended just now.
                let group = format!("-{}", child.id());
                let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
                let _ = child.wait();
                break None;
            }
            thread::sleep(Duration::from_millis(50));
        };
        let took = started.elapsed();
        let worked = status.is_some_and(|status| status.success());
        Ok(Called { worked, hangs: LONGEST < took, said: said(&log), took })
    }
}

/// Removes the files of a folder that are not to be kept: the project had them the last time.
fn remove_others(folder: &Path, kept: &BTreeSet<PathBuf>) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            remove_others(&path, kept)?;
        } else if !kept.contains(&path) {
            fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

fn said(log: &Path) -> String {
    String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned()
}

/// Whether a line of a suite says that a test failed.
fn is_failure(line: &str) -> bool {
    line.ends_with(" FAILED")
}

struct Called {
    worked: bool,
    hangs: bool,
    said: String,
    took: Duration,
}

impl Called {
    /// How it failed, in a few words, and how soon.
    fn failure(&self) -> Option<String> {
        if self.worked {
            return None;
        }
        let seconds = self.took.as_secs_f64();
        if self.hangs {
            return Some(format!("it hangs ({seconds:.0} s)"));
        }
        let telling = |line: &&str| {
            ["SEED=", "FAILED"].iter().any(|word| line.starts_with(word)) || is_failure(line)
        };
        let line = self.said.lines().find(telling).or_else(|| self.said.lines().last());
        let short: String = line.unwrap_or_default().chars().take(160).collect();
        Some(format!("{short} ({seconds:.1} s)"))
    }
}
