//! The system's allocator, counted for each thread: the most that a piece of work held at a time.
#![expect(unsafe_code, reason = "an allocator can only be counted by being one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that this thread holds, and the most that it held. What another thread frees is missed, which nothing here does.
    static HELD: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(len: i64) {
    // A thread that is ending has no counter any more, and nobody asks it.
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        let now = now + len;
        held.set((now, most.max(now)));
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory but the counter's, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count(len as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, len) }
    }
}

/// Does it, and says how many bytes this thread held at most meanwhile, beyond those that it held before.
pub(crate) fn most_held<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = HELD.with(|held| {
        let (now, _) = held.get();
        held.set((now, now));
        now
    });
    let done = work();
    let most = HELD.with(|held| held.get().1 - before);
    (done, most as u64)
}
