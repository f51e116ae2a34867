//! Processes of their own: this test program starts itself, with a role to play in a folder.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

const ROLE: &str = "BITCASK_TEST_ROLE";
const FOLDER: &str = "BITCASK_TEST_FOLDER";

/// What stands before a line that a role says, among what the test runner prints.
const MARK: &str = "child says: ";

/// The one test that a child runs; alone, it is nothing.
#[test]
fn play_a_role() {
    let (Ok(role), Some(folder)) = (std::env::var(ROLE), std::env::var_os(FOLDER)) else { return };
    let roles = [
        crate::processes::ROLES,
        crate::syncs::ROLES,
        crate::full::ROLES,
        crate::beside::ROLES,
        crate::kill::ROLES,
        crate::threads::ROLES,
        crate::trouble::ROLES,
    ];
    let roles = roles.concat();
    let (_, play) = roles.iter().find(|(name, _)| *name == role).unwrap();
    play(Path::new(&folder));
}

/// A role's name, and what it does in a folder.
pub(crate) type Role = (&'static str, fn(&Path));

/// Says a line to the parent.
pub(crate) fn say(line: &str) {
    println!("\n{MARK}{line}");
    std::io::stdout().flush().unwrap();
}

/// Waits until the parent lets go.
pub(crate) fn wait_for_parent() {
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The command that plays a role; `before` are the words of a program that is to start it.
pub(crate) fn command(before: &[&str], role: &str, folder: &Path) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match before {
        [] => Command::new(this),
        [program, words @ ..] => {
            let mut command = Command::new(program);
            command.args(words).arg(this);
            command
        }
    };
    command
        .args(["--exact", "child::play_a_role", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(FOLDER, folder);
    command
}

/// A child that plays a role.
pub(crate) struct Actor {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Actor {
    pub(crate) fn start(role: &str, folder: &Path) -> Actor {
        Actor::of(command(&[], role, folder))
    }

    pub(crate) fn of(mut command: Command) -> Actor {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Actor { input: child.stdin.take(), output, child }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that the child says. Panics if it ends without one.
    pub(crate) fn hear(&mut self) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                panic!("the child ended and said nothing:\n{all}");
            }
            if let Some(said) = line.strip_prefix(MARK) {
                return said.trim_end().to_owned();
            }
            all.push_str(&line);
        }
    }

    /// SIGKILL: no code of the child runs any more.
    pub(crate) fn kill(self) {
        self.kill_and_hear();
    }

    /// SIGKILL; returns what the child had said and was not heard yet.
    pub(crate) fn kill_and_hear(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        // A line without an end was not said.
        let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
        whole.lines().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect()
    }

    /// Ends the child's [`wait_for_parent`].
    pub(crate) fn let_go(&mut self) {
        drop(self.input.take());
    }

    /// Lets the child go on to its end.
    pub(crate) fn finish(mut self) -> ExitStatus {
        drop(self.input.take());
        self.output.read_to_end(&mut Vec::new()).unwrap();
        self.child.wait().unwrap()
    }
}

/// A child that its test forgot, because it panicked, must not stay behind.
impl Drop for Actor {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
