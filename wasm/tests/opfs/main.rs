//! The seam's contract, the pool of slots and a whole store, on the real OPFS of a browser, in a dedicated
//! worker.
#![cfg(target_arch = "wasm32")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests: a panic is their way to say no"
)]

mod common;
mod damage;
mod engine;
mod failing;
mod frames;
mod image;
mod life;
mod opener;
mod pool;
mod quota;
mod store;

use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

macro_rules! on_opfs {
    ($($case:ident)*) => { $(
        #[wasm_bindgen_test]
        async fn $case() {
            bitcask_tests::conformance::$case(common::fresh("conformance").await);
        }
    )* };
}
bitcask_tests::conformance_cases!(on_opfs);

macro_rules! on_a_folder {
    ($($case:ident)*) => {
        /// The same on files of a folder that JavaScript gives.
        mod folder {
            $( case_on_a_folder!($case); )*
        }
    };
}
macro_rules! case_on_a_folder {
    // Its ids do not fit into JavaScript's numbers: `engine::ids_that_are_no_numbers_are_refused`.
    (ids_far_apart) => {};
    ($case:ident) => {
        #[wasm_bindgen_test::wasm_bindgen_test]
        fn $case() {
            let folder = crate::engine::memory();
            bitcask_tests::conformance::$case(bitcask_wasm::Files::new(folder));
        }
    };
}
bitcask_tests::conformance_cases!(on_a_folder);
