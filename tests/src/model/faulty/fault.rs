//! What goes wrong, and in which call.

use std::io;

use crate::model::random::Random;

/// What is to go wrong, by the number of the call since it was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The power goes in this call that changes something (append, sync, truncate, freeze, create, remove).
    Cut(u64),
    /// The process dies in this call that changes something: what it wrote stays, and nothing of it is durable by that.
    Kill(u64),
    /// So many calls that change something fail, from this one on.
    FailWrites(u64, u64),
    /// This call that only looks (read, open, list) fails.
    FailRead(u64),
    /// One bit of what this read gives is another one; what is stored stays as it is.
    FlipRead(u64),
    /// Appends and creates fail for want of room, so many, from this call that changes something on.
    Full(u64, u64),
    /// All calls of this kind fail for good, from the so-many-th call that changes something on.
    Broken(Call, u64),
    /// Each call by chance.
    Rates(Rates),
}

/// How often each thing happens: in so many of 10,000 calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the fault that bears its name")]
pub struct Rates {
    pub cut: u16,
    pub kill: u16,
    pub append: u16,
    pub sync: u16,
    pub names: u16,
    pub other: u16,
    pub read: u16,
    /// How often the disk becomes full, for up to 30 calls.
    pub full: u16,
    /// How often a failure is for good: in so many of 100 failures.
    pub broken: u8,
}

/// The calls that change something, by what can be wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the call that bears its name")]
pub enum Call {
    Append,
    Sync,
    Truncate,
    Freeze,
    Rewrite,
    Create,
    Remove,
}

/// What is to happen in a call that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Works,
    Fails(io::ErrorKind),
    /// It fails, and the power is gone.
    Cut,
    /// It fails, and the process is dead.
    Kill,
    /// The power was gone before, or the process dead.
    Off,
}

impl Verdict {
    /// It happens in part: nobody knows what of it.
    pub(super) fn is_half_done(self) -> bool {
        matches!(self, Verdict::Fails(_) | Verdict::Cut | Verdict::Kill)
    }

    pub(super) fn answer<T>(self, value: T) -> io::Result<T> {
        match self {
            Verdict::Works => Ok(value),
            Verdict::Fails(kind) => Err(io::Error::from(kind)),
            _ => Err(off()),
        }
    }
}

pub(super) fn off() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// The fault that is set, and how far it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Failing {
    pub(super) fault: Fault,
    /// Calls since the fault was set: those that change something, and those that look.
    pub(super) writes: u64,
    pub(super) reads: u64,
    /// By chance this kind is broken for good.
    broken: Option<Call>,
    /// The disk is full for so many calls more.
    full: u64,
}

impl Failing {
    pub(super) fn of(fault: Fault) -> Failing {
        Failing { fault, ..Failing::default() }
    }

    /// The verdict on the next call that changes something.
    pub(super) fn write(&mut self, call: Call, chance: &mut Random) -> Verdict {
        self.writes += 1;
        let number = self.writes;
        let within = |from: u64, count: u64| from <= number && number - from < count;
        let fails = Verdict::Fails(io::ErrorKind::Other);
        let needs_room = matches!(call, Call::Append | Call::Create);
        match self.fault {
            Fault::Cut(at) if at == number => Verdict::Cut,
            Fault::Kill(at) if at == number => Verdict::Kill,
            Fault::FailWrites(from, count) if within(from, count) => fails,
            Fault::Broken(broken, from) if from <= number && broken == call => fails,
            Fault::Full(from, count) if within(from, count) && needs_room => {
                Verdict::Fails(io::ErrorKind::StorageFull)
            }
            Fault::Rates(rates) => self.by_chance(rates, call, chance),
            _ => Verdict::Works,
        }
    }

    fn by_chance(&mut self, rates: Rates, call: Call, chance: &mut Random) -> Verdict {
        let draw = chance.below(10_000) as u16;
        if draw < rates.cut {
            return Verdict::Cut;
        }
        if draw < rates.cut + rates.kill {
            return Verdict::Kill;
        }
        if self.broken == Some(call) {
            return Verdict::Fails(io::ErrorKind::Other);
        }
        if 0 < self.full {
            self.full -= 1;
            if matches!(call, Call::Append | Call::Create) {
                return Verdict::Fails(io::ErrorKind::StorageFull);
            }
        }
        let draw = chance.below(10_000) as u16;
        let rate = match call {
            Call::Append => rates.append,
            Call::Sync => rates.sync,
            Call::Create | Call::Remove => rates.names,
            Call::Truncate | Call::Freeze | Call::Rewrite => rates.other,
        };
        if draw < rate {
            if chance.below(100) < u64::from(rates.broken) {
                self.broken = Some(call);
            }
            return Verdict::Fails(io::ErrorKind::Other);
        }
        if draw < rate + rates.full {
            self.full = 1 + chance.below(30);
        }
        Verdict::Works
    }

    /// Whether the next call that looks fails.
    pub(super) fn read(&mut self, chance: &mut Random) -> bool {
        self.reads += 1;
        match self.fault {
            Fault::FailRead(at) => at == self.reads,
            Fault::Rates(rates) if 0 < rates.read => chance.below(10_000) < u64::from(rates.read),
            _ => false,
        }
    }

    /// Whether a bit of this read, which was counted, is another one.
    pub(super) fn flips(&self) -> bool {
        matches!(self.fault, Fault::FlipRead(at) if at == self.reads)
    }
}
