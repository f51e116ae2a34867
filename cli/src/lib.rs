//! mini-bitcask on real files.
