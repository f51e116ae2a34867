//! The contract of the seam, case by case, on the storages that run in a process of their own.

use bitcask::Disk;
use bitcask_core::Memory;
use bitcask_tests::conformance;

mod memory {
    use super::{Memory, conformance};

    macro_rules! tests {
        ($($case:ident)*) => { $( #[test] fn $case() { conformance::$case(Memory::new(1)); } )* };
    }
    bitcask_tests::conformance_cases!(tests);
}

/// A fresh folder on a real disk for each case.
mod disk {
    use super::{Disk, conformance};

    macro_rules! tests {
        ($($case:ident)*) => { $(
            #[test]
            fn $case() {
                let folder = tempfile::tempdir().unwrap();
                conformance::$case(Disk::options().open(folder.path()).unwrap());
            }
        )* };
    }
    bitcask_tests::conformance_cases!(tests);
}

/// The same without mapping and without growth: what other platforms and `verify` use.
mod disk_plain {
    use super::{Disk, conformance};

    macro_rules! tests {
        ($($case:ident)*) => { $(
            #[test]
            fn $case() {
                let folder = tempfile::tempdir().unwrap();
                let options = Disk::options().map(false).growth_bytes(0);
                conformance::$case(options.open(folder.path()).unwrap());
            }
        )* };
    }
    bitcask_tests::conformance_cases!(tests);
}

/// A case that is written and not listed would never run.
#[test]
fn the_list_holds_every_case() {
    let sources =
        [include_str!("../src/conformance/content.rs"), include_str!("../src/conformance/life.rs")];
    let written: usize = sources.iter().map(|source| source.matches("\npub fn ").count()).sum();
    assert_eq!(conformance::Suite::<Memory>::CASES.len(), written);
    conformance::run(|| Memory::new(2));
}
