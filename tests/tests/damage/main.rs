//! Damage: stores whose files were cut, flipped, zeroed, lost, copied and forged. Whatever the bytes are, a store opens
//! with what was promised or says what is wrong, and never answers with anything else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "clippy's exceptions for tests do not reach the functions that tests share"
)]

mod encode;
mod failures;
mod forgetful;
mod forgotten;
mod golden;
mod guard;
mod hostile;
mod lengths;
mod merges;
mod oracle;
mod segments;
mod stores;
mod streams;
mod sweep;
mod table;
mod values;
