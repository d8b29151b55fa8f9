//! The structures of version 1 as they are written.
//!
//! They are frozen: another structure is another major version. Members may be appended to enums,
//! which raises the minor version. Numbers of type `u32` that stand for something in the tables
//! are called by its name.

use crate::event;
use crate::event::codec::{Decode, Encode};
pub(super) use crate::event::wire::{Address, CoverageState, Dimension, Fact, Phase, Unit};

#[derive(Debug, Encode, Decode)]
pub(super) struct Header {
    /// Version of the crate that wrote it.
    pub(super) writer: String,
    pub(super) boot_id: [u8; 16],
    pub(super) realtime_at_boot: i64,
    pub(super) key: [u8; 8],
    pub(super) resource: Vec<(String, String)>,
}

/// The payload of a frame.
#[derive(Debug, Encode, Decode)]
pub(super) enum Frame {
    Batch(Batch),
    End { events: u64 },
}

#[derive(Debug, Default, Encode, Decode)]
pub(super) struct Batch {
    /// The tables begin anew.
    pub(super) reset: bool,
    /// What is appended to the tables.
    pub(super) entries: Entries,
    /// At least one.
    pub(super) events: Vec<Event>,
}

#[derive(Debug, Default, Encode, Decode)]
pub(super) struct Entries {
    pub(super) texts: Vec<Vec<u8>>,
    pub(super) scopes: Vec<Vec<u64>>,
    pub(super) actors: Vec<Actor>,
    pub(super) facts: Vec<Fact>,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) start: u64,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct Actor {
    pub(super) process: Process,
    pub(super) thread: u32,
    pub(super) container_pid: u32,
    pub(super) exe: Option<u32>,
    pub(super) uid: u32,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct Event {
    /// Since the event before in this batch, or since boot; may be negative.
    pub(super) elapsed: i64,
    pub(super) cpu: u16,
    pub(super) sequence: u64,
    pub(super) scopes: u32,
    pub(super) source: Source,
    pub(super) actor: Option<u32>,
    pub(super) flags: u32,
    pub(super) what: What,
}

#[derive(Debug, Encode, Decode)]
pub(super) enum What {
    ScopeOpened {
        cgroup: Option<u32>,
    },
    ScopeClosed,
    UnitBegan(Unit),
    UnitEnded(Unit),
    Forked {
        child: Process,
    },
    Returned {
        code: u8,
    },
    Killed {
        signal: u8,
    },
    Use(Use),
    Coverage(Vec<DimensionCoverage>),
    Resolved {
        name: u32,
        address: Address,
        ttl: u32,
    },
    Custom {
        object: u32,
        kind: u32,
        phase: Phase,
        payload: Vec<u8>,
    },
    CustomCoverage {
        lost: u64,
        truncated: u64,
        faults: u64,
        programs: Vec<u32>,
        gaps: Vec<u32>,
    },
}

#[derive(Debug, Encode, Decode)]
pub(super) struct Use {
    pub(super) fact: u32,
    pub(super) sight: Sight,
    pub(super) count: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// Since the time of the event.
    pub(super) first: i64,
    /// Since the time of the event.
    pub(super) last: i64,
    pub(super) exec: Option<Box<ExecDetail>>,
    pub(super) inode: Option<(u64, u64)>,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct ExecDetail {
    pub(super) parent: Process,
    pub(super) parent_exe: Option<u32>,
    pub(super) arguments: Vec<Argument>,
    pub(super) uid: u32,
    pub(super) euid: u32,
    pub(super) gid: u32,
    pub(super) egid: u32,
    pub(super) capabilities: u64,
    pub(super) cgroup: u64,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct Argument {
    pub(super) shape: u32,
    pub(super) hash: [u8; 16],
    pub(super) length: u32,
    pub(super) raw: Option<u32>,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct DimensionCoverage {
    pub(super) dimension: Dimension,
    pub(super) state: CoverageState,
    pub(super) since: u64,
    pub(super) lost: u64,
    pub(super) truncated: u64,
    pub(super) faults: u64,
    pub(super) hook: u32,
    pub(super) gaps: Vec<u32>,
}

impl From<event::ProcessId> for Process {
    fn from(process: event::ProcessId) -> Self {
        Self {
            pid: process.pid,
            start: process.start.0,
        }
    }
}

impl From<Process> for event::ProcessId {
    fn from(process: Process) -> Self {
        Self {
            pid: process.pid,
            start: event::BootTime(process.start),
        }
    }
}

crate::event::wire::same_members! {
    Source { Kernel }
    Sight { First, FirstInUnit, Repeat }
}
