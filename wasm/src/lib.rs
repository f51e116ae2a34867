//! mini-bitcask in the browser: [`Opfs`], segments in the Origin Private File System.
//!
//! # What OPFS is
//!
//! A private folder per origin, on the user's disk, invisible to the user. In a **dedicated worker** its
//! files can be opened as *sync access handles*: synchronous reads and writes at any offset, an exclusive
//! lock for as long as the handle is open, and a `flush` that is the system's own sync. A page, a shared
//! worker or a service worker does not have them.
//!
//! # Why slots
//!
//! The engine is synchronous, and three things of OPFS are not as it would like them:
//!
//! - *Opening a file is asynchronous.* So every handle is opened ahead of time, by the code around the store: all of them
//!   before it is opened, while the engine still loads, and between two calls those that [`Opfs::wanted`] names, so that
//!   three free ones are ready. In the npm package that is `wasm/npm/src/folder/opfs.ts`.
//! - *`flush` makes a file's bytes durable, but in Chromium not the existence of a new file*, whose name
//!   is written down some seconds later. So the files exist long before they are needed.
//! - *Creating, renaming and deleting are slow* (Firefox: tens of milliseconds), *and handles are few*
//!   (Safari: 252).
//!
//! Hence a pool of files, the **slots** `slot-00`, `slot-01`, …, that are created once and reused in
//! place. Nothing but a slot's own first 72 bytes says what it holds:
//!
//! | first 72 bytes | the slot is |
//! |---|---|
//! | a valid segment header | that segment |
//! | zeros, or the file is shorter and has none but zeros | free, whatever stands behind them |
//! | anything else | a segment under an id that nothing else has, so that the engine sees it and decides (FORMAT.md, section 5, rule 6) |
//!
//! Creating a segment picks a free slot, in memory only; the header that the engine appends makes it
//! real. Removing one overwrites the header with zeros, cuts the file to them, which gives its space back
//! to the quota, and flushes. Reused slots keep no stale bytes behind, unless a crash came between; the
//! seed in every checksum makes those harmless.
//!
//! A new slot gets its 72 zeros ahead of time, so that a segment can be created in it when the quota is used up.
//!
//! # With the quota used up
//!
//! What makes room needs some. So a segment's file ends in at least 64 KiB of growth that plain writes leave alone: they are
//! refused when the file cannot grow any more, and deletes, seals and marks ([`Opfs::urgently`]) go on into it. One of
//! the free slots is 512 KiB long, for the output of a merge. This is in the files that will need it, and not in one
//! of its own that is given up when it is needed, since a file's space is the quota's again only where the browser says so: in
//! Chromium what an open file has had stays with it until it is closed, in steps from 1 MiB on that double.
//!
//! # Reads
//!
//! Reads and appends below 64 KiB go through 4 MiB of memory in blocks of 4 KiB: a call to a file costs 1 to 4 µs in
//! Chromium and 17 to 75 in Firefox, whatever its length. Openings, merges and verifications read the files.
//!
//! Slots are taken in the order of their age: one that was only just added to the pool is used last.
//!
//! # Between two calls
//!
//! A call of the store takes at most two free slots and usually none; it cannot wait for more. So the code
//! around the store asks for [`Opfs::wanted`] between calls, and hands over what it has opened by [`Opfs::add`]:
//!
//! | what was left out or has run out | what the store says | what helps |
//! |---|---|---|
//! | no free slot is ready, the pool has fewer than 64 | an `Io` error of kind `ResourceBusy`; nothing was written, reads go on | open what is wanted, call it again |
//! | 63 of the 64 slots hold segments | an `Io` error of kind `StorageFull` | `merge_step` within [`Opfs::merging`]: the last slot is kept for its output |
//! | the quota or the disk is full | `QuotaExceeded`, `StorageFull`; the append was undone | free space elsewhere, or merge |
//!
//! `Store::merge` makes one output after another and so wants more slots than a call can have: here a merge goes in
//! steps (`Store::merge_step`), each of which creates at most one.
//!
//! # Who has the store
//!
//! Who has `slot-00` open has the store; a second one who opens it, from whichever tab, is refused by the browser. So
//! it is opened first, and alone. Closing or dropping the [`Opfs`], ending the worker, closing the tab and a
//! crash of the browser all give it back. A browser may take a few seconds for that, so an opener that
//! knows the store to be free (by a Web Lock, say) tries again for about five.

#![forbid(unsafe_code)]

mod bytes;
mod cache;
mod engine;
mod error;
mod fault;
mod feed;
mod files;
mod frame;
mod handle;
mod held;
mod opfs;
mod options;
mod place;
mod ranges;
mod report;
mod run;
mod segment;
mod slot;
mod streams;

pub use engine::Engine;
pub use files::Files;
pub use handle::{FolderShape, Handle};
pub use opfs::Opfs;
pub use options::EngineOptions;
pub use place::Place;
pub use segment::FileSegment;
