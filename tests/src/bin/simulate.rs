//! Simulates lives of stores on all cores: `make simulate`.
//!
//! ```text
//! LIVES=1000000   lives, at least
//! FIRST=0         the first seed
//! SEED=1234       this seed alone; what it does is printed
//! QUICK=1         what fails is not made small
//! ```

use std::process::ExitCode;
use std::thread;

use bitcask_tests::campaign::{self, Campaign};
use bitcask_tests::model::Simulation;

fn main() -> ExitCode {
    // A panic of the engine is a failure like any other, and is told with it.
    std::panic::set_hook(Box::new(|_| {}));
    match simulate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}

fn simulate() -> Result<(), String> {
    if let Some(seed) = number("SEED")? {
        println!("{:#?}", Simulation::new(seed));
        println!("{:#?}", campaign::run(seed, true)?);
        return Ok(());
    }
    let first = number("FIRST")?.unwrap_or(0);
    let lives = number("LIVES")?.unwrap_or(1_000_000);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    println!("{lives} lives, seeds from {first} on, {threads} threads");
    let explain = number("QUICK")?.is_none();
    let campaign = Campaign { first, lives, threads, explain };
    let report = campaign.run(&|report| println!("{}", report.line()))?;
    print!("{}\n{}", report.line(), report.check()?);
    Ok(())
}

fn number(name: &str) -> Result<Option<u64>, String> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("{name} should be a number: {text}")),
        },
        _ => Ok(None),
    }
}
