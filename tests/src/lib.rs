//! What mini-bitcask is tested by.

pub mod campaign;
pub mod conformance;
pub mod exhaustive;
pub mod model;
pub mod mutants;
