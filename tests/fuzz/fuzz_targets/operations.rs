//! See `bitcask_fuzz::operations`.
#![cfg_attr(fuzzing, no_main)]

bitcask_fuzz::target!(operations);
