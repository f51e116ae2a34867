//! Benchmarks of mini-bitcask.
