//! See `bitcask_fuzz::header`.
#![cfg_attr(fuzzing, no_main)]

bitcask_fuzz::target!(header);
