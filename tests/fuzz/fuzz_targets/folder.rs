//! See `bitcask_fuzz::folder`.
#![cfg_attr(fuzzing, no_main)]

bitcask_fuzz::target!(folder);
