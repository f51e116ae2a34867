//! mini-bitcask in the browser.
