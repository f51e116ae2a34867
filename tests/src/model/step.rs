//! Programs as data.

use bitcask_core::{Durability, Index, MergePolicy, Options};

use super::random::Random;
use super::state::{KEYS, Span, Value};

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Kind of keydir.
    pub index: Index,
    /// Of writes that do not say it themselves.
    pub durability: Durability,
    /// Length of segments in bytes.
    pub segment_bytes: u16,
    /// Whether a roll seals.
    pub seal_on_roll: bool,
}

impl Setup {
    /// As the engine takes it.
    #[must_use]
    pub fn options(&self) -> Options {
        Options::default()
            .index(self.index)
            .durability(self.durability)
            .segment_bytes(u64::from(self.segment_bytes))
            .seal_on_roll(self.seal_on_roll)
    }

    /// Any.
    pub fn any(random: &mut Random) -> Setup {
        Setup {
            index: if random.one_in(2) { Index::Hash } else { Index::Ordered },
            durability: match random.below(6) {
                0 => Durability::Always,
                1 => Durability::None,
                _ => Durability::Interval,
            },
            segment_bytes: 256 + random.below(545) as u16,
            seal_on_roll: !random.one_in(3),
        }
    }
}

/// Which segments a merge takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Those of [`MergePolicy::default`].
    Usual,
    /// Those of [`MergePolicy::full`].
    Full,
    /// Whose dead part is large, so that runs begin anywhere.
    Dead,
    /// Small ones, whatever is dead.
    Small,
}

impl Policy {
    /// As the engine takes it.
    #[must_use]
    pub fn policy(self) -> MergePolicy {
        match self {
            Policy::Usual => MergePolicy::default(),
            Policy::Full => MergePolicy::full(),
            Policy::Dead | Policy::Small => {
                let mut policy = MergePolicy::full();
                (policy.dead_ratio, policy.small_ratio, policy.small_run) =
                    if self == Policy::Dead { (0.3, 0.0, 9) } else { (9.0, 0.7, 2) };
                policy
            }
        }
    }

    fn any(random: &mut Random) -> Policy {
        [Policy::Full, Policy::Full, Policy::Full, Policy::Usual, Policy::Dead, Policy::Small]
            [random.index(6)]
    }
}

/// One write of a batch: `None` deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Place of the key.
    pub key: u8,
    /// Its value, and in how many milliseconds it expires.
    pub put: Option<(Value, Option<u16>)>,
}

/// One step of a program. Keys are places in [`KEYS`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the call of the engine that bears its name")]
pub enum Step {
    Put {
        key: u8,
        value: Value,
        expires_in_ms: Option<u16>,
        always: bool,
    },
    Delete {
        key: u8,
        always: bool,
    },
    Batch {
        writes: Vec<Write>,
        always: bool,
    },
    PutIfAbsent {
        key: u8,
        value: Value,
    },
    ReplaceIf {
        key: u8,
        value: Value,
        right: bool,
    },
    DeleteIf {
        key: u8,
        right: bool,
    },
    Get {
        key: u8,
    },
    Scan {
        span: Span,
    },
    OpenScan {
        span: Span,
    },
    AdvanceScan {
        which: u8,
        count: u8,
    },
    DropScan {
        which: u8,
    },
    Snapshot,
    CheckSnapshot {
        which: u8,
        span: Span,
    },
    DropSnapshot {
        which: u8,
    },
    /// A follower pulls the changes.
    Follow {
        which: u8,
    },
    /// The whole store or a part of it as a stream.
    Export {
        span: Span,
    },
    /// A stream that was exported, over what is there.
    Import {
        which: u8,
    },
    MergeStep {
        policy: Policy,
        budget_bytes: u16,
    },
    Merge {
        policy: Policy,
    },
    SealPending,
    Roll,
    Sync,
    /// The accounts, the statistics and every key.
    Check,
    /// A reader beside the writer.
    ReadOnly {
        index: Index,
    },
    Wait {
        ms: u16,
    },
    /// A bit of what is durable changes. The program ends with it.
    Rot,
    Reopen {
        close: bool,
        setup: Setup,
    },
}

/// What a program is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Everything.
    All,
    /// Mostly what changes files: for runs where the power goes.
    Writes,
}

/// A program of `len` steps.
#[must_use]
pub fn program(random: &mut Random, len: usize, mix: Mix) -> (Setup, Vec<Step>) {
    let setup = Setup::any(random);
    // Few keys give many overwrites, many keys give many live records.
    let keys = [2, 4, 8, KEYS.len()][random.index(4)];
    let long = if random.one_in(4) { 400 } else { 90 };
    // Of one length, so that a record can end exactly where one ended that failed before it.
    let one_len = random.one_in(4).then_some(20);
    let mut maker = Maker { random, keys, long, one_len, next_id: 0 };
    (setup, (0..len).map(|_| maker.step(mix)).collect())
}

