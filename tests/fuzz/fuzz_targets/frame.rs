//! See `bitcask_fuzz::frame`.
#![cfg_attr(fuzzing, no_main)]

bitcask_fuzz::target!(frame);
