//! Killed at every system call: each command is run once to count the calls by which it changes anything, and then once for each of them,
//! with SIGKILL in that call's place.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use bitcask::{Db, Index};
use tempfile::tempdir;

use crate::oracle::State;
use crate::settings::Run;
use crate::store::{COMMAND, content, copy, has_strace, told, verify};

/// Calls that change a file or a folder, make it durable, or begin or end what does.
const CALLS: &str = "mkdir,openat,flock,ftruncate,pwrite64,write,fdatasync,fsync,unlink,rename,mmap,munmap,fadvise64,close";

/// What is done to the store that [`begin`] makes, and what it holds then.
struct Script {
    name: &'static str,
    words: &'static [&'static str],
    /// Of a batch nothing or all is there; rows of several may end at any batch.
    after: fn(&State) -> Vec<State>,
}

fn with(state: &State, key: &str, value: Option<&str>) -> State {
    let mut state = state.clone();
    let key = key.as_bytes().to_vec();
    match value {
        Some(value) => drop(state.insert(key, value.as_bytes().to_vec())),
        None => drop(state.remove(&key)),
    }
    state
}

const SCRIPTS: &[Script] = &[
    Script {
        name: "put, into a store that is there",
        words: &["put", "STORE", "key1", "new", "--durability", "always"],
        after: |before| vec![with(before, "key1", Some("new"))],
    },
    Script {
        name: "put, with a roll",
        words: &["put", "STORE", "key1", "new", "--segment-bytes", "256"],
        after: |before| vec![with(before, "key1", Some("new"))],
    },
    Script {
        name: "put, the first",
        words: &["put", "NEW", "key1", "new"],
        after: |_| vec![with(&State::new(), "key1", Some("new"))],
    },
    Script {
        name: "delete",
        words: &["delete", "STORE", "key2", "--durability", "always"],
        after: |before| vec![with(before, "key2", None)],
    },
    Script { name: "merge", words: &["merge", "STORE"], after: |before| vec![before.clone()] },
    Script {
        name: "import in batches of two",
        words: &[
            "import",
            "STORE",
            "ROWS",
            "--key",
            "k",
            "--value",
            "v",
            "--batch",
            "2",
            "--segment-bytes",
            "512",
        ],
        after: |before| {
            let mut state = before.clone();
            (0..ROWS / 2)
                .map(|batch| {
                    for row in [2 * batch, 2 * batch + 1] {
                        state =
                            with(&state, &format!("key{}", row % 5), Some(&format!("row {row}")));
                    }
                    state.clone()
                })
                .collect()
        },
    },
];

const ROWS: u64 = 8;

/// A store of several segments, some of them with dead records, that was not closed.
fn begin(folder: &Path) -> State {
    let options = Db::options().segment_bytes(1500).background(false).auto_merge(None);
    let db = options.open(folder).unwrap();
    for number in 0..40_u32 {
        db.put(format!("key{}", number % 9).as_bytes(), &[b'a'; 100]).unwrap();
        if number % 7 == 3 {
            db.delete(format!("key{}", number % 4).as_bytes()).unwrap();
        }
    }
    db.put(b"key2", b"there").unwrap();
    std::mem::forget(db);
    content(folder, true, Index::Hash).unwrap()
}

fn command(script: &Script, folder: &Path, strace: &[&str]) -> Command {
    let words = script.words.iter().map(|word| match *word {
        "STORE" => folder.to_owned(),
        "NEW" => folder.with_file_name("new"),
        "ROWS" => folder.with_file_name("rows.jsonl"),
        word => word.into(),
    });
    let mut command = Command::new("strace");
    command.args(["-f", "-o"]).arg(folder.with_file_name("log")).args(strace);
    command.arg(COMMAND).args(words).stdin(Stdio::null());
    command
}

