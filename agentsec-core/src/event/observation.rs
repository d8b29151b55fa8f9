//! Events: what a source of observations delivers.

use std::net::IpAddr;
use std::ops::{BitOr, BitOrAssign};
use std::sync::Arc;

use super::{Actor, BootTime, Coverage, Fact, Phase, ProcessId, Text};

/// One scope of one sensor; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId(pub u64);

/// One unit of learning; unique across machines and runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId {
    /// The engine that counted it: random, new for each sensor.
    pub source: [u8; 16],
    /// Its number there, from 1.
    pub number: u64,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The kernel, from its own objects.
    Kernel,
}

/// What a reader must know about the quality of an observation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(pub u32);

impl Flags {
    /// A string was cut.
    pub const TRUNCATED: Self = Self(1);
    /// Memory could not be read; a string is missing or cut.
    pub const READ_FAULT: Self = Self(1 << 1);
    /// A path is as asked, not as found.
    pub const UNRESOLVED: Self = Self(1 << 2);
    /// The object disagreed with the arguments: another thread may have swapped it.
    pub const UNSTABLE: Self = Self(1 << 3);
    /// The path ended outside the root of the process.
    pub const UNREACHABLE: Self = Self(1 << 4);
    /// The connection was completed by the kernel and never accepted: no process.
    pub const NOT_ACCEPTED: Self = Self(1 << 5);
    /// Delivered late, from the store of what the ring refused.
    pub const LATE: Self = Self(1 << 6);
    /// Nothing is known about the actor but its number.
    pub const ACTOR_UNKNOWN: Self = Self(1 << 7);
    /// Something was not collected, e.g. the directory that a path as asked starts from.
    pub const NOT_COLLECTED: Self = Self(1 << 16);
    /// Arguments of an exec were cut.
    pub const ARGUMENTS_TRUNCATED: Self = Self(1 << 17);
    /// Arguments of an exec could not be read.
    pub const ARGUMENTS_READ_FAULT: Self = Self(1 << 18);

    /// Whether all flags of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What an event's flags say about its own fact.
    pub(crate) fn of_fact(self) -> Self {
        Self(self.0 & !(Self::ARGUMENTS_TRUNCATED.0 | Self::ARGUMENTS_READ_FAULT.0))
    }

    /// What an exec's flags say about its arguments.
    pub(crate) fn of_arguments(self) -> Self {
        let pairs = [
            (Self::ARGUMENTS_TRUNCATED, Self::TRUNCATED),
            (Self::ARGUMENTS_READ_FAULT, Self::READ_FAULT),
        ];
        let own = Self::TRUNCATED.0 | Self::READ_FAULT.0 | Self::NOT_COLLECTED.0;
        let rest = Self(self.of_fact().0 & !own);
        let set = pairs
            .iter()
            .filter(|(of_event, _)| self.contains(*of_event));
        set.fold(rest, |all, (_, flag)| all | *flag)
    }

    /// The stable names of those that are set.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (Self::TRUNCATED, "truncated"),
            (Self::READ_FAULT, "read_fault"),
            (Self::UNRESOLVED, "unresolved"),
            (Self::UNSTABLE, "unstable"),
            (Self::UNREACHABLE, "unreachable"),
            (Self::NOT_ACCEPTED, "not_accepted"),
            (Self::LATE, "late"),
            (Self::ACTOR_UNKNOWN, "actor_unknown"),
            (Self::NOT_COLLECTED, "not_collected"),
            (Self::ARGUMENTS_TRUNCATED, "arguments_truncated"),
            (Self::ARGUMENTS_READ_FAULT, "arguments_read_fault"),
        ];
        all.iter()
            .filter(|(flag, _)| self.contains(*flag))
            .map(|&(_, name)| name)
            .collect()
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time: BootTime,
    /// Processor it was seen on.
    pub cpu: u16,
    /// Order on that processor.
    pub sequence: u64,
    /// The scopes it belongs to, innermost first.
    pub scopes: Arc<[ScopeId]>,
    /// Who says so.
    pub source: Source,
    /// The process behind it, where there is one.
    pub actor: Option<Arc<Actor>>,
    /// Quality.
    pub flags: Flags,
    /// What happened.
    pub what: What,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A scope began or ended.
    Scope(ScopeChange),
    /// A unit of learning began or ended.
    Unit(UnitChange),
    /// A process was created or ended.
    Process(ProcessChange),
    /// A fact was seen.
    Use(Use),
    /// How well the scope is seen, as of now.
    Coverage(Coverage),
    /// A name was found to stand for an address, for a while.
    Resolved(Resolution),
    /// An embedder's own program in the kernel says something.
    Custom(Custom),
    /// How well the embedder's own programs see the scope, as of now.
    CustomCoverage(CustomCoverage),
}