struct Maker<'a> {
    random: &'a mut Random,
    keys: usize,
    long: u64,
    one_len: Option<u16>,
    next_id: u16,
}

impl Maker<'_> {
    fn step(&mut self, mix: Mix) -> Step {
        match self.random.below(if mix == Mix::All { 108 } else { 76 }) {
            0..=19 => Step::Put {
                key: self.key(),
                value: self.value(),
                expires_in_ms: self.expiry(),
                always: self.random.one_in(6),
            },
            20..=28 => Step::Delete { key: self.key(), always: self.random.one_in(6) },
            29..=35 => {
                let len = self.random.below(7);
                let writes = (0..len).map(|_| self.write()).collect();
                Step::Batch { writes, always: self.random.one_in(5) }
            }
            36..=37 => Step::PutIfAbsent { key: self.key(), value: self.value() },
            38..=39 => Step::ReplaceIf {
                key: self.key(),
                value: self.value(),
                right: !self.random.one_in(3),
            },
            40..=41 => Step::DeleteIf { key: self.key(), right: !self.random.one_in(3) },
            42..=51 => Step::MergeStep {
                policy: Policy::any(self.random),
                budget_bytes: [1, 50, 300, 5000][self.random.index(4)],
            },
            52..=53 => Step::Merge { policy: Policy::any(self.random) },
            54 => Step::SealPending,
            55 => Step::Roll,
            56..=58 => Step::Sync,
            59..=60 => Step::Wait { ms: self.random.below(40) as u16 },
            61..=64 => {
                Step::Reopen { close: self.random.one_in(2), setup: Setup::any(self.random) }
            }
            65 => Step::Snapshot,
            66 => Step::CheckSnapshot { which: self.random.below(4) as u8, span: self.span() },
            67 => Step::DropSnapshot { which: self.random.below(4) as u8 },
            68..=71 => Step::Follow { which: self.random.below(4) as u8 },
            72 => Step::Export { span: self.span() },
            73 => Step::Import { which: self.random.below(4) as u8 },
            74..=75 => Step::Get { key: self.key() },
            _ => self.look(),
        }
    }

    /// A step that changes nothing.
    fn look(&mut self) -> Step {
        match self.random.below(32) {
            0..=5 => Step::Get { key: self.key() },
            6..=10 => Step::Scan { span: self.span() },
            11..=13 => Step::OpenScan { span: self.span() },
            14..=18 => Step::AdvanceScan {
                which: self.random.below(4) as u8,
                count: self.random.below(5) as u8,
            },
            19 => Step::DropScan { which: self.random.below(4) as u8 },
            20..=22 => Step::Snapshot,
            23..=26 => Step::CheckSnapshot { which: self.random.below(4) as u8, span: self.span() },
            27..=28 => Step::DropSnapshot { which: self.random.below(4) as u8 },
            29 => Step::ReadOnly { index: Setup::any(self.random).index },
            _ => Step::Check,
        }
    }

    fn key(&mut self) -> u8 {
        self.random.index(self.keys) as u8
    }

    fn value(&mut self) -> Value {
        self.next_id = self.next_id.wrapping_add(1);
        if let Some(len) = self.one_len {
            return Value { id: self.next_id, len };
        }
        let len = match self.random.below(12) {
            0 => 0,
            1 => self.random.below(self.long * 3),
            _ => self.random.below(self.long),
        };
        Value { id: self.next_id, len: len as u16 }
    }

    fn expiry(&mut self) -> Option<u16> {
        self.random.one_in(6).then(|| self.random.below(80) as u16)
    }

    fn write(&mut self) -> Write {
        let key = self.key();
        let put = (!self.random.one_in(3)).then(|| (self.value(), self.expiry()));
        Write { key, put }
    }

    fn span(&mut self) -> Span {
        let bound = |maker: &mut Self| {
            let wanted = maker.random.one_in(3);
            wanted.then(|| (maker.key(), maker.random.one_in(2)))
        };
        let (lower, upper) = (bound(self), bound(self));
        let prefix = self.random.one_in(4).then(|| (self.key(), self.random.below(3) as u8));
        let limit = self.random.one_in(4).then(|| self.random.below(5) as u8);
        Span { lower, upper, prefix, reverse: self.random.one_in(2), limit }
    }
}
