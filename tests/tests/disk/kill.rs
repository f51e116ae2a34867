//! SIGKILL in the middle of writing, rolling, sealing and merging: what was acknowledged is there.

use std::collections::BTreeMap;
use std::path::Path;

use bitcask::{AutoMerge, Batch, Db, DbOptions, Durability, MergePolicy, Range, WriteOptions};
use bitcask_core::{Memory, Storage};
use tempfile::tempdir;

use crate::child::{Actor, Role, command, say};

pub(crate) const ROLES: &[Role] = &[
    ("write until killed, none", |folder| write_until_killed(folder, Durability::None)),
    ("write until killed, interval", |folder| write_until_killed(folder, Durability::Interval)),
    ("write until killed, always", |folder| write_until_killed(folder, Durability::Always)),
];

/// The number of the first operation of a child.
const FIRST: &str = "BITCASK_TEST_FIRST";

const KEYS: u64 = 30;

fn options(durability: Durability) -> DbOptions {
    let auto_merge = AutoMerge {
        policy: MergePolicy::full(),
        bytes_per_second: u64::MAX,
        ..AutoMerge::default()
    };
    let sync_every = std::time::Duration::from_millis(5);
    let options = Db::options().durability(durability).sync_every(sync_every);
    options.segment_bytes(3000).auto_merge(Some(auto_merge))
}

/// What operation `number` does: a put, a delete, or a batch of three, all decided by the number.
fn operation(number: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let key = |of: u64| (of % KEYS).to_be_bytes().to_vec();
    let value = |of: u64| number.to_be_bytes().repeat(1 + (of % 40) as usize);
    match number % 8 {
        3 => vec![(key(number / 8), None)],
        5 => vec![
            (key(number * 7), Some(value(number))),
            (key(number * 7 + 1), None),
            (key(number * 7 + 2), Some(value(number * 3))),
        ],
        // Longer than what a roll leaves room for.
        6 if number % 64 == 6 => vec![(key(number), Some(number.to_be_bytes().repeat(700)))],
        _ => vec![(key(number * 11), Some(value(number)))],
    }
}

fn write_until_killed(folder: &Path, durability: Durability) {
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let db = options(durability).open(folder).unwrap();
    for number in first.. {
        match operation(number).as_slice() {
            [(key, Some(value))] => drop(db.put(key, value).unwrap()),
            [(key, None)] => drop(db.delete(key).unwrap()),
            several => {
                let mut batch = Batch::new();
                for (key, value) in several {
                    match value {
                        Some(value) => batch.put(key, value).unwrap(),
                        None => batch.delete(key).unwrap(),
                    };
                }
                db.write(&batch, &WriteOptions::default()).unwrap();
            }
        }
        say(&number.to_string());
    }
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn apply(model: &mut Model, number: u64) {
    for (key, value) in operation(number) {
        match value {
            Some(value) => drop(model.insert(key, value)),
            None => drop(model.remove(&key)),
        }
    }
}

fn content(db: &Db) -> Model {
    let entries = db.scan(Range::all()).map(|entry| entry.unwrap());
    entries.map(|entry| (entry.key.to_vec(), entry.value.to_vec())).collect()
}

/// Lives that end by SIGKILL, one after another in the same folder.
fn lives(role: &str, durability: Durability) {
    let seed = std::process::id().into();
    println!("seed {seed}");
    let random = Memory::new(seed);
    let folder = tempdir().unwrap();
    let mut model = Model::new();
    let mut next = 0;
    for life in 0..12 {
        let mut command = command(&[], role, folder.path());
        command.env(FIRST, next.to_string());
        let mut child = Actor::of(command);
        let wanted = next + 1 + random.random() % 400;
        let mut acknowledged = next;
        while acknowledged < wanted {
            assert_eq!(child.hear(), acknowledged.to_string());
            acknowledged += 1;
        }
        acknowledged += child.kill_and_hear().len() as u64;
        while next < acknowledged {
            apply(&mut model, next);
            next += 1;
        }
        // No lock is left, and nothing that was acknowledged is lost: no more than the operation that was under way shows.
        let db = options(durability).background(life % 2 == 0).open(folder.path()).unwrap();
        let there = content(&db);
        if there != model {
            apply(&mut model, next);
            next += 1;
            assert_eq!(there, model, "seed {seed}, life {life}: neither before nor after {next}");
        }
        let report = db.verify(&mut |_| bitcask::Go::On).unwrap();
        assert!(report.is_sound(), "seed {seed}, life {life}: {report:?}");
        // Some lives begin after a close, some after another sudden end.
        if life % 3 == 0 {
            db.close().unwrap();
        }
        drop(db);
    }
}

#[test]
fn f03_f04_what_was_acknowledged_survives_sigkill_without_durability() {
    lives("write until killed, none", Durability::None);
}

#[test]
fn f03_f04_what_was_acknowledged_survives_sigkill_with_interval() {
    lives("write until killed, interval", Durability::Interval);
}

#[test]
fn f03_f04_what_was_acknowledged_survives_sigkill_with_always() {
    lives("write until killed, always", Durability::Always);
}
