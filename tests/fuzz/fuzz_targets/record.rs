//! See `bitcask_fuzz::record`.
#![cfg_attr(fuzzing, no_main)]

bitcask_fuzz::target!(record);
