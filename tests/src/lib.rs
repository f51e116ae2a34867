//! What mini-bitcask is tested by.
