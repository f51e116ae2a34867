//! What a caller chooses when a store is opened, and with each write.

pub use crate::keydir::Index;

/// When a write is acknowledged. The words are the same on every platform.
///
/// Whatever the choice, a write that was acknowledged survives the death of the process, and is seen by
/// every read that begins later. Under `Always` too, a read by another thread may see a write a moment before it is
/// durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is in the log. Survives the process, not a power cut before the next sync.
    None,
    /// As `None`; the binding syncs at intervals, so a power cut takes at most that much.
    #[default]
    Interval,
    /// After a sync. Survives a power cut. Many threads that wait share one sync.
    Always,
}

/// What opening does with damage: with durable bytes that are not what they were. A torn tail, which was never
/// durable, is no damage; it is always cut, and reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Opening fails and says where.
    #[default]
    Strict,
    /// Every record that is sound is served, for reading only, and the report says what was passed over.
    /// A lost tombstone or a lost newer value lets an older value show.
    Salvage,
}

/// How a store is opened. Begin with `Options::default()`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The kind of keydir.
    pub index: Index,
    /// When writes are acknowledged, where a write does not say so itself.
    pub durability: Durability,
    /// What opening does with damage. Salvage implies `read_only`.
    pub recovery: Recovery,
    /// A segment is rolled before it would become longer than this, in bytes. A larger record or batch gets a
    /// segment of its own.
    pub segment_bytes: u64,
    /// Whether to make a store where there is none.
    pub create: bool,
    /// Whether to leave everything as it is; other processes may write meanwhile.
    pub read_only: bool,
    /// Whether a rolled segment is sealed at once, in the call that rolled it. Where a binding has a thread
    /// for it, it says no and calls [`Store::seal_pending`](crate::Store::seal_pending); a roll seals all the same where
    /// many wait.
    pub seal_on_roll: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            index: Index::default(),
            durability: Durability::default(),
            recovery: Recovery::default(),
            segment_bytes: 64 << 20,
            create: true,
            read_only: false,
            seal_on_roll: true,
        }
    }
}

impl Options {
    /// Chooses the kind of keydir.
    #[must_use]
    pub fn index(self, index: Index) -> Options {
        Options { index, ..self }
    }

    /// Chooses when writes are acknowledged.
    #[must_use]
    pub fn durability(self, durability: Durability) -> Options {
        Options { durability, ..self }
    }

    /// Chooses what opening does with damage.
    #[must_use]
    pub fn recovery(self, recovery: Recovery) -> Options {
        Options { recovery, ..self }
    }

    /// Chooses the length of segments in bytes; at least 256, at most 4 GiB.
    #[must_use]
    pub fn segment_bytes(self, segment_bytes: u64) -> Options {
        Options { segment_bytes: segment_bytes.clamp(256, 1 << 32), ..self }
    }

    /// Chooses whether to make a store where there is none.
    #[must_use]
    pub fn create(self, create: bool) -> Options {
        Options { create, ..self }
    }

    /// Chooses whether to open for reading only.
    #[must_use]
    pub fn read_only(self, read_only: bool) -> Options {
        Options { read_only, ..self }
    }

    /// Chooses whether rolled segments are sealed at once.
    #[must_use]
    pub fn seal_on_roll(self, seal_on_roll: bool) -> Options {
        Options { seal_on_roll, ..self }
    }

    pub(crate) fn writes(&self) -> bool {
        !self.read_only && self.recovery == Recovery::Strict
    }
}

/// What one write may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// When this write is acknowledged; `None`: as the store was opened.
    pub durability: Option<Durability>,
    /// From when on the key counts as deleted, in milliseconds since 1970. Only for puts of one key; a batch
    /// says it for each of its own.
    pub expires_at_ms: Option<u64>,
}

impl WriteOptions {
    /// Acknowledged as said here.
    #[must_use]
    pub fn durability(durability: Durability) -> WriteOptions {
        WriteOptions { durability: Some(durability), expires_at_ms: None }
    }

    /// Expiring at this time, in milliseconds since 1970.
    #[must_use]
    pub fn expires_at_ms(self, at_ms: u64) -> WriteOptions {
        WriteOptions { expires_at_ms: Some(at_ms), ..self }
    }
}
