//! What keeps the sources tidy and is no lint of the compiler's.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's exceptions for tests do not reach the functions that tests share"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILE_LINES_MAX: usize = 500;

/// The project's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All files below a folder of the project with this ending.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            if path.is_dir() && !name.ends_with("node_modules") && !name.ends_with("target") {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let crates = ["core", "cli", "wasm", "benches"].map(|name| format!("{name}/src"));
    let mut all: Vec<_> = crates.iter().flat_map(|folder| files(folder, ".rs")).collect();
    all.extend(files("tests", ".rs"));
    assert!(40 < all.len(), "the sources were not found");
    all
}

/// Lines of code, without their comments, and their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.map(|(at, line)| (at, line.split("//").next().unwrap_or_default()))
}

/// Every place where a line of code has one of these.
fn places(files: &[(String, String)], wanted: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files {
        for (at, line) in code(text) {
            let hits = wanted.iter().filter(|wanted| line.contains(**wanted));
            found.extend(hits.map(|wanted| format!("{name}:{at}: {wanted}")));
        }
    }
    found
}

#[test]
fn core_asks_its_platform_for_nothing_but_memory() {
    let platform = ["std::fs", "std::net", "std::time", "std::thread", "std::env", "std::process"];
    let found = places(&files("core/src", ".rs"), &platform);
    assert!(found.is_empty(), "the storage is the only way out of core: {found:#?}");
}

/// So that a model checker sees every lock and every atomic.
#[test]
fn core_takes_its_locks_from_one_place() {
    let mut found = places(&files("core/src", ".rs"), &["std::sync"]);
    found.retain(|place| !place.starts_with("core/src/sync/"));
    assert!(found.is_empty(), "they come from crate::sync: {found:#?}");
}

#[test]
fn no_file_is_too_long_to_read_at_a_sitting() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| FILE_LINES_MAX < *lines)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn unsafe_code_is_in_one_file() {
    // Split, so that this line is none itself.
    let keyword = concat!("uns", "afe");
    let wanted = [" {", " fn", " impl"].map(|what| format!("{keyword}{what}"));
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let mut found = places(&sources(), &wanted);
    // The mapping; and in tests, calls of the system and an allocator that counts; and a peer of the benchmarks that opens so.
    let allowed = [
        "cli/src/disk/map.rs:",
        "tests/tests/disk/",
        "tests/tests/memory.rs:",
        "tests/fuzz/src/allocator.rs:",
        "benches/src/peers/lmdb.rs:",
    ];
    found.retain(|place| !allowed.iter().any(|allowed| place.starts_with(allowed)));
    assert!(found.is_empty(), "{found:#?}");
    let core = fs::read_to_string(root().join("core/src/lib.rs")).unwrap();
    assert!(core.contains(concat!("#![forbid(uns", "afe_code)]")));
}

/// The failures of other engines that none of ours may repeat, F1 to F25: each has tests that bear its number, and
/// those that are about more than files, locks and the toolchain have them on a storage in memory that fails.
#[test]
fn every_failure_of_others_has_its_tests() {
    let mut missing = Vec::new();
    let tests = files("tests/tests", ".rs");
    for row in 1..=25 {
        let with_number = |folders: &[&str]| -> usize {
            let of = |(name, text): &(String, String)| {
                let here = folders.iter().any(|folder| name.starts_with(folder));
                let named = |(_, line): &(usize, &str)| {
                    let name = line.trim_start().strip_prefix("fn ");
                    name.is_some_and(|name| {
                        let words = name.split('(').next().unwrap_or_default().split('_');
                        words.clone().any(|word| word == format!("f{row:02}"))
                    })
                };
                if here { code(text).filter(named).count() } else { 0 }
            };
            tests.iter().map(of).sum()
        };
        let (everywhere, in_memory) =
            (with_number(&["tests/"]), with_number(&["tests/tests/model", "tests/tests/damage"]));
        println!("F{row}: {everywhere} tests, {in_memory} of them in memory");
        let needs_files = [9, 10, 11, 24].contains(&row);
        if everywhere == 0 || (in_memory == 0 && !needs_files) {
            missing.push(row);
        }
    }
    assert!(missing.is_empty(), "without a test: F{missing:?}");
}

/// F11: an engine that does not run on the current stable compiler.
#[test]
fn f11_the_toolchain_is_a_stable_one_and_the_one_that_the_crates_name() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap();
    let channel = channel.trim_matches('"');
    let is_version = channel.split('.').all(|part| part.parse::<u32>().is_ok());
    assert!(channel == "stable" || is_version, "{channel}");
    let manifest = read("Cargo.toml");
    let needed = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let needed = needed.trim_matches('"');
    assert!(channel == "stable" || channel.starts_with(needed), "{channel}, {needed} is needed");
}

