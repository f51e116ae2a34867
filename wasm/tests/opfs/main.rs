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
mod failing;
mod image;
mod life;
mod pool;
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
