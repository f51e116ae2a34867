//! See `bitcask_fuzz::seal`.
#![cfg_attr(fuzzing, no_main)]

bitcask_fuzz::target!(seal);