/// What `make mutants` takes out of the engine is still there.
#[test]
fn every_mutant_applies() {
    let mutants = bitcask_tests::mutants::all().unwrap_or_else(|what| panic!("{what}"));
    let wrong: Vec<String> = mutants
        .iter()
        .filter_map(|mutant| {
            let text = fs::read_to_string(root().join(&mutant.file)).unwrap_or_default();
            mutant.apply(&text).err()
        })
        .collect();
    println!("{} mutants", mutants.len());
    assert!(50 < mutants.len() && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_was_left_half_done() {
    let wanted = [
        concat!("to", "do!("),
        concat!("unimp", "lemented!("),
        concat!("db", "g!("),
        concat!("#[ig", "nore]"),
    ];
    let found = places(&sources(), &wanted);
    assert!(found.is_empty(), "{found:#?}");
}

/// What a test or a fuzzer leaves behind is not committed with the rest: stores and exports stand where they are meant to.
#[test]
fn no_store_lies_about() {
    let listed = Command::new("git").arg("ls-files").current_dir(root()).output();
    // From an archive: there is nothing that could be committed.
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else { return };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let is_stray = |name: &&str| {
        let is_meant =
            ["tests/golden/", "tests/fuzz/corpus/"].iter().any(|place| name.starts_with(place));
        let bytes = fs::read(root().join(name)).unwrap_or_default();
        let is_ours = [&b"BITCASK\n"[..], b"BCEXPORT"].iter().any(|magic| bytes.starts_with(magic));
        !is_meant && (is_ours || name.ends_with(".segment") || name.ends_with("/LOCK"))
    };
    let stray: Vec<&str> = listed.lines().filter(is_stray).collect();
    assert!(stray.is_empty(), "{stray:#?}");
}

/// Links from one page of the project to another, or to a heading, lead somewhere.
#[test]
fn links_between_pages_resolve() {
    let mut broken = Vec::new();
    let mut count = 0;
    for folder in ["", "core", "cli", "wasm", "www", "tests", "benches", "demo-data"] {
        for (name, text) in pages(folder) {
            for link in links(&text) {
                count += 1;
                let (path, heading) = link.split_once('#').unwrap_or((link, ""));
                let base = Path::new(&name).parent().unwrap();
                let target = match path {
                    "" => root().join(&name),
                    path => root().join(base).join(path),
                };
                let resolves = match heading {
                    "" => target.exists(),
                    heading => fs::read_to_string(&target)
                        .is_ok_and(|page| headings(&page).iter().any(|there| there == heading)),
                };
                if !resolves {
                    broken.push(format!("{name}: {link}"));
                }
            }
        }
    }
    println!("{count} links");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The pages in a folder itself.
fn pages(folder: &str) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The targets of a page's links within the project. Blocks of code have none.
fn links(page: &str) -> Vec<&str> {
    let prose = page.split("```").step_by(2);
    prose
        .flat_map(|prose| prose.split("](").skip(1))
        .filter_map(|after| after.split(')').next())
        .map(|link| link.split_whitespace().next().unwrap_or_default())
        .filter(|link| !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:"))
        .collect()
}

/// The names by which a page's headings are linked to.
fn headings(page: &str) -> Vec<String> {
    let lines = page.lines().filter(|line| line.starts_with('#'));
    lines
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// What RELIABILITY.md says a promise is tested by is there: tests by name, files and folders, targets of make.
#[test]
fn every_test_that_reliability_names_exists() {
    let page = fs::read_to_string(root().join("RELIABILITY.md")).unwrap();
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut code = sources();
    code.extend(files("cli/tests", ".rs"));
    let exists = |name: &str| code.iter().any(|(_, text)| text.contains(&format!("fn {name}(")));
    let (mut names, mut wrong) = (0, Vec::new());
    for quoted in page.split('`').skip(1).step_by(2) {
        let is_test = 3 <= quoted.matches('_').count();
        let is_there = if is_test {
            names += 1;
            exists(quoted)
        } else if let Some(target) = quoted.strip_prefix("make ") {
            let target = target.split(' ').next().unwrap_or_default();
            makefile.contains(&format!("\n{target}: "))
        } else if quoted.contains('/') {
            root().join(quoted).exists()
        } else {
            true
        };
        wrong.extend((!is_there).then_some(quoted));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(80 < names, "{names} names were found");
    for row in 1..=25 {
        let line = page.lines().find(|line| line.starts_with(&format!("| F{row} |")));
        let line = line.unwrap_or_else(|| panic!("there is no row F{row}"));
        assert!(line.contains('`'), "F{row} names no test");
    }
}
