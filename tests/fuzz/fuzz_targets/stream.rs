//! See `bitcask_fuzz::stream`.
#![cfg_attr(fuzzing, no_main)]

bitcask_fuzz::target!(stream);
