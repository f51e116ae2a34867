//! See `bitcask_fuzz::segments`.
#![cfg_attr(fuzzing, no_main)]

bitcask_fuzz::target!(segments);
