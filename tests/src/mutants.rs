//! The list of mutants: what is taken out of the engine, one at a time, to see that a test notices.
//!
//! Exact text, not syntax trees (the crate cargo-mutants): what must be caught is that this sync or that comparison is gone, not that a function
//! returns something else; each has a name that says the rule; and the run begins with the simulator, which finds most in seconds.

use std::collections::BTreeSet;

/// The list.
const LIST: &str = include_str!("../mutants.txt");

/// One.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The rule that is broken.
    pub name: String,
    /// Path of the file, from the project's folder.
    pub file: String,
    /// The text that goes: whole lines.
    pub old: String,
    /// What comes in its place.
    pub new: String,
}

impl Mutant {
    /// The file's text with the mutation.
    ///
    /// # Errors
    ///
    /// Where the text that goes is not there, or more than once.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.old).count() {
            1 => Ok(text.replace(&self.old, &self.new)),
            count => Err(format!(
                "mutant \"{}\": {count} places in {} have this text, one should:\n{}",
                self.name, self.file, self.old
            )),
        }
    }
}

/// All of them.
///
/// # Errors
///
/// Where the list is not what it should be.
pub fn all() -> Result<Vec<Mutant>, String> {
    let mut mutants: Vec<Mutant> = Vec::new();
    for line in LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("== ") {
            let (name, file) = (name.to_owned(), String::new());
            mutants.push(Mutant { name, file, old: String::new(), new: String::new() });
            continue;
        }
        let mutant = mutants.last_mut().ok_or("the list begins without a name")?;
        let text = match line.split_at_checked(1) {
            Some(("-", rest)) => Some((&mut mutant.old, rest)),
            Some(("+", rest)) => Some((&mut mutant.new, rest)),
            _ => None,
        };
        match text {
            Some((text, rest)) => {
                text.push_str(rest);
                text.push('\n');
            }
            None => line.clone_into(&mut mutant.file),
        }
    }
    let names: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
    let whole = |mutant: &Mutant| !mutant.file.is_empty() && !mutant.old.is_empty();
    match names.len() == mutants.len() && mutants.iter().all(whole) {
        true => Ok(mutants),
        false => Err(String::from("two mutants have one name, or one has no file or text")),
    }
}
