//! Merging by itself: space comes back, at a bounded pace.