/// How often the script makes each call.
fn count(script: &Script, folder: &Path) -> BTreeMap<String, u64> {
    let output = command(script, folder, &["-e", &format!("trace={CALLS}")]).output().unwrap();
    assert!(output.status.success(), "{}: {}", script.name, told(&output));
    let mut counts = BTreeMap::new();
    for line in std::fs::read_to_string(folder.with_file_name("log")).unwrap().lines() {
        // `strace` counts each thread's calls for itself; all that matters is in one.
        let call = line.split_once(' ').and_then(|(_, call)| call.trim_start().split_once('('));
        if let Some((call, _)) = call {
            *counts.entry(call.to_owned()).or_default() += 1;
        }
    }
    counts
}

#[test]
fn f03_f05_f17_f19_a_command_that_is_killed_in_any_call_is_done_or_not() {
    if !has_strace() {
        return;
    }
    let parent = tempdir().unwrap();
    let (origin, folder) = (parent.path().join("origin"), parent.path().join("store"));
    let rows: String = (0..ROWS)
        .map(|row| format!("{{\"k\":\"key{}\",\"v\":\"row {row}\"}}\n", row % 5))
        .collect();
    std::fs::write(parent.path().join("rows.jsonl"), rows).unwrap();
    let before = begin(&origin);
    let mut run = Run::new("killed at every call", 110, 0.1);
    // All of them, or a part that is spread over all.
    let mut places = Vec::new();
    for script in SCRIPTS {
        copy(&origin, &folder);
        let counts = count(script, &folder);
        _ = std::fs::remove_dir_all(parent.path().join("new"));
        for (call, count) in counts {
            places.extend((1..=count).map(|number| (script, call.clone(), number)));
        }
    }
    let mut random = run.random(0);
    for at in (1..places.len()).rev() {
        places.swap(at, random.below(at as u64 + 1) as usize);
    }
    let (all, mut killed, mut done) = (places.len(), 0, 0);
    while let Some(cycle) = run.next(|| format!("of {all} places")) {
        let Some((script, call, number)) = places.pop() else { break };
        copy(&origin, &folder);
        let new = parent.path().join("new");
        _ = std::fs::remove_dir_all(&new);
        let is_new = script.words.contains(&"NEW");
        let inject = format!("inject={call}:signal=KILL:when={number}");
        let status = command(script, &folder, &["-e", &format!("trace={call}"), "-e", &inject])
            .output()
            .unwrap()
            .status;
        let about = format!("{}, call {number} of {call}, {}", script.name, run.about(cycle));
        let (store, first) = if is_new { (&new, State::new()) } else { (&folder, before.clone()) };
        let mut allowed = (script.after)(&before);
        match status.code() {
            Some(0) => allowed = allowed.split_off(allowed.len() - 1),
            Some(code) => panic!("{about}: ended with {code}"),
            None => {
                killed += 1;
                allowed.push(first);
            }
        }
        done += 1;
        let found = match content(store, cycle % 2 == 0, Index::Ordered) {
            // It was killed before there was a store.
            Err(_) if is_new && status.code().is_none() && verify(store).is_err() => {
                let again = Command::new(COMMAND)
                    .arg("put")
                    .arg(&new)
                    .args(["key1", "new"])
                    .output()
                    .unwrap();
                assert!(
                    again.status.success(),
                    "{about}: a new store is not taken up: {}",
                    told(&again)
                );
                State::new()
            }
            found => found.unwrap_or_else(|what| panic!("{about}: {what}")),
        };
        assert!(allowed.contains(&found), "{about}: {found:?}");
        verify(store).unwrap_or_else(|what| panic!("{about}: {what}"));
        // And what was killed half-way is done by the next one.
        if !is_new {
            let output = command(script, &folder, &["-e", "trace=none"]).output().unwrap();
            assert!(
                [Some(0), Some(1)].contains(&output.status.code()),
                "{about}: the next one: {}",
                told(&output)
            );
            let found =
                content(store, true, Index::Hash).unwrap_or_else(|what| panic!("{about}: {what}"));
            assert_eq!(Some(&found), (script.after)(&before).last(), "{about}: the next one");
        }
    }
    run.end(&format!("{done} of {all} places tried, killed in {killed}; each was done or not done, and could be done again"));
    assert!(done / 2 < killed, "only {killed} of {done} were killed");
}