/// What an embedder's own program in the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    /// The name that the embedder gave to the object.
    pub object: Text,
    /// The number that the program gave to this kind of event.
    pub kind: u32,
    /// Launcher or workload.
    pub phase: Phase,
    /// What it handed over, at most 4,096 bytes. It may hold what the workload supplied: to be read
    /// like any hostile input.
    pub payload: Arc<[u8]>,
}

/// How well an embedder's own programs see one scope: absolute numbers, so a later one replaces an
/// earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomCoverage {
    /// Events that were lost, of all objects.
    pub lost: u64,
    /// Payloads that were cut.
    pub truncated: u64,
    /// Payloads that could not be read.
    pub faults: u64,
    /// The programs that are attached, as `object/program`.
    pub programs: Vec<String>,
    /// Those that are not, and why: one short sentence each.
    pub gaps: Vec<String>,
}

/// An answer of the DNS, or the name a peer was called by.
///
/// It comes with every answer, also of a name that is known: what is allowed by name follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The name that was asked for, in lower case and without a final dot.
    pub name: Text,
    /// What it stands for.
    pub address: IpAddr,
    /// For so many seconds from the time of the event.
    pub ttl: u32,
}

/// A scope began or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeChange {
    /// From here on its events arrive.
    Opened {
        /// The cgroup it covers, where it covers one.
        cgroup: Option<Text>,
    },
    /// Nothing more will come; every count is final.
    Closed,
}

/// A unit of learning began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitChange {
    /// What follows belongs to it.
    Began(UnitId),
    /// Complete.
    Ended(UnitId),
}

/// A process was created or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessChange {
    /// The actor created this process.
    Forked {
        /// The new process.
        child: ProcessId,
    },
    /// The actor ended.
    Exited(ExitStatus),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExitStatus {
    /// It returned this status.
    Code(u8),
    /// It was ended by this signal.
    Signal(u8),
}

/// How much is new about a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sight {
    /// First time in this scope.
    First,
    /// Known, and first time in this unit.
    FirstInUnit,
    /// Known in this unit: a count drained from the kernel.
    Repeat,
}

/// A fact was seen.
///
/// Counts add up: the operations of a fact are the sum of `count` over its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// What was done.
    pub fact: Arc<Fact>,
    /// How much is new.
    pub sight: Sight,
    /// Operations this event stands for (may be 0 where a later one will count them).
    pub count: u64,
    /// Bytes received from a peer or read from a file.
    pub bytes_in: u64,
    /// Bytes sent to a peer or written to a file.
    pub bytes_out: u64,
    /// First of these operations.
    pub first: BootTime,
    /// Last of these operations.
    pub last: BootTime,
    /// What else is known about an exec.
    pub exec: Option<Box<ExecDetail>>,
    /// Device number as `stat` prints it and inode, of files and executed binaries: evidence.
    pub inode: Option<(u64, u64)>,
}

/// What is known about one exec beyond its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecDetail {
    /// The parent process.
    pub parent: ProcessId,
    /// The program of the parent, if known.
    pub parent_exe: Option<Text>,
    /// Arguments, the program's own name left out; reduced unless the embedder asked for raw text.
    pub arguments: Vec<Argument>,
    /// Real user.
    pub uid: u32,
    /// Effective user.
    pub euid: u32,
    /// Real group.
    pub gid: u32,
    /// Effective group.
    pub egid: u32,
    /// Effective capabilities, one bit each.
    pub capabilities: u64,
    /// The kernel's cgroup id: evidence.
    pub cgroup: u64,
}

/// One argument of an exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// What is kept of it: flag names, paths, destinations; never a value that may be a secret.
    pub shape: Text,
    /// Keyed hash of the whole argument.
    pub hash: [u8; 16],
    /// Its length in bytes.
    pub length: u32,
    /// The argument itself, only where the embedder asked for it.
    pub raw: Option<Text>,
}
