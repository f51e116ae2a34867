//! Tries every short program, with power cuts everywhere: `make exhaust`.
//!
//! ```text
//! STEPS=4   steps behind each beginning
//! ```

use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use bitcask_tests::exhaustive::{BEGINNINGS, run};

fn main() -> ExitCode {
    let steps = std::env::var("STEPS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let failed = Mutex::new(false);
    for beginning in BEGINNINGS {
        thread::scope(|scope| {
            for part in 0..threads {
                let failed = &failed;
                scope.spawn(move || match run(beginning, steps, part, threads) {
                    Ok(tried) => println!("{beginning:?}, part {part}: {tried:?}"),
                    Err(what) => {
                        eprintln!("FAILED: {what}");
                        if let Ok(mut failed) = failed.lock() {
                            *failed = true;
                        }
                    }
                });
            }
        });
    }
    if failed.into_inner().unwrap_or(true) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
