//! A process of its own on the library: many threads, group commit, batches, compare-and-swap, expiry, and merging meanwhile. This test
//! program starts itself with that role.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcask::{AutoMerge, Batch, Db, Durability, Error, Index, MergePolicy, WriteOptions};

use crate::oracle::{Operation, Thread};

const ROLE: &str = "BITCASK_TORTURE_CHILD";

/// What stands before a line that a child says, among what the test runner prints.
const MARK: &str = "says: ";

/// How a child works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) seed: u64,
    pub(crate) durability: Durability,
    pub(crate) index: Index,
    pub(crate) background: bool,
    /// Each thread ends after so many operations.
    pub(crate) operations: u64,
    /// Whether to go on after an error, as long as the store does.
    pub(crate) goes_on: bool,
    /// Whether the process ends without closing: what it has not synced is for the next opening.
    pub(crate) aborts: bool,
}

/// The one test that a child runs; alone, it is nothing.
#[test]
fn play_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = role.split('\n').collect();
    let numbers: Vec<u64> = words[1].split(' ').map(|word| word.parse().unwrap()).collect();
    let durability = [Durability::None, Durability::Interval, Durability::Always];
    let work = Work {
        seed: numbers[0],
        durability: durability[numbers[1] as usize],
        index: if numbers[2] == 0 { Index::Hash } else { Index::Ordered },
        background: numbers[3] == 1,
        operations: numbers[4],
        goes_on: numbers[5] == 1,
        aborts: numbers[6] == 1,
    };
    live(Path::new(words[0]), &work, &numbers[7..]);
}

fn say(line: &str) {
    // One write, so that lines of several threads do not mix, and none is half there.
    let line = format!("\n{MARK}{line}\n");
    std::io::stdout().write_all(line.as_bytes()).and_then(|()| std::io::stdout().flush()).unwrap();
}

/// `firsts`: the number of each thread's first operation.
fn live(folder: &Path, work: &Work, firsts: &[u64]) {
    let auto_merge = AutoMerge {
        policy: MergePolicy::full(),
        bytes_per_second: u64::MAX,
        ..AutoMerge::default()
    };
    let options = Db::options()
        .durability(work.durability)
        .index(work.index)
        .background(work.background)
        .sync_every(Duration::from_millis(5))
        .segment_bytes(8000)
        .auto_merge(Some(auto_merge));
    let db = match options.open(folder) {
        Ok(db) => db,
        Err(error) => return say(&format!("closed {error}")),
    };
    say("open");
    let poisoned = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (thread, first) in (0..).zip(firsts) {
            let (db, poisoned) = (&db, &poisoned);
            scope.spawn(move || run(db, work, thread, *first, poisoned));
        }
    });
    if work.aborts {
        // No destructor runs.
        std::process::exit(0);
    }
    match db.close() {
        Ok(()) => say("closed"),
        Err(error) => say(&format!("closed {error}")),
    }
}

/// Whether a call that failed has done nothing, for certain: it was refused before anything was done. Else it may have worked: the record is there,
/// and what failed is a sync, or a seal before it.
fn did_nothing(error: &Error, knew: bool) -> bool {
    // Who waits for a sync that fails may be told `Poisoned` too.
    matches!(error, Error::Poisoned(_)) && knew
}

fn run(db: &Db, work: &Work, thread: u64, first: u64, poisoned: &AtomicBool) {
    for number in first..first.saturating_add(work.operations) {
        let was_poisoned = poisoned.load(Ordering::Acquire);
        match act(db, &Operation::new(work.seed, thread, number)) {
            Ok(()) if was_poisoned => {
                say(&format!("BROKEN {thread} {number}: a write after poison"))
            }
            Ok(()) => say(&format!("a {thread} {number}")),
            Err(error) => {
                let how = if did_nothing(&error, was_poisoned) { "f" } else { "u" };
                poisoned.fetch_or(matches!(error, Error::Poisoned(_)), Ordering::AcqRel);
                say(&format!("{how} {thread} {number} {error}"));
                if !work.goes_on {
                    return;
                }
            }
        }
        if work.durability != Durability::Always && number % 16 == 15 {
            match db.sync() {
                Ok(()) => say(&format!("s {thread} {}", number + 1)),
                Err(error) => say(&format!("m {error}")),
            }
        }
        // Without a thread of its own the store is merged here, between the writes of the others.
        if !work.background
            && number % 50 == 49
            && let Err(error) = db.merge(&MergePolicy::full(), &mut |_| bitcask::Go::On)
        {
            say(&format!("m {error}"));
        }
    }
}

