//! See `bitcask_fuzz::arguments`.
#![cfg_attr(fuzzing, no_main)]

bitcask_fuzz::target!(arguments);
