//! See `bitcask_fuzz::import`.
#![cfg_attr(fuzzing, no_main)]

bitcask_fuzz::target!(import);
