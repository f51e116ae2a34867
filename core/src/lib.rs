//! The Bitcask engine.
