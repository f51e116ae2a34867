//! What mini-bitcask is tested by.

pub mod conformance;
pub mod model;
