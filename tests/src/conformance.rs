//! The contract of the seam as tests. Every binding runs every case, in its own place:
//!
//! ```
//! use bitcask_tests::conformance;
//! use bitcask_core::Memory;
//!
//! macro_rules! on_memory {
//!     ($($case:ident)*) => { $( fn $case() { conformance::$case(Memory::new(1)); } )* };
//! }
//! bitcask_tests::conformance_cases!(on_memory);
//! # appends_are_read_back();
//! ```
//!
//! With `#[test]` before the `fn` each case is a test under its own name; with `#[wasm_bindgen_test] async` and
//! `make().await` it runs in a browser worker. For that reason there is no thread, file, clock or
//! environment here, no case creates more than [`CREATES_MAX`] segments, and each takes one fresh, empty
//! storage by value. Where only a list will do, [`Suite::CASES`] has them all.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test suite: a panic is its way to say no"
)]

mod content;
mod life;

use std::io::{self, ErrorKind};
use std::marker::PhantomData;

use bitcask_core::{Segment, SegmentId, Storage};
use bytes::Bytes;

pub use content::*;
pub use life::*;

/// Calls the macro of this name with the names of all cases.
#[macro_export]
macro_rules! conformance_cases {
    ($callback:ident) => {
        $callback! {
            a_new_storage_is_empty
            appends_are_read_back
            parts_are_joined_in_order
            empty_parts_add_nothing
            reads_at_every_boundary
            reads_beyond_the_end_are_refused
            empty_reads_are_allowed_up_to_the_end
            many_small_appends
            large_appends
            a_read_does_not_see_later_appends
            bytes_outlive_truncate_and_append
            bytes_outlive_freeze_and_remove
            settled_bytes_stay_while_the_segment_grows
            a_removed_segment_is_read_while_held
            truncate_to_shorter
            truncate_to_the_same
            truncate_to_nothing
            truncate_to_longer_is_refused
            create_of_an_existing_segment_is_refused
            open_of_a_missing_segment_is_refused
            remove_of_a_missing_segment_is_refused
            list_follows_create_and_remove
            a_removed_id_can_be_created_again
            open_sees_what_was_appended
            open_of_an_empty_segment
            appends_after_open_go_where_truncate_says
            freeze_twice
            freeze_after_open
            freeze_of_an_empty_segment
            freeze_gives_back_no_content
            rewriting_changes_nothing
            rewriting_beyond_the_end_is_refused
            sync_at_any_time
            segments_do_not_disturb_each_other
            ids_far_apart
            the_time_is_in_milliseconds
            random_bits_differ
        }
    };
}

/// The most segments that one case creates: how many a binding that opens files ahead of time must have ready.
pub const CREATES_MAX: usize = 4;

/// All cases for one storage, by name.
pub struct Suite<S>(PhantomData<S>);

macro_rules! list {
    ($($case:ident)*) => {
        impl<S: Storage + 'static> Suite<S> {
            /// Name and function of each case.
            pub const CASES: &'static [(&'static str, fn(S))] = &[$((stringify!($case), $case::<S>)),*];
        }
    };
}
conformance_cases!(list);

/// Runs every case, each on a storage of its own. Panics at the first one that fails.
pub fn run<S: Storage + 'static>(mut make: impl FnMut() -> S) {
    for (name, case) in Suite::<S>::CASES {
        println!("conformance: {name}");
        case(make());
    }
}

const ONE: SegmentId = SegmentId(1);
const TWO: SegmentId = SegmentId(2);
const MIB: usize = 1 << 20;

/// Bytes in which every place looks different from its neighbours, and no long run is zero.
fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add((i >> 8) as u8) ^ salt | 1).collect()
}

fn read(segment: &impl Segment, offset: usize, len: usize) -> Bytes {
    segment.read_at(offset as u64, len).unwrap()
}

/// The whole segment.
fn contents(segment: &impl Segment) -> Bytes {
    read(segment, 0, segment.len() as usize)
}

fn refusal<T>(result: io::Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(error) => error.kind(),
    }
}

/// The storage with segment 1 holding `bytes`, appended, synced and let go.
fn with_bytes<S: Storage>(storage: S, bytes: &[u8]) -> S {
    let segment = storage.create(ONE).unwrap();
    segment.append(&[bytes]).unwrap();
    segment.sync().unwrap();
    drop(segment);
    storage
}