fn act(db: &Db, operation: &Operation) -> Result<(), Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let expiring = |at: Duration| WriteOptions::default().expires_at_ms(at.as_millis() as u64);
    match operation {
        Operation::Put(key, value) => db.put(key, value).map(drop),
        Operation::Delete(key) => db.delete(key).map(drop),
        Operation::PutIfAbsent(key, value) => {
            db.put_if_absent(key, value, &WriteOptions::default()).map(drop)
        }
        Operation::Replace(key, value) => match db.get_entry(key)? {
            Some(entry) => {
                let options = WriteOptions::default();
                db.replace_if(key, entry.version, value, &options).map(drop)
            }
            None => db.put(key, value).map(drop),
        },
        Operation::PutExpired(key, value) => {
            db.put_with(key, value, &expiring(now - Duration::from_secs(1))).map(drop)
        }
        Operation::PutExpiring(key, value) => {
            let at = now + Duration::from_secs(1000 * 365 * 86_400);
            db.put_with(key, value, &expiring(at)).map(drop)
        }
        Operation::Batch(parts) => {
            let mut batch = Batch::new();
            for (key, value) in parts {
                match value {
                    Some(value) => batch.put(key, value)?,
                    None => batch.delete(key)?,
                };
            }
            db.write(&batch, &WriteOptions::default()).map(drop)
        }
    }
}

/// A running child.
pub(crate) struct Actor {
    child: Child,
    output: BufReader<ChildStdout>,
    rest: Vec<String>,
}

/// What became of a child.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Why it could not open or close.
    pub(crate) closed: Option<String>,
    pub(crate) failures: u64,
    pub(crate) last_failure: String,
}

impl Actor {
    /// `before` are the words of a program that is to start it.
    pub(crate) fn start(
        before: &[String],
        folder: &Path,
        work: &Work,
        threads: &[Thread],
    ) -> Actor {
        let this = std::env::current_exe().unwrap();
        let mut command = match before {
            [] => Command::new(this),
            [program, words @ ..] => {
                let mut command = Command::new(program);
                command.args(words).arg(this);
                command
            }
        };
        let firsts: String = threads.iter().map(|thread| format!(" {}", thread.first)).collect();
        let role = format!(
            "{}\n{} {} {} {} {} {} {}{firsts}",
            folder.to_str().unwrap(),
            work.seed,
            work.durability as u8,
            u8::from(work.index == Index::Ordered),
            u8::from(work.background),
            work.operations,
            u8::from(work.goes_on),
            u8::from(work.aborts),
        );
        let mut child = command
            .args(["--exact", "child::play_a_role", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Actor { child, output, rest: Vec::new() }
    }

    /// Takes in the next thing that is said. `false`: there is no more.
    pub(crate) fn hear(&mut self, threads: &mut [Thread], heard: &mut Heard) -> bool {
        let mut line = String::new();
        if self.output.read_line(&mut line).unwrap() == 0 {
            return false;
        }
        // A line without an end was not said.
        let Some(said) = line.strip_prefix(MARK).and_then(|said| said.strip_suffix('\n')) else {
            if !line.trim().is_empty() {
                self.rest.push(line);
            }
            return true;
        };
        let words: Vec<&str> = said.splitn(4, ' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        match words[0] {
            "open" => {}
            "closed" => heard.closed = said.strip_prefix("closed ").map(str::to_owned),
            "a" => threads[number(1) as usize].acknowledged = number(2) + 1,
            "s" => threads[number(1) as usize].durable = number(2),
            "m" => {
                heard.failures += 1;
                heard.last_failure = said.to_owned();
            }
            "f" | "u" => {
                let thread = &mut threads[number(1) as usize];
                thread.acknowledged = number(2) + 1;
                let failed = if words[0] == "u" { &mut thread.unsure } else { &mut thread.void };
                failed.push(number(2));
                heard.failures += 1;
                heard.last_failure = words[3].to_owned();
            }
            _ => panic!("{said}"),
        }
        true
    }

    /// SIGKILL: no code of the child runs any more. What it had said before counts.
    pub(crate) fn kill(&mut self, threads: &mut [Thread], heard: &mut Heard) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while self.hear(threads, heard) {}
    }

    /// Hears the child out. Returns how it ended, and what it printed besides.
    pub(crate) fn finish(
        mut self,
        threads: &mut [Thread],
        heard: &mut Heard,
    ) -> (ExitStatus, String) {
        while self.hear(threads, heard) {}
        let mut complaint = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut stderr, &mut complaint).unwrap();
        let rest = std::mem::take(&mut self.rest).concat();
        (self.child.wait().unwrap(), rest + &complaint)
    }
}

/// A child that its test forgot, because it panicked, must not stay behind.
impl Drop for Actor {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
